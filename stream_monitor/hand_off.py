"""The bounded hand-over between the threads that read sources and the one that computes.

Backpressure has a type and a deadline: whoever offers waits until there is room, until all is stopped, or until the
deadline, which is an error. It knows nothing of what is handed over.
"""

from __future__ import annotations

import queue
from typing import Generic, TypeVar

from stream_monitor.errors import BackpressureError, StoppedError
from stream_monitor.stopping import Stop

T = TypeVar("T")

_POLL_S = 0.05


class HandOff(Generic[T]):
    """A queue of at most `limit` items."""

    def __init__(self, *, limit: int, deadline_s: float, stop: Stop) -> None:
        self._queue: queue.Queue[T] = queue.Queue(maxsize=limit)
        self._deadline_s = deadline_s
        self._stop = stop

    def offer(self, item: T) -> None:
        """Hands over one item, waiting for room.

        Raises:
            BackpressureError: There was no room within the deadline.
            StoppedError: All is stopped; the item was not handed over.
        """
        waited_s = 0.0
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                waited_s += _POLL_S
                if waited_s >= self._deadline_s:
                    raise BackpressureError(
                        f"the pipeline took no audio for {self._deadline_s:g} s; watch fewer streams on this machine"
                    ) from None
            else:
                return
        raise StoppedError("stopped while audio was handed over")

    def check_open(self) -> None:
        """Whether anybody still takes.

        Raises:
            StoppedError: Nobody does.
        """
        if self._stop.is_set():
            raise StoppedError("stopped before audio was handed over")

    def take(self, *, wait_s: float, at_most: int) -> list[T]:
        """Takes what is there, at most `at_most` items; waits up to `wait_s` for the first."""
        items: list[T] = []
        try:
            items.append(self._queue.get(timeout=max(0.0, wait_s)) if wait_s > 0 else self._queue.get_nowait())
            while len(items) < at_most:
                items.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return items
