"""What is on its way to one destination. It knows nothing of offsets, MQTT or HTTP.

Deliveries of one stream go one after the other; streams share a few lanes, which deliver at the same time. When all
begins anew, what is on its way is given up: another relay may tell these streams by now, and a word of ours that comes
late would undo what it said last.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from stream_monitor.kafka.client import Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.relay.alert import Alert
from stream_monitor.relay.dead_letters import DeadLetters
from stream_monitor.relay.destination import Delivery, Destination, UndeliverableError
from stream_monitor.telemetry.relay_metrics import RelayMetrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """What waits in a lane."""

    record: Received | None
    """Settled when it is delivered; None where it tells only what was told before."""
    delivery: Delivery | None
    """None for a record that cannot be read."""
    poison: PoisonError | None = None


class Deliveries:
    """Those of one route."""

    def __init__(
        self,
        destination: Destination,
        letters: DeadLetters,
        metrics: RelayMetrics,
        settle: Callable[[Received], None],
    ) -> None:
        """Delivers nothing before `begin`.

        Args:
            destination: Where they go.
            letters: For what cannot be told.
            metrics: What is counted.
            settle: Called with each record whose delivery is done.
        """
        self._destination = destination
        self._letters = letters
        self._metrics = metrics
        self._settle = settle
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        # Bounded by the route's window, and by the streams that are told again: no more is handed out at a time.
        self._lanes: list[asyncio.Queue[Item]] = []
        self.restating = 0
        """Items on their way that tell only what was told before."""

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """Lanes run among these tasks."""
        self._tasks = tasks

    def begin(self) -> None:
        """Gives up all that is on its way, and starts with empty lanes."""
        self.close()
        self.restating = 0
        self._lanes = [asyncio.Queue() for _ in range(self._destination.at_once)]
        if self._tasks is not None:
            self._running = [self._tasks.create_task(self._deliver(lane)) for lane in self._lanes]

    def close(self) -> None:
        """Gives up all that is on its way."""
        for task in self._running:
            task.cancel()
        self._running = []

    def put(self, item: Item) -> None:
        """Behind what its stream waits for."""
        stream = None if item.delivery is None else item.delivery.stream
        key = b"" if stream is None else f"{stream.kind}/{stream.stream_id}".encode()
        self.restating += item.record is None
        self._lanes[zlib.crc32(key) % len(self._lanes)].put_nowait(item)

    async def _deliver(self, lane: asyncio.Queue[Item]) -> None:
        while True:
            item = await lane.get()
            try:
                if item.poison is not None:
                    raise UndeliverableError(item.poison.code, str(item.poison))
                if item.delivery is not None:
                    await self._destination.deliver(item.delivery)
                    self._told(item.delivery.alert)
            except UndeliverableError as error:
                if item.record is not None:
                    await self._letters.send(item.record, error.code, str(error))
                    self._metrics.dead_letters.labels(self._destination.name, error.code).inc()
            if item.record is None:
                self.restating -= 1
            else:
                self._settle(item.record)

    def _told(self, alert: Alert | None) -> None:
        if alert is not None:
            name = self._destination.name
            self._metrics.acknowledged.labels(name).inc()
            if alert.detected_at is not None:
                self._metrics.latency.labels(name).observe(max(0.0, time.time() - alert.detected_at.timestamp()))
