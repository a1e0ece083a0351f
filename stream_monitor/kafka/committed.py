"""What is committed: where to go on reading, and the streams as the last commit left them. It reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

import structlog

from stream_monitor.kafka.client import Consumer, LogReader, Partition
from stream_monitor.kafka.errors import PartitionsError
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.kafka.stream_state import Restored
from stream_monitor.lane_state import LaneState

log = structlog.get_logger(__name__)


class Snapshots(Protocol):
    """Snapshots as records, for a worker's catalogue and encoder."""

    def encode(self, state: LaneState) -> bytes: ...

    def decode(self, value: bytes) -> Restored: ...


class Committed:
    """Positions of audio partitions and streams of state partitions."""

    def __init__(self, consumer: Consumer, reader: LogReader, snapshots: Snapshots, topics: TopicSettings) -> None:
        self._consumer = consumer
        self._reader = reader
        self._snapshots = snapshots
        self._topics = topics

    def position(self, partition: Partition) -> Position:
        """L and F of a partition; its beginning where nothing was committed, or what was is no longer there.

        Raises:
            BrokerError: The brokers refuse.
            PartitionsError: What was committed belongs to another number of partitions.
        """
        begins = self._consumer.begins(partition)
        found = self._consumer.committed(partition)
        if found is None:
            return Position(replay_from=begins, frontier=begins)
        replay_from, about = found[0], json.loads(found[1])
        frontier, partitions = int(about["frontier"]), about.get("partitions", self._topics.partitions)
        if partitions != self._topics.partitions:
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

    def streams(self, number: int) -> Iterator[Restored]:
        """The streams of a partition of the state, of both kinds, as they belong to the positions that are committed.

        A worker that died may have left a transaction open there, and snapshots that others have committed since lie
        behind it: they are waited for.

        Raises:
            BrokerError: The brokers refuse.
            StateError: A snapshot is of another version or encoder.
        """
        newest: dict[bytes, bytes] = {}
        for record in self._reader.read(Partition(topic=self._topics.state, number=number), settled=True):
            if record.value:
                newest[record.key or b""] = record.value
            else:
                newest.pop(record.key or b"", None)
        for value in newest.values():
            yield self._snapshots.decode(value)
