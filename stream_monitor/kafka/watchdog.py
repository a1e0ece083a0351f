"""Ends the process where a transaction does not come back: a commit has no time-out of its own.

Nobody could say what became of such a transaction. It knows nothing of what is in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EXIT_WATCHDOG: Final = 4


@contextmanager
def watched(watchdog_s: float) -> Iterator[None]:
    """Ends the process (exit code 4) where the context lasts longer than this."""

    def end() -> None:
        log.critical("a transaction did not come back", watchdog_s=watchdog_s)
        os._exit(EXIT_WATCHDOG)

    timer = threading.Timer(watchdog_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
