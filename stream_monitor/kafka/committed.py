"""What is committed: where to go on reading, and the streams as the last commit left them. It reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from stream_monitor.kafka.client import Consumer, LogReader, Membership, Partition
from stream_monitor.kafka.errors import PartitionsError
from stream_monitor.kafka.partition import Aside, Position
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.kafka.stream_state import Restored
from stream_monitor.lane_state import LaneState

log = structlog.get_logger(__name__)


class Snapshots(Protocol):
    """Snapshots as records, for a worker's catalogue and encoder."""

    def encode(self, state: LaneState) -> bytes: ...

    def decode(self, value: bytes) -> Restored: ...


class _LeftError(Exception):
    """What is read is of no use any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heritage:
    """What a worker goes on from."""

    positions: Mapping[Partition, Position]
    streams: Sequence[tuple[Partition, Restored]]
    """Each with the partition that its audio is in."""


class Committed:
    """Positions of audio partitions and streams of state partitions."""

    def __init__(self, consumer: Consumer, reader: LogReader, snapshots: Snapshots, topics: TopicSettings) -> None:
        self._consumer = consumer
        self._reader = reader
        self._snapshots = snapshots
        self._topics = topics

    def heritage(self, membership: Membership, stopping: Callable[[], bool]) -> Heritage | None:
        """All that is needed to go on with the partitions of a membership; they are left paused.

        However much there is to read, the group sees a member that lives.

        Args:
            membership: Whose partitions.
            stopping: Asked often: whether to leave it.

        Returns:
            None where the group has gone on meanwhile, or the worker is to stop.

        Raises:
            BrokerError: The brokers refuse.
            PartitionsError: What was committed belongs to another number of partitions.
            StateError: A snapshot is of another version or encoder.
        """

        def stay() -> None:
            if stopping() or not self._consumer.stay(membership):
                raise _LeftError

        positions, streams = dict[Partition, Position](), list[tuple[Partition, Restored]]()
        self._consumer.pause(membership.partitions)
        try:
            for partition in sorted(membership.partitions):
                positions[partition] = self.position(partition, stay)
                stay()
            for number in sorted({partition.number for partition in membership.partitions}):
                for restored in self.streams(number, stay):
                    home = Partition(topic=self._topics.audio(restored.state.stream.kind), number=number)
                    if home in membership.partitions:
                        streams.append((home, restored))
        except _LeftError:
            log.info("taking over is left: the group has gone on, or this worker is to stop")
            return None
        return Heritage(positions=positions, streams=streams)

    def position(self, partition: Partition, between: Callable[[], None] = lambda: None) -> Position:
        """L and F of a partition; its beginning where nothing was committed, or what was is no longer there.

        An offset that an administrator has set (`kafka-consumer-groups.sh --reset-offsets`) is both.

        Args:
            partition: Which.
            between: Called about once a second while an open transaction is waited for; whatever it raises ends it.

        Raises:
            BrokerError: The brokers refuse.
            PartitionsError: What was committed belongs to another number of partitions.
        """
        begins = self._consumer.begins(partition)
        found = self._consumer.committed(partition, between)
        if found is None:
            return Position(replay_from=begins, frontier=begins)
        replay_from, aside = found[0], Aside.of(found[1])
        if aside is None:
            log.warning(
                "the offset was set by another hand: what comes from there on is heard as new",
                topic=partition.topic,
                partition=partition.number,
                offset=replay_from,
            )
            aside = Aside(frontier=replay_from, partitions=None)
        frontier, partitions = aside.frontier, aside.partitions
        if partitions is not None and partitions != self._topics.partitions:
            raise PartitionsError(
                f"{partition.topic} has {self._topics.partitions} partitions, the group's state was made with"
                f" {partitions}: streams would part from it; go back to {partitions}, or start with new topics"
            )
        if replay_from < begins:
            log.error(
                "audio is gone that was still needed: a gap",
                topic=partition.topic,
                partition=partition.number,
                needed=replay_from,
                begins=begins,
            )
        return Position(replay_from=max(replay_from, begins), frontier=max(frontier, begins))

    def streams(self, number: int, between: Callable[[], None] = lambda: None) -> Iterator[Restored]:
        """The streams of a partition of the state, of both kinds, as they belong to the positions that are committed.

        A worker that died may have left a transaction open there, and snapshots that others have committed since lie
        behind it: they are waited for.

        Args:
            number: Which.
            between: Called about twice a second or more often; whatever it raises ends the reading.

        Raises:
            BrokerError: The brokers refuse.
            StateError: A snapshot is of another version or encoder.
        """
        newest: dict[bytes, bytes] = {}
        place = Partition(topic=self._topics.state, number=number)
        for record in self._reader.read(place, settled=True, between=between):
            if record.value:
                newest[record.key or b""] = record.value
            else:
                newest.pop(record.key or b"", None)
        for value in newest.values():
            yield self._snapshots.decode(value)
