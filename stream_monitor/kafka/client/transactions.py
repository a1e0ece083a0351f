"""Records and offsets in transactions: all of one is seen, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from kafka import KafkaProducer, OffsetAndMetadata
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    KafkaError,
    ProducerFencedError,
    UnknownMemberIdError,
)

from stream_monitor.kafka.client.connection import BATCH_BYTES, LARGEST_RECORD, LINGER_MS, connection, give_up
from stream_monitor.kafka.client.records import Membership, Partition, place_of
from stream_monitor.kafka.client.refusals import Refusals, words
from stream_monitor.kafka.errors import FencedError
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

    def __init__(self, settings: KafkaSettings, name: str, *, transaction_s: float = 15.0, advice: str = "") -> None:
        """Connects, and fences whoever used the name before.

        Args:
            settings: Where to.
            name: The transactional id: one for each worker, kept over restarts.
            transaction_s: How long a transaction may be open before the brokers abort it.
            advice: What to do where another process takes the name; told with the error.

        Raises:
            AccessError: The brokers let us not in, or not use the name.
            BrokerError: No broker answers.
        """
        self._refusals = Refusals(settings=settings, operation="Write", transactional_id=name)
        self._transaction_s = transaction_s
        self._advice = f"; {advice}" if advice else ""
        self._placed = False
        """Whether the open transaction has positions."""
        self._lost: BaseException | None = None
        """Why a record of the open transaction is not in it, as the sender's thread was told."""
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
        except KafkaError as error:
            raise self._refusals.at_start(error) from error
        try:
            self._client.init_transactions()
        except KafkaError as error:
            give_up(self._client)
            raise self._refusals.at_start(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes at once; a transaction that is open is aborted by the brokers in time."""
        give_up(self._client)

    def begin(self) -> None:
        """Opens a transaction."""
        self._lost, self._placed = None, False
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
        future = self._ask(
            lambda: self._client.send(topic, value=value, key=key, headers=list(headers), partition=partition)
        )
        future.add_errback(self._lose)

    def send_positions(self, positions: Mapping[Partition, tuple[int, str]], membership: Membership) -> None:
        """Puts offsets with their metadata into the transaction; refused where the group has gone on without us."""
        offsets = {
            place_of(partition): OffsetAndMetadata(offset, text, -1) for partition, (offset, text) in positions.items()
        }
        self._ask(lambda: self._client.send_offsets_to_transaction(offsets, membership.group))
        self._placed = True

    def commit(self) -> None:
        """Makes all of the transaction seen.

        Raises:
            FencedError: Another process has our name, or the group has gone on without us.
            BrokerError: Anything else; nobody knows what became of the transaction.
        """
        # The client waits for ever where a topic is refused while it commits; positions come after all were asked for.
        if not self._placed:
            self._ask(lambda: self._client.flush(self._transaction_s))
        # And it commits without a record that never came into the transaction, since its topic may not be seen.
        self._ask(self._raise_lost)
        self._ask(self._client.commit_transaction)

    def abort(self) -> None:
        """Makes nothing of it seen."""
        self._ask(self._client.abort_transaction)

    def _lose(self, error: BaseException) -> None:
        self._lost = self._lost or error

    def _raise_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except FENCED as error:
            raise FencedError(f"another process has taken over: {words(error)}{self._advice}") from error
        except KafkaError as error:
            # The client says that the transaction is broken; why, it told to whoever sent the record.
            cause = self._lost if isinstance(self._lost, AuthorizationError) else error
            raise self._refusals.of(cause, f"the transaction failed: {words(error)}") from error
