"""Standard input and named pipes as a file object whose reads end within a quarter of a second of a stop.

It knows nothing of audio.
"""

from __future__ import annotations

import os
import select
from typing import Protocol

from stream_monitor.errors import StoppedError
from stream_monitor.stopping import Stop

_POLL_S = 0.25


class ByteSource(Protocol):
    """A readable file object that has a name and cannot seek."""

    @property
    def name(self) -> str: ...

    def read(self, size: int = -1) -> bytes: ...

    def close(self) -> None: ...


class PipeReader:
    """A readable, not seekable file object over a file descriptor."""

    def __init__(self, descriptor: int, *, name: str, stop: Stop, owned: bool) -> None:
        """Args: `owned` says that `close` closes the descriptor too."""
        self.name = name
        self.bytes_read = 0
        self._descriptor = descriptor
        self._stop = stop
        self._owned = owned

    def read(self, size: int = -1) -> bytes:
        """Waits for the next bytes; at most `size`, empty at the end.

        Raises:
            StoppedError: A stop was asked for while waiting.
        """
        while not self._stop.is_set():
            ready, _, _ = select.select([self._descriptor], [], [], _POLL_S)
            if ready:
                data = os.read(self._descriptor, size if size > 0 else 65_536)
                self.bytes_read += len(data)
                return data
        raise StoppedError(f"{self.name}: stopped while reading")

    def close(self) -> None:
        """Closes the descriptor where it is this object's own."""
        if self._owned:
            os.close(self._descriptor)
            self._owned = False
