"""A stop that can be asked for from any thread and that wakes whoever is blocked.

It knows nothing of what is stopped. It is a `threading.Event` whose `set` also calls those who wait inside foreign
code and cannot look at an event themselves, such as FFmpeg reading from a network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop(threading.Event):
    """Set once, by anybody; `calling` registers what must be called at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def set(self) -> None:
        """Asks for the stop, and calls every registered callback in this thread."""
        with self._lock:
            super().set()
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """While the context lasts, a stop calls `callback` (at once where it was set before)."""
        token = object()
        with self._lock:
            self._callbacks[token] = callback
            already = self.is_set()
        try:
            if already:
                callback()
            yield
        finally:
            with self._lock:
                del self._callbacks[token]
