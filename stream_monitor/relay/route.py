"""One destination's route: records in, deliveries out, offsets committed. It knows nothing of MQTT or HTTP.

What is committed is the prefix without a gap of what was acknowledged, so a lane that is stuck holds the commit and,
when the window is full, the reading; nothing is passed by. What is open is told again where it may be wrong at the
destination: after each assignment at once and once more when nothing of another relay can come late, and after each
reconnect.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import BrokerError, PoisonError
from stream_monitor.kafka.letter import ROUTE
from stream_monitor.kafka.outbox import Labelled
from stream_monitor.relay.alert import Stream, read
from stream_monitor.relay.dead_letters import DeadLetters
from stream_monitor.relay.deliveries import Deliveries, Item
from stream_monitor.relay.destination import Delivery, Destination
from stream_monitor.relay.feed import Feed, Turn
from stream_monitor.relay.ledger import Ledger
from stream_monitor.relay.open_plays import OpenPlays
from stream_monitor.relay.settings import RelaySettings
from stream_monitor.telemetry.heartbeat import Heartbeat
from stream_monitor.telemetry.relay_metrics import RelayMetrics

log = structlog.get_logger(__name__)

TROUBLE_S: Final = 1.0
LAG_S: Final = 5.0


class Route:
    """From the topic to one destination."""

    def __init__(
        self,
        feed: Feed,
        destination: Destination,
        plays: OpenPlays,
        letters: DeadLetters,
        *,
        settings: RelaySettings,
        metrics: RelayMetrics,
        heart: Heartbeat,
        at: Labelled = lambda _: None,
    ) -> None:
        """Prepares.

        Args:
            feed: Records of the group of this route.
            destination: Where they go.
            plays: What is open, and what the filter lets through.
            letters: For what cannot be told.
            settings: Window, commits, end.
            metrics: What is counted.
            heart: Beats while records are read.
            at: See `Labelled`; the places are `before commit` and `after commit`.
        """
        self._feed = feed
        self._destination = destination
        self._plays = plays
        self._letters = letters
        self._settings = settings
        self._metrics = metrics
        self._heart = heart
        self._at = at
        self._name = destination.name
        self._ledger = Ledger()
        self._deliveries = Deliveries(destination, letters, metrics, self._settle)
        self._starts: dict[Partition, int] = {}
        self._remembering: set[Partition] = set()
        self._streams_of: dict[Stream, Partition] = {}
        self._reconnects = 0
        self._again_s: float | None = None
        """When what is open is told once more after an assignment."""
        self._committed_s = self._measured_s = time.monotonic()
        self._complaint: str | None = "starting"
        self._silence: str | None = None
        """Of Kafka, until it was heard of again: a poll alone says nothing when brokers are away."""

    def complaints(self) -> Sequence[str]:
        """Why it is not ready; called by other threads."""
        own = [f"{self._name}: {each}" for each in (self._silence, self._complaint) if each is not None]
        return (*own, *self._destination.complaints(), *self._letters.complaints())

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Tells events until `stopping`, then finishes what is on its way, within the deadline, and commits."""
        async with asyncio.TaskGroup() as tasks:
            self._deliveries.open(tasks)
            connecting = tasks.create_task(self._destination.run())
            try:
                while not stopping():
                    await self._turn()
                log.info("the route stops", route=self._name, waiting=self._ledger.outstanding)
                await self._finish()
                self._heart.end()
                await self._feed.leave()
            finally:
                connecting.cancel()
                self._deliveries.close()
                self._letters.close()

    async def _turn(self) -> None:
        self._heart.beat()
        self._restate_again()
        try:
            turn = await self._feed.turn(self._settings.window - self._ledger.outstanding)
            self._take(turn)
            await self._commit()
        except BrokerError as error:
            if not error.retriable:
                raise
            self._silence = f"Kafka: {error}"
            log.warning("Kafka does not answer; it is asked again", route=self._name, reason=str(error))
            await asyncio.sleep(TROUBLE_S)

    def _take(self, turn: Turn) -> None:
        for partition, number in turn.gone.items():
            self._metrics.lost.labels(self._name, str(partition.number)).inc(number)
        if turn.starts or turn.records:
            self._silence = None
        if turn.starts is not None:
            self._take_over(turn.starts, turn.gone)
            return
        for record in turn.records:
            if record.offset < self._starts[record.partition]:
                self._remember(record)
            else:
                self._restate(record.partition)
                self._take_record(record)
        for partition, position in turn.positions.items():
            if position >= self._starts.get(partition, position + 1):
                self._restate(partition)
        self._ledger.pass_by({each: place for each, place in turn.positions.items() if each in self._starts})
        if self._starts:
            self._complaint = "what is open is read again" if self._remembering else None
        self._metrics.waiting.labels(self._name).set(self._ledger.outstanding)

    def _take_over(self, starts: Mapping[Partition, int], gone: Mapping[Partition, int]) -> None:
        """A new assignment: all is read from its commit on, and a while before it to know what is open."""
        self._starts = dict(starts)
        self._remembering = set(starts)
        self._ledger.begin(starts, {each: start - gone.get(each, 0) for each, start in starts.items()})
        self._deliveries.begin()
        self._again_s = time.monotonic() + self._destination.lingers_s
        self._plays.clear()
        self._streams_of.clear()
        self._complaint = "what is open is read again" if starts else "no partitions are assigned"
        log.info("partitions taken over", route=self._name, partitions=sorted(each.number for each in starts))

    def _remember(self, record: Received) -> None:
        if _sent_back_for(record) is not None:
            return  # its play went on long ago
        try:
            alert = read(record)
        except PoisonError:
            return  # told when it was new
        self._plays.hear(alert)
        self._streams_of[alert.stream] = record.partition

    def _restate(self, partition: Partition) -> None:
        """All before the commit is remembered: what is open is told once more, for a broker may have lost it."""
        if partition not in self._remembering:
            return
        self._remembering.discard(partition)
        if self._destination.tells_plays:
            self._tell_plays(each for each in self._plays.streams() if self._streams_of.get(each) == partition)
        if not self._remembering:
            self._streams_of.clear()

    def _restate_again(self) -> None:
        """What is open, behind what is on its way: a broker may have lost it, or had a late word of another relay."""
        reconnects = self._destination.reconnects
        due = reconnects != self._reconnects or (self._again_s is not None and time.monotonic() >= self._again_s)
        if not due or self._remembering or self._deliveries.restating:
            return
        self._reconnects, self._again_s = reconnects, None
        if self._destination.tells_plays:
            self._tell_plays(self._plays.streams())

    def _tell_plays(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            delivery = Delivery(stream=stream, alert=None, plays=self._plays.of(stream))
            self._deliveries.put(Item(record=None, delivery=delivery))

    def _take_record(self, record: Received) -> None:
        self._ledger.take(record.partition, record.offset)
        route = _sent_back_for(record)
        if route is not None and route != self._name:
            self._ledger.settle(record.partition, record.offset)
            return
        try:
            alert = read(record)
        except PoisonError as error:
            self._deliveries.put(Item(record=record, delivery=None, poison=error))
            return
        if route is not None:  # a dead letter of ours: told as it is, and what is open has long gone on
            delivery = Delivery(stream=alert.stream, alert=alert, plays=None)
            self._deliveries.put(Item(record=record, delivery=delivery))
            return
        heard = self._plays.hear(alert)
        plays = heard.plays if self._destination.tells_plays else None
        if not heard.told:
            self._metrics.filtered.labels(self._name).inc()
            if plays is None:
                self._ledger.settle(record.partition, record.offset)
                return
        delivery = Delivery(stream=alert.stream, alert=alert if heard.told else None, plays=plays)
        self._deliveries.put(Item(record=record, delivery=delivery))

    def _settle(self, record: Received) -> None:
        self._ledger.settle(record.partition, record.offset)

    async def _commit(self, *, now: bool = False) -> None:
        """Commits what is due.

        Raises:
            BrokerError: The brokers refuse; it is due again.
        """
        moment_s = time.monotonic()
        if now or moment_s - self._committed_s >= self._settings.commit_s:
            self._committed_s = moment_s
            offsets = self._ledger.uncommitted()
            if offsets:
                self._at("before commit")
                if await self._feed.commit(offsets):
                    self._ledger.committed(offsets)
                self._at("after commit")
        if not now and moment_s - self._measured_s >= LAG_S:
            self._measured_s = moment_s
            ends = await self._feed.ends(list(self._starts))
            lag = sum(max(0, ends[each] - upto) for each, upto in self._ledger.upto().items())
            self._metrics.lag_records.labels(self._name).set(lag)
            self._silence = None

    async def _finish(self) -> None:
        """Waits for what is on its way, within the deadline; meanwhile it stays in the group, alive and committing."""
        deadline = time.monotonic() + self._settings.stop_s
        while self._ledger.outstanding and time.monotonic() < deadline:
            self._heart.beat()
            try:
                turn = await self._feed.turn(0)
                if turn.starts is not None:
                    self._take_over(turn.starts, turn.gone)  # others tell what was on its way
                await self._commit()
            except BrokerError as error:
                log.warning("Kafka does not answer; it is asked again", route=self._name, reason=str(error))
                await asyncio.sleep(TROUBLE_S)
        left = self._ledger.outstanding
        try:
            await self._commit(now=True)
        except BrokerError as error:
            log.warning("the last commit failed: some events are told again", route=self._name, reason=str(error))
        log.info("the route has stopped", route=self._name, told_after_the_next_start=left)


def _sent_back_for(record: Received) -> str | None:
    """Whose dead letter the record was, where `dlq replay` sent it back; None for all others."""
    return next(((value or b"").decode(errors="replace") for name, value in record.headers if name == ROUTE), None)
