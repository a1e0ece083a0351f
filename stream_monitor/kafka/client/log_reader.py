"""Whole partitions, read from beginning to end outside of any group."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, Self

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from stream_monitor.kafka.client.connection import lone_consumer
from stream_monitor.kafka.client.records import Partition, Received, place_of, received_of
from stream_monitor.kafka.client.refusals import Refusals
from stream_monitor.kafka.errors import BrokerError
from stream_monitor.kafka.settings import KafkaSettings


class LogReader:
    """Reads partitions from their beginning to their end, outside of any group."""

    def __init__(self, settings: KafkaSettings, *, deadline_s: float = 60.0) -> None:
        """Connects.

        Args:
            settings: Where to.
            deadline_s: How long reading may stand still.

        Raises:
            BrokerError: No broker answers.
        """
        self._settings = settings
        self._refusals = Refusals(settings=settings, operation="Read")
        self._deadline_s = deadline_s
        self._client = self._connected("read_committed")
        self._whole: KafkaConsumer | None = None
        """Sees also what is not committed yet; made when it is first asked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(autocommit=False)
        if self._whole is not None:
            self._whole.close(autocommit=False)

    def read(
        self, partition: Partition, *, settled: bool = False, between: Callable[[], None] = lambda: None
    ) -> Iterator[Received]:
        """Every committed record that is in a partition now.

        Args:
            partition: What is read.
            settled: Waits until each transaction that is open now has ended, one way or the other. Else nothing is
                seen from the first of them on, not even what others have committed since.
            between: Called after each look at the brokers, about twice a second while nothing comes; whatever it raises
                ends the reading.

        Raises:
            BrokerError: It stands still for longer than the deadline, e.g. because a transaction is left open.
        """
        place, read_to, deadline = place_of(partition), -1, 0.0
        try:
            self._client.assign([place])
            self._client.seek_to_beginning(place)
            end = (self._of_everything() if settled else self._client).end_offsets([place])[place]
            # By position and not by the last record: a log may end with the marks of transactions.
            while (position := self._client.position(place)) < end:
                if position > read_to:
                    read_to, deadline = position, time.monotonic() + self._deadline_s
                elif time.monotonic() > deadline:
                    raise BrokerError(
                        f"{partition.topic}-{partition.number} was read to offset {position} of {end}, and no further"
                        f" for {self._deadline_s:g} s; whether a transaction is left open there says"
                        f" kafka-transactions.sh --bootstrap-server {self._settings.bootstrap_servers}"
                        f" describe-producers --topic {partition.topic} --partition {partition.number}"
                    )
                for batch in self._client.poll(timeout_ms=500).values():
                    yield from map(received_of, batch)
                between()
        except KafkaError as error:
            raise replace(self._refusals, topics=(partition.topic,)).of(error) from error

    def _of_everything(self) -> KafkaConsumer:
        """Whoever reads committed records only is told that a log ends where the first open transaction begins."""
        if self._whole is None:
            self._whole = self._connected("read_uncommitted")
        return self._whole

    def _connected(self, isolation: Literal["read_committed", "read_uncommitted"]) -> KafkaConsumer:
        try:
            return lone_consumer(self._settings, isolation)
        except KafkaError as error:
            raise self._refusals.at_start(error) from error
