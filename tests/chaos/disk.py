"""A small disk that can be filled to the last byte: a tmpfs of its own, which only root can mount."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.chaos.lab import CaseError

PIECE = 1 << 16


class SmallDisk:
    """Mounted inside `with`."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        """Mounts nothing yet.

        Args:
            folder: Where it is seen; made.
            megabytes: What it holds.
        """
        self.folder = folder
        self._megabytes = megabytes

    def __enter__(self) -> Self:
        """
        Raises:
            CaseError: It cannot be mounted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self._megabytes}m,mode=0777"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CaseError(f"no small disk can be mounted: {done.stderr.strip()}; run it as root")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Leaves no room at all."""
        with self._ballast.open("ab", buffering=0) as ballast:
            size = PIECE
            while size:
                try:
                    ballast.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    @property
    def room_bytes(self) -> int:
        """What can still be written."""
        return shutil.disk_usage(self.folder).free

    def make_room(self) -> None:
        """As before."""
        self._ballast.unlink()
