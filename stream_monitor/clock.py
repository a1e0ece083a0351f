"""The clock that everything live is given, so that tests can turn it. It knows nothing of what is timed."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def monotonic_s(self) -> float:
        """Seconds that only rise."""
        ...

    def utc_now(self) -> datetime:
        """Wall clock, with its time zone."""
        ...

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        """Waits until `wake` is set or `seconds` have passed; says whether it is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic_s(self) -> float:
        """Seconds that only rise."""
        return time.monotonic()

    def utc_now(self) -> datetime:
        """Wall clock in UTC."""
        return datetime.now(UTC)

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        """Waits until `wake` is set or `seconds` have passed; says whether it is set."""
        return wake.wait(max(0.0, seconds))
