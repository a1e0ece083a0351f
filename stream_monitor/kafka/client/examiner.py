"""What brokers say about themselves and about what we may do there; nothing that it does is seen by any reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError

from stream_monitor.kafka.client.connection import connection, give_up
from stream_monitor.kafka.client.refusals import Refusals, words
from stream_monitor.kafka.settings import KafkaSettings

_GROUP_IS_NEW = 69
_TRIES, _PAUSE_S = 10, 1.0
"""A group's coordinator is not there at once in a cluster that never had one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerState:
    """One broker of the cluster, at the address that it tells clients."""

    broker_id: int
    address: str
    version: tuple[int, ...] | None
    """None where it does not answer there."""
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A transaction that was opened, written to and given up."""

    refused: str | None
    """Why a record was not taken; None where all were."""
    ahead_s: float | None
    """How far the broker's clock is ahead of ours; None where it cannot be told."""
    precision_s: float | None


class Examiner:
    """Asks an administrator's questions."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connects.

        Raises:
            BrokerError: No broker answers.
            SettingsError: As `connection`.
        """
        self._settings = settings
        self._refusals = Refusals(settings=settings, operation="Describe")
        self._client = self._ask(lambda: KafkaAdminClient(**connection(settings)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def brokers(self) -> list[BrokerState]:
        """Every broker of the cluster, each asked for its version."""
        return [self._broker(each) for each in self._ask(self._client.describe_cluster)["brokers"]]

    def topic_operations(self, names: Sequence[str]) -> dict[str, frozenset[str]]:
        """What we may do with topics, in Kafka's words; nothing for one that is missing or hidden from us."""
        found = self._ask(lambda: self._client.describe_topics(list(names)))
        return {
            each["name"]: frozenset() if each["error_code"] else frozenset(each["authorized_operations"] or ())
            for each in found
        }

    def group_problem(self, group: str) -> str | None:
        """Why a group cannot be read; None where it can, or is yet to be."""
        for left in reversed(range(_TRIES)):
            try:
                said = self._client.describe_groups([group])[group]
            except KafkaError as error:
                if not left or not error.retriable:
                    return words(error)
                time.sleep(_PAUSE_S)
                continue
            problem = said.get("error") or ""
            allowed = said.get("authorized_operations")
            if problem and f"[Error {_GROUP_IS_NEW}]" not in problem:
                return str(problem)
            return "it may be described and not read" if allowed and "READ" not in allowed else None
        return None

    def try_transaction(self, name: str, topics: Sequence[str]) -> Trial:
        """Opens a transaction, writes a record into each topic, and gives it all up.

        Args:
            name: The transactional id.
            topics: Where to write.

        Raises:
            BrokerError: No transaction can be opened.
        """
        self._refusals = replace(self._refusals, transactional_id=name)
        seconds = round(1e3 * self._settings.connect_s)
        options = {**connection(self._settings), "transactional_id": name, "max_block_ms": seconds}
        options |= {"metrics_enabled": False, "allow_auto_create_topics": False, "delivery_timeout_ms": seconds}
        options |= {"request_timeout_ms": seconds // 2}
        client = self._ask(lambda: KafkaProducer(**options))
        try:
            self._ask(client.init_transactions)
            self._ask(client.begin_transaction)
            begun_s, refused = time.time(), None
            for topic in topics:
                try:
                    client.send(topic, key=b"doctor", value=b"").get(self._settings.connect_s)
                except KafkaError as error:
                    refusals = replace(self._refusals, operation="Write", topics=(topic,))
                    refused = str(refusals.of(error, f"{topic}: {words(error)}"))
                    break
                if topic == topics[0]:
                    ended_s = time.time()
            started_ms = None if refused else self._started_ms(name)
            self._ask(client.abort_transaction)
        finally:
            give_up(client)
        if started_ms is None:
            return Trial(refused=refused, ahead_s=None, precision_s=None)
        middle_s, half_s = (begun_s + ended_s) / 2, (ended_s - begun_s) / 2
        return Trial(refused=refused, ahead_s=started_ms / 1e3 - middle_s, precision_s=half_s)

    def _started_ms(self, name: str) -> int | None:
        """When a transaction began, by the clock of the broker that keeps it."""
        started: int = self._ask(lambda: self._client.describe_transactions([name]))[name].transaction_start_time_ms
        return started if started > 0 else None

    def _broker(self, said: dict[str, Any]) -> BrokerState:
        address = f"{said['host']}:{said['port']}"
        try:
            version = self._client.get_broker_version_data(said["broker_id"]).broker_version
        except KafkaError as error:
            return BrokerState(broker_id=said["broker_id"], address=address, version=None, problem=words(error))
        return BrokerState(broker_id=said["broker_id"], address=address, version=tuple(version))

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except KafkaError as error:
            raise self._refusals.of(error) from error
