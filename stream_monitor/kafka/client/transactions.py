"""Records and offsets in transactions: all of one is seen, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from kafka import KafkaProducer, OffsetAndMetadata
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    KafkaError,
    ProducerFencedError,
    UnknownMemberIdError,
)

from stream_monitor.kafka.client.connection import BATCH_BYTES, LARGEST_RECORD, LINGER_MS, connection, words
from stream_monitor.kafka.client.records import Membership, Partition, place_of
from stream_monitor.kafka.errors import BrokerError, FencedError
from stream_monitor.kafka.settings import KafkaSettings

FENCED = (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    ProducerFencedError,
    UnknownMemberIdError,
)
"""What the brokers say to a worker whose place another one has taken."""


class TransactionalProducer:
    """Sends records and offsets in transactions: all of one is seen, or nothing.

    `commit` has no time-out of its own: whoever calls it watches over it, and ends the process where it does not come
    back, since nobody can say what became of the transaction.
    """

    def __init__(self, settings: KafkaSettings, name: str, *, transaction_s: float = 15.0) -> None:
        """Connects, and fences whoever used the name before.

        Args:
            settings: Where to.
            name: The transactional id: one for each worker, kept over restarts.
            transaction_s: How long a transaction may be open before the brokers abort it.

        Raises:
            BrokerError: No broker answers.
        """
        try:
            self._client = KafkaProducer(
                **connection(settings),
                metrics_enabled=False,
                transactional_id=name,
                transaction_timeout_ms=round(1e3 * transaction_s),
                delivery_timeout_ms=round(1e3 * transaction_s),
                request_timeout_ms=round(1e3 * transaction_s / 2),
                max_block_ms=round(1e3 * transaction_s),
                batch_size=BATCH_BYTES,
                linger_ms=LINGER_MS,
                max_request_size=LARGEST_RECORD,
                allow_auto_create_topics=False,
            )
            self._client.init_transactions()
        except KafkaError as error:
            raise BrokerError(f"{settings.bootstrap_servers}: {words(error)}; is Kafka there?") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes at once; a transaction that is open is aborted by the brokers in time."""
        self._client.close(timeout=0)

    def begin(self) -> None:
        """Opens a transaction."""
        self._ask(self._client.begin_transaction)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """Puts a record into the transaction; no value is a tombstone. What fails is told by `commit`."""
        self._ask(lambda: self._client.send(topic, value=value, key=key, headers=list(headers), partition=partition))

    def send_positions(self, positions: Mapping[Partition, tuple[int, str]], membership: Membership) -> None:
        """Puts offsets with their metadata into the transaction; refused where the group has gone on without us."""
        offsets = {
            place_of(partition): OffsetAndMetadata(offset, text, -1) for partition, (offset, text) in positions.items()
        }
        self._ask(lambda: self._client.send_offsets_to_transaction(offsets, membership.group))

    def commit(self) -> None:
        """Makes all of the transaction seen.

        Raises:
            FencedError: Another process has our name, or the group has gone on without us.
            BrokerError: Anything else; nobody knows what became of the transaction.
        """
        self._ask(self._client.commit_transaction)

    def abort(self) -> None:
        """Makes nothing of it seen."""
        self._ask(self._client.abort_transaction)

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except FENCED as error:
            raise FencedError(f"another worker has taken over: {words(error)}") from error
        except KafkaError as error:
            raise BrokerError(f"the transaction failed: {words(error)}") from error
