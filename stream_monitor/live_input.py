"""An address read by FFmpeg in a thread of its own, so that whoever listens can leave at once.

FFmpeg waits for a network inside C code that neither Ctrl-C nor a stop reaches, only its own time-outs. So it waits in
a daemon thread; the listener polls a short queue and, on a stop, leaves the thread to end by its time-out. It knows
nothing of epochs or reconnects.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from stream_monitor.decode import AudioFormat, AudioInput
from stream_monitor.errors import InputError, StoppedError
from stream_monitor.segments import Samples
from stream_monitor.stopping import Stop

_POLL_S = 0.1
_AHEAD_BLOCKS = 8

_Item = AudioFormat | Samples | InputError | None


class LiveInput:
    """One connection; use it as a context manager, then read `format` and `blocks`."""

    def __init__(self, url: str, *, stop: Stop, connect_timeout_s: float, read_timeout_s: float) -> None:
        """Starts nothing yet.

        Args:
            url: What FFmpeg is to open.
            stop: Ends every wait within `_POLL_S`.
            connect_timeout_s: How long connecting may take.
            read_timeout_s: How long the next packet may take.
        """
        self._url = url
        self._stop = stop
        self._left = Stop()
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._queue: queue.Queue[_Item] = queue.Queue(maxsize=_AHEAD_BLOCKS)
        self.format: AudioFormat

    def __enter__(self) -> LiveInput:
        """Connects.

        Raises:
            InputError: As `AudioInput`.
            StoppedError: A stop came first.
        """
        threading.Thread(target=self._read, name=f"read {self._url}", daemon=True).start()
        try:
            item = self._next()
        except BaseException:
            self._left.set()
            raise
        if isinstance(item, InputError):
            raise item
        if not isinstance(item, AudioFormat):
            raise TypeError(f"{self._url}: the reader sent {type(item).__name__} before the format")
        self.format = item
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def blocks(self) -> Iterator[Samples]:
        """Yields what `AudioInput.blocks` yields, and raises what it raises.

        Raises:
            StoppedError: A stop came.
        """
        while (item := self._next()) is not None:
            if isinstance(item, InputError):
                raise item
            if isinstance(item, AudioFormat):
                raise TypeError(f"{self._url}: the reader sent its format twice")
            yield item

    def _next(self) -> _Item:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
        raise StoppedError(f"{self._url}: stopped while reading")

    def _read(self) -> None:
        """What the thread does: opens, reads and posts until the end or until the listener has left."""
        connect_timeout_s, read_timeout_s = self._timeouts
        try:
            with AudioInput(
                self._url, stop=self._left, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s
            ) as audio:
                self._post(audio.format)
                for samples_S in audio.blocks():
                    self._post(samples_S)
        except InputError as error:
            self._post(error)
        except StoppedError:
            return
        else:
            self._post(None)

    def _post(self, item: _Item) -> None:
        while not self._left.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
