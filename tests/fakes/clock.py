"""A clock that only moves when somebody waits, or when it is told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class FakeClock:
    """As `stream_monitor.clock.SystemClock`; waiting takes no time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits = 0
        self._lock = threading.Lock()

    def monotonic_s(self) -> float:
        """Seconds since the clock was made."""
        return self.now_s

    def utc_now(self) -> datetime:
        """Noon of a fixed day, and what has passed since."""
        return datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(seconds=self.now_s)

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        """Moves on by `seconds` at once, unless `wake` is set."""
        if not wake.is_set():
            with self._lock:
                self.now_s += max(0.0, seconds)
                self.waits += 1
        return wake.is_set()
