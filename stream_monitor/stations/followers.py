"""Threads for addresses that only FFmpeg's own reader can read, so many and no more. It knows nothing of HTTP.

An address that has an end waits until a thread is free; one that has none would wait for ever, so it fails with words
that say what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from stream_monitor.errors import CannotOpenError
from stream_monitor.live_reader import LiveReader
from stream_monitor.readers import Arrival, next_arrival
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)


class Followers:
    """At most `limit` addresses at a time, each in a thread until it ends."""

    def __init__(
        self, limit: int, policy: ReconnectPolicy, *, stop: Stop, hand_over: Callable[[Arrival], None]
    ) -> None:
        """Starts no thread yet.

        Args:
            limit: How many.
            policy: Time-outs.
            stop: Ends them.
            hand_over: Takes what they read.
        """
        self._limit = limit
        self._policy = policy
        self._stop = stop
        self._hand_over = hand_over
        self._threads = ThreadPoolExecutor(max_workers=limit, thread_name_prefix="follow")
        self._taken = 0

    async def follow(self, address: Address, *, reason: str, ends: bool) -> None:
        """Reads an address to its end; called on the loop.

        Args:
            address: Where its reading stands.
            reason: Why it needs a thread.
            ends: Whether it has an end that is known.

        Raises:
            CannotOpenError: All threads are taken.
        """
        if self._taken >= self._limit and not ends:
            raise CannotOpenError(
                f"{address.source.location}: needs a thread of its own ({reason}), and all {self._limit} are taken;"
                " raise produce.stations.reader_threads, or give it to another producer"
            )
        log.info(
            "read in a thread",
            stream=address.source.stream_id,
            reason=reason,
            taken=self._taken,
            limit=self._limit,
        )
        self._taken += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._read, address)
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Lets the threads go, after the stop or the end."""
        self._threads.shutdown(wait=False)

    def _read(self, address: Address) -> None:
        segments = LiveReader(address, self._policy, stop=self._stop).segments()
        while (arrival := next_arrival(address.source, segments)) is not None:
            self._hand_over(arrival)
