"""Waits on an event loop that end at their time or at a stop, whichever comes first.

It knows nothing of what is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stream_monitor.errors import StoppedError


class Waits:
    """All waits of one loop; `cut` ends them, from the loop's own thread."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self.stopped = False
        """Whether all was stopped; then no further wait begins."""

    @asynccontextmanager
    async def within(self, seconds: float | None) -> AsyncIterator[None]:
        """What is awaited inside may take so long; None is for ever.

        Raises:
            TimeoutError: It took longer.
            StoppedError: A stop came first.
        """
        if self.stopped:
            raise StoppedError("stopped before waiting")
        try:
            async with asyncio.timeout(seconds) as timeout:
                self._open.add(timeout)
                try:
                    yield
                finally:
                    self._open.discard(timeout)
        except TimeoutError:
            if self.stopped:
                raise StoppedError("stopped while waiting") from None
            raise

    async def pause(self, seconds: float) -> None:
        """Sleeps.

        Raises:
            StoppedError: A stop came first.
        """
        async with self.within(None):
            await asyncio.sleep(seconds)

    def cut(self) -> None:
        """Ends every wait."""
        self.stopped = True
        now_s = asyncio.get_running_loop().time()
        for timeout in self._open:
            if not timeout.expired():
                timeout.reschedule(now_s)
