"""The process's limit of open files."""

from __future__ import annotations

from typing import Final

from stream_monitor.errors import SettingsError

SPARE: Final = 256
"""For everything else: code, logs, brokers."""


def allow_open_files(files: int) -> None:
    """Raises the process's own limit so that so many files and connections can be open.

    Raises:
        SettingsError: The system does not let it.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SettingsError(
            f"{files} files and connections would be open, {wanted} with what else is needed, and the system allows"
            f" {hard}: raise it (`ulimit -Hn`, LimitNOFILE of systemd), or share the sources out to several processes"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
