"""The Kafka client, behind our own words and errors; the only module that imports it. Nothing connects at import.

Facts that it rests on are in docs/decisions/0013-kafka-service.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError

from stream_monitor.errors import SettingsError
from stream_monitor.kafka.errors import BrokerError, PoisonError
from stream_monitor.kafka.settings import KafkaSettings, MiB

LARGEST_RECORD = MiB
"""Kafka's default limit of a record."""
BATCH_BYTES, LINGER_MS = MiB, 5
"""Bigger batches double the throughput of audio."""
METADATA_S = 10.0


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


def _words(error: KafkaError) -> str:
    """An error of the client in one line, without the request that it quotes."""
    text = str(error).partition("\n")[0]
    quoted = text.rpartition("error_message='")[2] if "error_message='" in text else ""
    double = text.rpartition('error_message="')[2] if 'error_message="' in text else ""
    said = (double.partition('"')[0] or quoted.partition("'")[0]) or text
    return said[:300]
