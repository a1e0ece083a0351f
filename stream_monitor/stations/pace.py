"""So many a second and no more, evenly: who comes waits for his turn. It knows nothing of what is done then."""

from __future__ import annotations

import asyncio

from stream_monitor.stations.waits import Waits


class Pace:
    """Turns on one event loop, handed out in the order of asking."""

    def __init__(self, per_s: float) -> None:
        """Args: `per_s`: turns a second."""
        self._between_s = 1.0 / per_s
        self._next_s = 0.0

    async def turn(self, waits: Waits) -> None:
        """Waits for one.

        Raises:
            StoppedError: A stop came first.
        """
        now_s = asyncio.get_running_loop().time()
        due_s = max(now_s, self._next_s)
        self._next_s = due_s + self._between_s
        if due_s > now_s:
            await waits.pause(due_s - now_s)
