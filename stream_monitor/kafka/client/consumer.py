"""Records in, as a member of a group; it commits nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, Literal, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.base import MemberState
from kafka.errors import KafkaError, KafkaTimeoutError

from stream_monitor.kafka.client.connection import connection
from stream_monitor.kafka.client.records import Membership, Partition, Received, place_of, received_of
from stream_monitor.kafka.client.refusals import Refusals
from stream_monitor.kafka.settings import KafkaSettings, MiB

COMMITTED_S: Final = 60.0
"""How long a committed offset may be held by an open transaction, or its broker be away."""
JOIN_S = 1.0
"""A poll waits for so long more for a join that is under way."""


class Consumer:
    """Reads committed records as a member of a group. It commits nothing: offsets go with transactions."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        *,
        session_s: float = 10.0,
        poll_s: float = 60.0,
        reset: Literal["earliest", "none"] = "earliest",
    ) -> None:
        """Connects and joins with the first `poll`.

        Args:
            settings: Where to, and which group.
            topics: What to read.
            session_s: A member that is not heard of for so long is out.
            poll_s: A member that does not poll for so long is out.
            reset: What becomes of an offset that is not there (any more): the first that is, or an error.

        Raises:
            BrokerError: No broker answers.
        """
        self._refusals = Refusals(settings=settings, operation="Read", topics=tuple(topics))
        try:
            self._client = KafkaConsumer(
                **connection(settings),
                metrics_enabled=False,
                group_id=settings.group_id,
                group_instance_id=settings.instance if settings.static_membership else None,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset=reset,
                session_timeout_ms=round(1e3 * session_s),
                heartbeat_interval_ms=round(1e3 * session_s / 3),
                max_poll_interval_ms=round(1e3 * poll_s),
                max_partition_fetch_bytes=4 * MiB,
                allow_auto_create_topics=False,
            )
            self._client.subscribe(list(topics))
            # The client may lose the question for a topic's partitions while it connects, join without them, be given
            # none, and ask again minutes later: so it joins when it knows them.
            for topic in topics:
                self._client.partitions_for_topic(topic)
        except KafkaError as error:
            raise self._refusals.at_start(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the group, unless it is a static member, which only an administrator removes."""
        self._client.close(autocommit=False)

    def poll(self, wait_s: float, at_most: int = 500) -> list[Received]:
        """The next records, each partition's in order; while the group is being joined it waits for longer.

        For a join that ends between two polls is thrown away by the client, and begun anew: a member that works for
        longer than a join takes would keep the whole group joining for ever.
        """
        batches = self._polled(wait_s, at_most)
        if not self._is_settled(self._ask(self._client.group_metadata)):
            batches += self._polled(JOIN_S, at_most)
        return [received_of(record) for batch in batches for record in batch]

    def _polled(self, wait_s: float, at_most: int) -> list[Any]:
        found = self._ask(lambda: self._client.poll(timeout_ms=round(1e3 * wait_s), max_records=at_most))
        return list(found.values())

    @staticmethod
    def _is_settled(group: Any) -> bool:
        return group.state is MemberState.STABLE

    def membership(self) -> Membership:
        """Who we are and what is ours now."""
        return self._present()

    def stay(self, membership: Membership) -> bool:
        """Shows the group that we live while we work for long with all partitions paused: nothing is read.

        Args:
            membership: What we work for.

        Returns:
            Whether it still holds.
        """
        self._polled(0.0, 1)
        return self._present() == membership

    def _present(self) -> Membership:
        group = self._ask(self._client.group_metadata)
        own = frozenset(Partition(topic=each.topic, number=each.partition) for each in self._client.assignment())
        return Membership(
            group=group,
            generation=(group.member_id, group.generation_id),
            partitions=own,
            settled=self._is_settled(group),
        )

    def is_alone(self) -> bool:
        """Whether no broker has answered us for as long as a session lasts; nothing is asked."""
        return bool(self._client._coordinator.heartbeat.session_timeout_expired())

    def committed(
        self, partition: Partition, between: Callable[[], None] = lambda: None, within_s: float = COMMITTED_S
    ) -> tuple[int, str] | None:
        """The group's offset of a partition with its metadata; None where there is none.

        It is waited for where an open transaction holds another one.

        Args:
            partition: Of which.
            between: Called about once a second while it is waited for; whatever it raises ends the waiting.
            within_s: How long it is waited for.

        Raises:
            BrokerError: The brokers refuse, or it is not known in time.
        """
        deadline_s = time.monotonic() + within_s
        while True:
            try:
                found = self._client.committed(place_of(partition), metadata=True, timeout_ms=1000)
            except KafkaTimeoutError as error:
                if time.monotonic() > deadline_s:
                    held = f"the group's offset of {partition.topic}-{partition.number} is not known within"
                    late = f"{held} {within_s:g} s: its broker does not answer, or a transaction is left open"
                    raise self._refusals.of(error, late) from error
                between()
            except KafkaError as error:
                raise self._refusals.of(error) from error
            else:
                return None if found is None else (found.offset, found.metadata)

    def begins(self, partition: Partition) -> int:
        """The first offset that is still there."""
        offset: int = self._ask(lambda: self._client.beginning_offsets([place_of(partition)]))[place_of(partition)]
        return offset

    def known_ends(self) -> dict[Partition, int]:
        """The next offset of each of our partitions as the last answer of its broker told it; nothing is asked."""
        found = {}
        for place in self._client.assignment():
            try:
                end = self._client.highwater(place)
            except (KafkaError, KeyError):  # taken from us by another thread in this moment
                continue
            if end is not None:
                found[Partition(topic=place.topic, number=place.partition)] = end
        return found

    def seek(self, partition: Partition, offset: int) -> None:
        """The next record of a partition is this one; nothing where it is no longer ours."""
        self._of_ours([partition], lambda place: self._client.seek(place, offset))

    def pause(self, partitions: Collection[Partition]) -> None:
        """Reads nothing of those of these that are ours until `resume`; forgotten at the next assignment."""
        self._of_ours(partitions, self._client.pause)

    def resume(self, partitions: Collection[Partition]) -> None:
        """Reads on those of these that are ours."""
        self._of_ours(partitions, self._client.resume)

    def _of_ours(self, partitions: Collection[Partition], act: Callable[[TopicPartition], None]) -> None:
        """Another thread of the client may take a partition from us at any moment; the next `membership` tells it."""
        for place in map(place_of, partitions):
            try:
                self._ask(partial(act, place))
            except (KeyError, ValueError):
                if place in self._client.assignment():
                    raise

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except KafkaError as error:
            raise self._refusals.of(error) from error
