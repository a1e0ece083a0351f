"""Records for an event loop, from a consumer that blocks and belongs to one thread. It decides nothing about records.

All calls of the consumer run in one thread of their own, one after the other, so that neither side needs a lock. What
is ours is read from the committed offset on, and some hours before it, for those who must remember.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

import structlog

from stream_monitor.kafka.client import CommittingConsumer, Membership, Partition, Received
from stream_monitor.kafka.errors import PositionError
from stream_monitor.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

POLL_S: Final = 0.2
CLOSE_S: Final = 30.0
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one poll gave."""

    starts: Mapping[Partition, int] | None
    """After a new assignment: what is ours, and the first record of each that is not committed. Nothing when what was
    ours is no longer, until the next assignment. Else None."""
    records: Sequence[Received]
    """Each partition's in order; after a new assignment from some hours before its start."""
    positions: Mapping[Partition, int]
    """The next offset that will be read."""
    gone: Mapping[Partition, int] = field(default_factory=dict)
    """How many records of each are no longer there that were neither committed nor read."""


class Feed:
    """One group's records; open inside `async with`."""

    def __init__(self, settings: KafkaSettings, topic: str, *, memory_hours: float, session_s: float) -> None:
        """Connects to nothing.

        Args:
            settings: Where to, and which group.
            topic: What to read.
            memory_hours: How far before the committed offset reading begins.
            session_s: A member that is not heard of for so long is out of the group.
        """
        self._settings = settings
        self._topic = topic
        self._session_s = session_s
        self._memory_ms = round(3.6e6 * memory_hours)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=settings.group_id)
        self._open = ExitStack()
        self._member: Membership | None = None
        self._starts: dict[Partition, int] = {}

    async def __aenter__(self) -> Self:
        """Connects.

        Raises:
            BrokerError: No broker answers.
        """
        connect = partial(CommittingConsumer, self._settings, [self._topic], session_s=self._session_s, reset="none")
        self._consumer = await self._there(lambda: self._open.enter_context(connect()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leaves the group, if that was not done."""
        try:
            await self.leave()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def leave(self) -> None:
        """Leaves the group, so that others read on; nothing can be asked any more."""
        await asyncio.wait_for(self._there(self._open.close), CLOSE_S)

    async def turn(self, room: int) -> Turn:
        """The next records, `room` of them at most; none where there is no room.

        Raises:
            BrokerError: The brokers refuse.
        """
        return await self._there(lambda: self._turn(room))

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commits; False where the group has moved on.

        Raises:
            BrokerError: The brokers refuse, or do not answer in time.
        """
        return await self._there(lambda: self._consumer.commit(offsets))

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record of each.

        Raises:
            BrokerError: The brokers refuse.
        """
        return await self._there(lambda: {each: self._consumer.ends(each) for each in partitions})

    async def _there(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _turn(self, room: int) -> Turn:
        consumer = self._consumer
        nothing = Turn(starts=None, records=(), positions={})
        try:
            own = consumer.membership().partitions
            (consumer.resume if room > 0 else consumer.pause)(own)
            try:
                records = consumer.poll(POLL_S, max(1, room))
            except PositionError as error:
                if self._member is not None and consumer.membership() == self._member:
                    return self._go_on(self._member, str(error))
                records = []  # of a new assignment nothing was sought yet
            member = consumer.membership()
            if self._member is not None and member != self._member:
                self._member = None
                return Turn(starts={}, records=(), positions={})
            if not member.settled:
                return nothing
            if self._member is None:
                # What was polled may be of before: dropped, since each partition is sought anew.
                begun = {partition: self._begin(partition) for partition in member.partitions}
                self._member = member
                self._starts = {partition: start for partition, (start, _) in begun.items()}
                gone = {partition: number for partition, (_, number) in begun.items() if number}
                return Turn(starts=dict(self._starts), records=(), positions={}, gone=gone)
            places = {each: consumer.position(each) for each in own}
            positions = {each: place for each, place in places.items() if place is not None}
            return Turn(starts=None, records=records, positions=positions)
        except KeyError:
            return nothing  # the client's word for: no longer ours; the next turn sees it

    def _go_on(self, member: Membership, reason: str) -> Turn:
        """What was to be read next is not there: later records are read on, what is on its way goes on.

        A topic that was cut or made anew is begun anew.
        """
        gone = {}
        for partition in member.partitions:
            position, begins = self._consumer.position(partition), self._consumer.begins(partition)
            if position is not None and position < begins:
                self._consumer.seek(partition, begins)
                told_to = max(position, self._starts[partition])
                gone[partition] = self._missed(partition, told_to, begins) if told_to < begins else 0
        if gone:
            return Turn(starts=None, records=(), positions={}, gone=gone)
        log.info("offsets come from the group's commits", topic=self._topic, reason=reason)
        self._member = None
        return Turn(starts={}, records=(), positions={})

    def _begin(self, partition: Partition) -> tuple[int, int]:
        """Goes back as far as is remembered; returns from where on nothing was told, and how much before is gone."""
        consumer = self._consumer
        begins, found = consumer.begins(partition), consumer.committed(partition)
        start, gone = begins if found is None else found[0], 0
        if start < begins:
            start, gone = begins, self._missed(partition, start, begins)
        elif start > (ends := consumer.ends(partition)):
            where = {"topic": partition.topic, "partition": partition.number}
            log.error("the topic was cut: it is read from its begin", **where, told_to=start, ends=ends)
            start = begins
        since = consumer.since(partition, round(time.time() * 1e3) - self._memory_ms) if self._memory_ms else None
        consumer.seek(partition, start if since is None else min(start, max(since, begins)))
        return start, gone

    def _missed(self, partition: Partition, told_to: int, begins: int) -> int:
        where = {"topic": partition.topic, "partition": partition.number}
        log.error("events are gone that were not told", **where, told_to=told_to, begins=begins)
        return begins - told_to
