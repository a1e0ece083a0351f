"""Topics: made and described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove
from kafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError

from stream_monitor.kafka.client.connection import connection
from stream_monitor.kafka.client.refusals import Refusals, words
from stream_monitor.kafka.settings import KafkaSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicState:
    """A topic as the brokers have it."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    """Those that are asked for."""
    topic_id: str
    """Another one after the topic was deleted and made again under its name."""


class Admin:
    """Creates and describes topics."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connects.

        Raises:
            BrokerError: No broker answers.
        """
        self.where = settings.bootstrap_servers
        self._refusals = Refusals(settings=settings, operation="Describe")
        try:
            self._client = KafkaAdminClient(**connection(settings))
        except KafkaError as error:
            raise self._refusals.at_start(error) from error

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
            refusals = replace(self._refusals, operation="Create", topics=(name,))
            raise refusals.of(error, f"topic {name} cannot be created: {words(error)}") from error
        return True

    def describe(self, name: str, settings: Sequence[str]) -> TopicState | None:
        """A topic, with those of its settings; None where there is none.

        Raises:
            AccessError: It may not be described.
            BrokerError: The brokers refuse.
        """
        found = self._ask(lambda: self._client.describe_topics([name]))[0]
        if found["error_code"] == TopicAuthorizationFailedError.errno:
            raise self._refusals.access("Describe", "topic", name)
        if found["error_code"] or not found["partitions"]:
            return None
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        known: Mapping[str, Any] = {}
        if settings:
            known = self._ask(lambda: self._client.describe_configs([resource], config_filter="all"))["topic"][name]
            if not known:  # the client passes over the refusal
                raise self._refusals.access("DescribeConfigs", "topic", name)
        return TopicState(
            name=name,
            partitions=len(found["partitions"]),
            replication=min(len(each["replica_nodes"]) for each in found["partitions"]),
            settings={key: known[key]["value"] for key in settings if key in known},
            topic_id=str(found["topic_id"]),
        )

    def remove_member(self, group: str, instance: str) -> None:
        """Takes a static member out of its group: by itself it never leaves. One that is not in it is no error.

        Raises:
            BrokerError: The brokers refuse.
        """
        member = MemberToRemove(group_instance_id=instance, reason="ended in good order")
        self._ask(lambda: self._client.remove_group_members(group, [member]))

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except KafkaError as error:
            raise self._refusals.of(error) from error
