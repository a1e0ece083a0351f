"""The process's limit of open files."""

from __future__ import annotations


def allow_open_files(files: int) -> None:
    """Raises the process's own limit of open files, as far as the system lets it: paced files are all open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
