"""The loop of `store`: match events from Kafka into the journal, each once, whatever fails meanwhile.

    poll → (new assignment: seek to the database's positions) → write rows and positions → commit to Kafka

The database's positions decide; Kafka's own offsets are for those who look at the lag. While the database or Kafka is
away nothing is read, membership is kept, and attempts go on with growing pauses. A batch that failed is read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from stream_monitor.clock import Clock
from stream_monitor.kafka.client import CommittingConsumer, Membership, Partition, Received
from stream_monitor.kafka.errors import BrokerError, PoisonError, PositionError
from stream_monitor.store.erasing import UNSTORABLE
from stream_monitor.store.errors import OvertakenError, UnavailableError, UnstorableError
from stream_monitor.store.journal import Journal, Moved, Written
from stream_monitor.store.positions import Stored
from stream_monitor.store.settings import StoreSettings
from stream_monitor.telemetry.store_metrics import StoreMetrics

log = structlog.get_logger(__name__)

POLL_S: Final = 0.2
FIRST_PAUSE_S: Final = 0.2
LAG_S: Final = 5.0
"""How often the brokers are asked where a partition ends."""


class Topic(Protocol):
    """The topic that is read."""

    name: str

    def topic_id(self) -> str:
        """Its id now."""
        ...


class Keeper:
    """One member of the group of stores of a run."""

    def __init__(
        self,
        consumer: CommittingConsumer,
        topic: Topic,
        journal: Journal,
        prepare: Callable[[], None],
        *,
        settings: StoreSettings,
        metrics: StoreMetrics,
        clock: Clock,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is read before `run`.

        Args:
            consumer: Of this topic, without a policy for offsets that are not there.
            topic: What is read.
            journal: Where it goes.
            prepare: Called first, and again until the database answers: schema, run.
            settings: Sizes and patience.
            metrics: Filled in here.
            clock: Time.
            beat: Called in each turn.
        """
        self._consumer = consumer
        self._topic = topic
        self._journal = journal
        self._prepare = prepare
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._beat = beat
        self._prepared = False
        self._membership: Membership | None = None
        self._positions: dict[Partition, Stored] = {}
        self._trouble: str | None = "the database was not reached yet"
        self._failures = 0
        self._lag_due_s = clock.monotonic_s()
        self._newest_ms = 0

    def complaints(self) -> Sequence[str]:
        """Why nothing can be stored now; nothing where all is well."""
        if self._trouble is not None:
            return (self._trouble,)
        if self._membership is None:
            return ("the group has not given out its partitions yet",)
        return ()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Stores until `stopping`; a batch that was begun is finished.

        Raises:
            SchemaError, StoreSettingsError: The database belongs to another version, or the topic to another run.
            TopicError: The topic is no longer there.
            AccessError: The brokers do not allow what it needs.
        """
        while not stopping():
            self._beat()
            try:
                self._turn()
            except (UnavailableError, OvertakenError) as error:
                self._stand_back(str(error), stopping)
            except BrokerError as error:
                self._stand_back(_of_kafka(error), stopping)

    def _turn(self) -> None:
        if not self._prepared:
            self._prepare()
            self._prepared = True
        try:
            records = self._consumer.poll(POLL_S, self._settings.batch_records)
        except PositionError as error:
            log.info("offsets come from the database", reason=str(error))
            records, self._membership = [], None
        membership = self._consumer.membership()
        if not membership.settled:  # no member of the group yet, or no longer, or about to be given other partitions
            self._membership = None
            return
        if membership != self._membership:
            self._take_over(membership)
            return
        if any(record.offset < self._positions[record.partition].next_offset for record in records):
            log.error("records before the stored position came", topic=self._topic.name)
            self._take_over(membership)
            return
        if records:
            self._keep(records)
            self._commit()
        self._trouble, self._failures = None, 0
        self._measure()

    # Whose partitions, and from where.

    def _take_over(self, membership: Membership) -> None:
        self._membership = None
        known = self._journal.positions(self._topic.name)
        topic_id = self._topic.topic_id()
        self._positions = {}
        for partition in sorted(membership.partitions):
            place = self._place(partition, known.get(partition), topic_id)
            if place != known.get(partition):
                self._journal.move(partition, known.get(partition), place)
            self._positions[partition] = place
            self._consumer.seek(partition, place.next_offset)
        self._consumer.resume(membership.partitions)
        self._membership = membership
        self._trouble, self._failures = None, 0
        self._metrics.partitions.set(len(self._positions))
        offsets = {partition.number: place.next_offset for partition, place in self._positions.items()}
        log.info("partitions taken over", topic=self._topic.name, run=self._journal.run_id, offsets=offsets)

    def _place(self, partition: Partition, before: Stored | None, topic_id: str) -> Stored:
        """Where to read on; what cannot be read any more is told."""
        begins = self._consumer.begins(partition)
        start = Stored(topic_id=topic_id, next_offset=begins)
        where = {"topic": partition.topic, "partition": partition.number}
        if before is None:
            return start
        stored = before.next_offset
        if before.topic_id != topic_id:
            log.error("the topic was made anew: it is read from its begin", **where, stored=stored, begins=begins)
        elif stored < begins:
            log.error("events are gone that were not stored", **where, stored=stored, begins=begins)
            self._metrics.lost.labels(str(partition.number)).inc(begins - stored)
            return start
        elif stored > (ends := self._consumer.ends(partition)):
            log.error("the topic was cut: it is read from its begin", **where, stored=stored, ends=ends)
        else:
            return before
        self._metrics.restarts.inc()
        return start

    # One batch.

    def _keep(self, records: Sequence[Received]) -> None:
        """Stores records in one transaction; where the database refuses a value, finds the record and puts it aside."""
        moved = self._moved(records)
        try:
            with self._metrics.write_seconds.time():
                written = self._journal.write(records, moved)
        except UnstorableError as error:
            if len(records) > 1:
                half = len(records) // 2
                self._keep(records[:half])
                self._keep(records[half:])
                return
            written = self._journal.reject(records[0], PoisonError(UNSTORABLE, str(error)), moved)
        self._positions |= {partition: step.after for partition, step in moved.items()}
        self._newest_ms = max(record.appended_ms for record in records)
        self._count(written)

    def _moved(self, records: Sequence[Received]) -> Mapping[Partition, Moved]:
        last = {record.partition: record.offset for record in records}
        found = {}
        for partition, offset in last.items():
            before = self._positions[partition]
            found[partition] = Moved(before=before, after=Stored(topic_id=before.topic_id, next_offset=offset + 1))
        return found

    def _count(self, written: Written) -> None:
        for outcome, count in written.outcomes.items():
            self._metrics.records.labels(outcome).inc(count)
        for table, count in written.rows.items():
            self._metrics.rows.labels(table).inc(count)
        self._metrics.conflicts.inc(written.outcomes["conflict"])

    def _commit(self) -> None:
        """Tells Kafka, too; where that fails nothing is lost."""
        try:
            self._consumer.commit({partition: place.next_offset for partition, place in self._positions.items()})
        except BrokerError as error:
            log.warning("Kafka was not told how far events are stored", reason=str(error))

    # What goes wrong, and how it stands.

    def _stand_back(self, trouble: str, stopping: Callable[[], bool]) -> None:
        """Waits, as a member of the group that reads nothing; then everything starts from the database's positions."""
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(self._failures, 30), self._settings.retry_max_s)
        self._failures += 1
        self._trouble = trouble
        self._membership = None
        self._metrics.retries.inc()
        log.warning("nothing can be stored now", reason=trouble, again_in_s=pause_s)
        until_s = self._clock.monotonic_s() + pause_s
        while not stopping() and (left_s := until_s - self._clock.monotonic_s()) > 0:
            self._beat()
            try:
                self._consumer.pause(self._consumer.membership().partitions)
                self._consumer.poll(min(POLL_S, left_s), 1)
                self._measure(away=True)
            except PositionError:
                continue  # a new assignment: its positions are in the database
            except BrokerError as error:
                log.warning("Kafka does not answer; it is asked again", reason=_of_kafka(error))
                self._clock.wait(threading.Event(), min(POLL_S, left_s))

    def _measure(self, *, away: bool = False) -> None:
        """What waits: behind what was read, or while the database is away behind what was stored."""
        if self._clock.monotonic_s() < self._lag_due_s:
            return
        self._lag_due_s = self._clock.monotonic_s() + LAG_S
        waiting = 0
        for partition in self._consumer.membership().partitions & self._positions.keys():
            next_offset = self._positions[partition].next_offset if away else self._consumer.position(partition)
            if next_offset is None:
                continue  # taken from us in this moment
            lag = max(0, self._consumer.ends(partition) - next_offset)
            self._metrics.lag_records.labels(str(partition.number)).set(lag)
            waiting += lag
        age_s = self._clock.utc_now().timestamp() - self._newest_ms / 1e3
        self._metrics.lag_seconds.set(age_s if waiting and self._newest_ms else 0.0)


def _of_kafka(error: BrokerError) -> str:
    """What Kafka's trouble is, where trying again may mend it.

    Raises:
        AccessError: It does not.
    """
    if not error.retriable:
        raise error
    return f"Kafka: {error}"
