"""Where events go: JSON Lines, appended to a file or written to standard output, and visible at once.

It knows nothing of what an event means. An event is one line; a line is written whole and flushed before the next
call returns. A disk that is full, or a reader that has gone, is one clear error.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from stream_monitor.errors import SettingsError, SinkError

Event = Mapping[str, Any]


class EventSink(Protocol):
    """Takes events in order."""

    def write(self, events: Iterable[Event]) -> None:
        """Takes the next events; they are out when this returns.

        Raises:
            SinkError: they could not be written.
        """
        ...

    def close(self) -> None:
        """Makes what was written last. Repeating it changes nothing."""
        ...


def line_of(event: Event) -> str:
    """One event as one line of JSON, with its newline."""
    return json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


class FileSink:
    """Appends to a file; a line that an earlier run left unfinished is closed first."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            SettingsError: The file cannot be opened for writing, or its folder does not exist.
        """
        self.path = path
        self.written = 0
        """Events that are in the file."""
        try:
            # Unbuffered: what was not written must be known here, not at exit.
            self._file: io.RawIOBase = path.open("ab", buffering=0)
            if _ends_mid_line(path):
                self._put(b"\n")
        except OSError as error:
            raise SettingsError(f"{path}: events cannot be written there: {error.strerror or error}") from error

    def write(self, events: Iterable[Event]) -> None:
        """Appends the events, one write for all of them."""
        lines = [line_of(event) for event in events]
        if not lines:
            return
        try:
            self._put("".join(lines).encode())
        except OSError as error:
            raise SinkError(
                f"{self.path}: events cannot be written: {error.strerror or error}"
                f" ({self.written} were written in this run; make room and watch again)"
            ) from error
        self.written += len(lines)

    def close(self) -> None:
        """Brings the file to the disk and closes it."""
        if self._file.closed:
            return
        try:
            if self.path.is_file():
                os.fsync(self._file.fileno())
        except OSError as error:
            raise SinkError(f"{self.path}: events may be lost: {error.strerror or error}") from error
        finally:
            self._file.close()

    def _put(self, data: bytes) -> None:
        """Writes all of `data`; a raw file may take less at a time."""
        view = memoryview(data)
        while view:
            taken = self._file.write(view)
            view = view[taken or 0 :]


class StdoutSink:
    """Writes to whatever `sys.stdout` is at that moment, so that a live table can move out of the way."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, events: Iterable[Event]) -> None:
        """Writes the events and flushes."""
        lines = [line_of(event) for event in events]
        if not lines:
            return
        try:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
        except OSError as error:
            # Python flushes once more at exit; that must not fail a second time.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise SinkError(f"standard output: events cannot be written: {error.strerror or error}") from error
        self.written += len(lines)

    def close(self) -> None:
        """Nothing is left to do."""


def _ends_mid_line(path: Path) -> bool:
    """Whether the file's last byte is something else than a newline."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
