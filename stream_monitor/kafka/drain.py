"""How long what was read may still take to be sent, once an end is asked for. It knows nothing of what is sent."""

from __future__ import annotations

from collections.abc import Callable

from stream_monitor.clock import Clock


class Drain:
    """Asked often; the time runs from the first answer that an end is wanted."""

    def __init__(self, interrupted: Callable[[], bool], *, clock: Clock, seconds: float) -> None:
        """Args: `interrupted`: whether an end is wanted; `seconds`: how long it may take then."""
        self._interrupted = interrupted
        self._clock = clock
        self._seconds = seconds
        self._until_s: float | None = None

    def begin(self) -> None:
        """An end is wanted."""
        if self._until_s is None:
            self._until_s = self._clock.monotonic_s() + self._seconds

    def left_s(self) -> float | None:
        """Seconds that are left, at least 0; None while nobody wants an end."""
        if self._until_s is None and self._interrupted():
            self.begin()
        return None if self._until_s is None else max(0.0, self._until_s - self._clock.monotonic_s())
