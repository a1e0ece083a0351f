"""Ctrl-C and SIGTERM as a question that a loop asks, so that what is open can be closed first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether Ctrl-C or SIGTERM came; only a flag, for a signal handler must take no lock."""

    def __init__(self) -> None:
        self._came = False

    def __call__(self) -> bool:
        return self._came

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The first signal ends in good order, a second one at once."""
        if self._came:
            raise KeyboardInterrupt
        self._came = True


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Catches SIGINT and SIGTERM while the context lasts."""
    came = Interruption()
    before = {number: signal.signal(number, came.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
