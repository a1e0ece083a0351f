"""One partition, read from any offset and then on and on, outside of any group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from kafka.errors import KafkaError

from stream_monitor.kafka.client.connection import lone_consumer
from stream_monitor.kafka.client.records import Partition, Received, place_of, received_of
from stream_monitor.kafka.client.refusals import Refusals
from stream_monitor.kafka.settings import KafkaSettings


class Tail:
    """Reads committed records of one partition; whoever has it remembers where it is."""

    def __init__(self, settings: KafkaSettings, partition: Partition) -> None:
        """Connects; reads from the beginning unless `seek` says otherwise.

        Raises:
            BrokerError: No broker answers.
        """
        self._refusals = Refusals(settings=settings, operation="Read", topics=(partition.topic,))
        self._place = place_of(partition)
        try:
            self._client = lone_consumer(settings, reset="earliest")
            self._client.assign([self._place])
            self._client.seek_to_beginning(self._place)
        except KafkaError as error:
            raise self._refusals.at_start(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(autocommit=False)

    def seek(self, offset: int) -> None:
        """The next record is this one, or the first one that is there after it."""
        self._ask(lambda: self._client.seek(self._place, offset))

    def begins(self) -> int:
        """The first offset that is there."""
        offset: int = self._ask(lambda: self._client.beginning_offsets([self._place]))[self._place]
        return offset

    def ends(self) -> int:
        """One past the last offset that is committed."""
        offset: int = self._ask(lambda: self._client.end_offsets([self._place]))[self._place]
        return offset

    def position(self) -> int:
        """The next offset to be read; moves over the marks of transactions, which are no records."""
        offset: int = self._ask(lambda: self._client.position(self._place))
        return offset

    def poll(self, wait_s: float, at_most: int) -> list[Received]:
        """The next records, in order; none where none came in time."""
        batches = self._ask(lambda: self._client.poll(timeout_ms=round(1e3 * wait_s), max_records=at_most))
        return [received_of(record) for batch in batches.values() for record in batch]

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except KafkaError as error:
            raise self._refusals.of(error) from error
