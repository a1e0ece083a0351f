"""Whole partitions, read from beginning to end outside of any group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from stream_monitor.kafka.client.connection import connection
from stream_monitor.kafka.client.records import Partition, Received, place_of, received_of
from stream_monitor.kafka.client.refusals import Refusals
from stream_monitor.kafka.errors import BrokerError
from stream_monitor.kafka.settings import KafkaSettings, MiB


class LogReader:
    """Reads partitions from their beginning to their end, outside of any group."""

    def __init__(self, settings: KafkaSettings, *, deadline_s: float = 60.0) -> None:
        """Connects.

        Args:
            settings: Where to.
            deadline_s: How long one partition may take.

        Raises:
            BrokerError: No broker answers.
        """
        self._refusals = Refusals(settings=settings, operation="Read")
        self._deadline_s = deadline_s
        try:
            self._client = KafkaConsumer(
                **connection(settings),
                metrics_enabled=False,
                group_id=None,
                isolation_level="read_committed",
                enable_auto_commit=False,
                max_partition_fetch_bytes=4 * MiB,
                allow_auto_create_topics=False,
            )
        except KafkaError as error:
            raise self._refusals.at_start(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(autocommit=False)

    def read(self, partition: Partition) -> Iterator[Received]:
        """Every committed record that is in a partition now.

        Raises:
            BrokerError: It takes longer than the deadline, e.g. because a transaction is left open.
        """
        place, deadline = place_of(partition), time.monotonic() + self._deadline_s
        try:
            self._client.assign([place])
            self._client.seek_to_beginning(place)
            end = self._client.end_offsets([place])[place]
            # By position and not by the last record: a log may end with the marks of transactions.
            while self._client.position(place) < end:
                if time.monotonic() > deadline:
                    raise BrokerError(
                        f"{partition.topic}-{partition.number} was not read to its end within {self._deadline_s:g} s"
                    )
                for batch in self._client.poll(timeout_ms=500).values():
                    yield from map(received_of, batch)
        except KafkaError as error:
            raise replace(self._refusals, topics=(partition.topic,)).of(error) from error
