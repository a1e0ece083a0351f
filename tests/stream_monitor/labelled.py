"""A process that sends itself a signal the nth time that it comes to a labelled point; whatever it does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def signal_at(label: str, times: int, how: signal.Signals = signal.SIGKILL) -> Callable[[str], None]:
    """To be called with each point that the process comes to."""
    left = times

    def at(here: str) -> None:
        nonlocal left
        if here == label:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), how)

    return at
