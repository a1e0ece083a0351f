"""Files that are there whole or not at all: temporary file, fsync, rename, fsync of the folder. Knows no formats."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from index.errors import CatalogueReadOnly, CatalogueStorage

READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn the operating system's refusals into the package's errors.

    Args:
        doing: What was being done, for the message: "enrolling 'x' in DIR".

    Raises:
        CatalogueReadOnly: The folder or file may not be written.
        CatalogueStorage: The disk is full, over quota, or failed.
    """
    try:
        yield
    except OSError as error:
        if error.errno in READ_ONLY:
            raise CatalogueReadOnly(f"{doing}: {error.strerror}; make the folder writable or use another") from error
        raise CatalogueStorage(
            f"{doing}: {error.strerror or error}; nothing enrolled before is lost, free some space and run it again"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make what was written to a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
