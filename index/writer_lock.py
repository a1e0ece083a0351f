"""At most one process writes to a catalogue; the second is told at once who the first is. Knows nothing of catalogues.

The lock is the operating system's, so it ends with the process that held it, however that ended.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from index.errors import CatalogueLocked


class WriterLock:
    """A folder's lock for writing. Made without being taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / "writer.lock", timeout=0)
        self._holder_path = folder / "writer.json"

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            CatalogueLocked: Another process, or another catalogue object of this one, has it.
            OSError: The folder cannot be written.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise CatalogueLocked(
                f"{self._folder} is being written by {self._holder()}: wait until that ends, then run this again"
            ) from error
        try:
            self._holder_path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        except OSError:
            self._lock.release()
            raise

    def release(self) -> None:
        """Give the lock back; may be called twice."""
        if self._lock.is_locked:
            self._holder_path.unlink(missing_ok=True)
            self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads(self._holder_path.read_text())
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):  # it has the lock but has not said its name yet
            return "another process"
