"""The Kafka client, behind our own words and errors; the only module that imports it. Nothing connects at import.

Facts that it rests on are in docs/decisions/0013-kafka-service.md.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    TopicAlreadyExistsError,
    UnknownMemberIdError,
)

from stream_monitor.errors import SettingsError
from stream_monitor.kafka.errors import BrokerError, FencedError, PoisonError
from stream_monitor.kafka.settings import KafkaSettings, MiB

LARGEST_RECORD = MiB
"""Kafka's default limit of a record."""
BATCH_BYTES, LINGER_MS = MiB, 5
"""Bigger batches double the throughput of audio."""
METADATA_S = 10.0
FENCED = (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    ProducerFencedError,
    UnknownMemberIdError,
)
"""What the brokers say to a worker whose place another one has taken."""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """What every client is given to get in.

    Raises:
        SettingsError: The password's file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "bootstrap_timeout_ms": round(1e3 * settings.connect_s),
        "security_protocol": settings.security.upper(),
    }
    if settings.security.endswith("ssl"):
        files = {"ssl_cafile": settings.ca_file, "ssl_certfile": settings.certificate_file}
        files["ssl_keyfile"] = settings.key_file
        options |= {name: str(path) for name, path in files.items() if path is not None}
    if settings.security.startswith("sasl"):
        secret = settings.password_file
        if secret is None:
            raise SettingsError("kafka.password_file is missing")
        try:
            password = secret.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SettingsError(f"kafka.password_file {secret}: {error.strerror}") from error
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": password,
        }
    return options


class Producer:
    """Sends records that are neither lost nor doubled by retries, with a bound on what is on its way."""

    def __init__(self, settings: KafkaSettings, *, in_flight_bytes: int = 64 * MiB, deadline_s: float = 120.0) -> None:
        """Connects.

        Args:
            settings: Where to.
            in_flight_bytes: `send` waits while more than this is not acknowledged; the client itself has no bound.
            deadline_s: How long a record may take, all retries and reconnects included.

        Raises:
            BrokerError: No broker answers.
            SettingsError: As `connection`.
        """
        self._limit = in_flight_bytes
        self._deadline_s = deadline_s
        self._on_its_way: deque[tuple[Any, int, str]] = deque()
        self._bytes = 0
        self.sent = 0
        """Records that were acknowledged."""
        try:
            self._client = KafkaProducer(
                **connection(settings),
                metrics_enabled=False,
                acks="all",
                enable_idempotence=True,
                batch_size=BATCH_BYTES,
                linger_ms=LINGER_MS,
                max_request_size=LARGEST_RECORD,
                allow_auto_create_topics=False,
                max_block_ms=round(1e3 * METADATA_S),
                delivery_timeout_ms=round(1e3 * deadline_s),
                request_timeout_ms=min(30_000, round(1e3 * deadline_s / 2)),
            )
        except KafkaError as error:
            raise BrokerError(f"{settings.bootstrap_servers}: {_words(error)}; is Kafka there?") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes; what is still on its way after an error is given up."""
        self._client.close(timeout=0 if error is not None else self._deadline_s)

    def send(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """Hands a record over; waits while too much is on its way.

        Raises:
            BrokerError: This record's topic is not there, or an earlier record could not be delivered.
            PoisonError: The record is larger than a record may be (code `too_large`).
        """
        while self._on_its_way and (self._on_its_way[0][0].is_done or self._bytes + len(value) > self._limit):
            self._settle()
        try:
            future = self._client.send(topic, value=value, key=key, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise PoisonError("too_large", f"a record of {len(value)} bytes: {LARGEST_RECORD} are allowed") from error
        except KafkaError as error:
            raise BrokerError(f"topic {topic}: {_words(error)}; `stream-monitor topics check` says more") from error
        self._on_its_way.append((future, len(value), topic))
        self._bytes += len(value)

    def flush(self) -> None:
        """Waits until everything is acknowledged.

        Raises:
            BrokerError: Something could not be delivered in time.
        """
        while self._on_its_way:
            self._settle()

    def _settle(self) -> None:
        future, size, topic = self._on_its_way.popleft()
        self._bytes -= size
        try:
            future.get(timeout=self._deadline_s)
        except KafkaError as error:
            raise BrokerError(f"topic {topic}: a record was not delivered: {_words(error)}") from error
        self.sent += 1


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
            raise BrokerError(f"{settings.bootstrap_servers}: {_words(error)}; is Kafka there?") from error

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
            TopicPartition(partition.topic, partition.number): OffsetAndMetadata(offset, text, -1)
            for partition, (offset, text) in positions.items()
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
            raise FencedError(f"another worker has taken over: {_words(error)}") from error
        except KafkaError as error:
            raise BrokerError(f"the transaction failed: {_words(error)}") from error


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


class Consumer:
    """Reads committed records as a member of a group. It commits nothing: offsets go with transactions."""

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[str], *, session_s: float = 10.0, poll_s: float = 60.0
    ) -> None:
        """Connects and joins with the first `poll`.

        Args:
            settings: Where to, and which group.
            topics: What to read.
            session_s: A member that is not heard of for so long is out.
            poll_s: A member that does not poll for so long is out.

        Raises:
            BrokerError: No broker answers.
        """
        self._where = settings.bootstrap_servers
        try:
            self._client = KafkaConsumer(
                **connection(settings),
                metrics_enabled=False,
                group_id=settings.group_id,
                group_instance_id=settings.instance_id if settings.static_membership else None,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=round(1e3 * session_s),
                heartbeat_interval_ms=round(1e3 * session_s / 3),
                max_poll_interval_ms=round(1e3 * poll_s),
                max_partition_fetch_bytes=4 * MiB,
                allow_auto_create_topics=False,
            )
            self._client.subscribe(list(topics))
        except KafkaError as error:
            raise BrokerError(f"{self._where}: {_words(error)}; is Kafka there?") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the group, unless it is a static member, which only an administrator removes."""
        self._client.close(autocommit=False)

    def poll(self, wait_s: float, at_most: int = 500) -> list[Received]:
        """The next records, each partition's in order."""
        batches = self._ask(lambda: self._client.poll(timeout_ms=round(1e3 * wait_s), max_records=at_most))
        return [_received(record) for batch in batches.values() for record in batch]

    def membership(self) -> Membership:
        """Who we are and what is ours now."""
        group = self._ask(self._client.group_metadata)
        own = frozenset(Partition(topic=each.topic, number=each.partition) for each in self._client.assignment())
        return Membership(group=group, generation=(group.member_id, group.generation_id), partitions=own)

    def committed(self, partition: Partition) -> tuple[int, str] | None:
        """The group's offset of a partition with its metadata; None where there is none."""
        found = self._ask(lambda: self._client.committed(_of(partition), metadata=True))
        return None if found is None else (found.offset, found.metadata)

    def begins(self, partition: Partition) -> int:
        """The first offset that is still there."""
        offset: int = self._ask(lambda: self._client.beginning_offsets([_of(partition)]))[_of(partition)]
        return offset

    def seek(self, partition: Partition, offset: int) -> None:
        """The next record of a partition is this one."""
        self._ask(lambda: self._client.seek(_of(partition), offset))

    def pause(self, partitions: Collection[Partition]) -> None:
        """Reads nothing of these until `resume`; forgotten at the next assignment."""
        self._ask(lambda: self._client.pause(*map(_of, partitions)))

    def resume(self, partitions: Collection[Partition]) -> None:
        """Reads on."""
        self._ask(lambda: self._client.resume(*map(_of, partitions)))

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except KafkaError as error:
            raise BrokerError(f"{self._where}: {_words(error)}") from error


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
        self._where = settings.bootstrap_servers
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
            raise BrokerError(f"{self._where}: {_words(error)}; is Kafka there?") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(autocommit=False)

    def read(self, partition: Partition) -> Iterator[Received]:
        """Every committed record that is in a partition now.

        Raises:
            BrokerError: It takes longer than the deadline, e.g. because a transaction is left open.
        """
        place, deadline = _of(partition), time.monotonic() + self._deadline_s
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
                    yield from map(_received, batch)
        except KafkaError as error:
            raise BrokerError(f"{self._where}: {_words(error)}") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicState:
    """A topic as the brokers have it."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    """Those that are asked for."""


class Admin:
    """Creates and describes topics."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connects.

        Raises:
            BrokerError: No broker answers.
        """
        self.where = settings.bootstrap_servers
        try:
            self._client = KafkaAdminClient(**connection(settings))
        except KafkaError as error:
            raise BrokerError(f"{self.where}: {_words(error)}; is Kafka there?") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def brokers(self) -> int:
        """How many there are."""
        return len(self._ask(self._client.describe_cluster)["brokers"])

    def create(self, name: str, partitions: int, replication: int, settings: Mapping[str, str]) -> bool:
        """Creates a topic; False where it is there already.

        Raises:
            BrokerError: The brokers refuse; the message has their reason.
        """
        wanted = {"num_partitions": partitions, "replication_factor": replication, "configs": dict(settings)}
        try:
            self._client.create_topics({name: wanted}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return False
        except KafkaError as error:
            raise BrokerError(f"topic {name} cannot be created: {_words(error)}") from error
        return True

    def describe(self, name: str, settings: Sequence[str]) -> TopicState | None:
        """A topic, with those of its settings; None where there is none.

        Raises:
            BrokerError: The brokers refuse.
        """
        found = self._ask(lambda: self._client.describe_topics([name]))[0]
        if found["error_code"] or not found["partitions"]:
            return None
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        known = self._ask(lambda: self._client.describe_configs([resource], config_filter="all"))["topic"][name]
        return TopicState(
            name=name,
            partitions=len(found["partitions"]),
            replication=min(len(each["replica_nodes"]) for each in found["partitions"]),
            settings={key: known[key]["value"] for key in settings if key in known},
        )

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except KafkaError as error:
            raise BrokerError(f"{self.where}: {_words(error)}") from error


def _received(record: Any) -> Received:
    return Received(
        partition=Partition(topic=record.topic, number=record.partition),
        offset=record.offset,
        appended_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )


def _of(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _words(error: KafkaError) -> str:
    """An error of the client in one line, without the request that it quotes."""
    text = str(error).partition("\n")[0]
    quoted = text.rpartition("error_message='")[2] if "error_message='" in text else ""
    double = text.rpartition('error_message="')[2] if 'error_message="' in text else ""
    said = (double.partition('"')[0] or quoted.partition("'")[0]) or text
    return said[:300]
