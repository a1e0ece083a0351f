"""Partitions, records and memberships as values; the client's own types go no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Partition:
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """Who we are in the group and what is ours, taken at one moment; equal while the group stays as it is."""

    group: Any = field(compare=False)
    """As the client has it."""
    generation: tuple[str, int]
    """Our number in the group, and the group's."""
    partitions: frozenset[Partition]
    settled: bool = True
    """False while the group is being joined: the number may be the new one, and the partitions still the old ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A record as it was read."""

    partition: Partition
    offset: int
    appended_ms: int
    """When the broker took it."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def received_of(record: Any) -> Received:
    return Received(
        partition=Partition(topic=record.topic, number=record.partition),
        offset=record.offset,
        appended_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )


def place_of(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)
