"""The worker: audio records in, and events, snapshots, dead letters and offsets out in one transaction.

    poll → intake (parse, decode, take turns) → pipeline → … → flush → begin, send, commit

Whatever ends the process between two commits, the next worker finds the streams as the last commit left them: it
restores the snapshots, hears the audio before them again without a word (L to F), and goes on from F. Nothing is told
twice, since nothing that was not committed can be seen. Read `run`; docs/decisions/0013-kafka-service.md says why.

It knows nothing of audio formats, of catalogues or of how plays are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import structlog

from index.errors import CatalogueError
from stream_monitor.catalogue_watch import Refreshable
from stream_monitor.clock import Clock
from stream_monitor.kafka.client import Consumer, LogReader, Membership, Partition, Received
from stream_monitor.kafka.committed import Committed, Snapshots
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.holdings import Holdings, Name, name_of
from stream_monitor.kafka.intake import Intake, Taken
from stream_monitor.kafka.outbox import Outbox, StateRecord
from stream_monitor.kafka.records import KINDS, AudioRecord, upload_of
from stream_monitor.kafka.settings import ServiceSettings, TopicSettings
from stream_monitor.kafka.watchdog import watched
from stream_monitor.lane_state import LaneState, needed_from
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.sink import Event

log = structlog.get_logger(__name__)

POLL_S: Final = 0.2
TURN_S: Final = 0.25
"""How long is heard before the brokers are asked again."""


class Teller(Protocol):
    """Outcomes to events."""

    def events(self, outcomes: Iterable[Outcome]) -> Sequence[Event]: ...

    def catalogue_changed(self, version: str) -> None: ...


@dataclass(kw_only=True, slots=True)
class _Unsaid:
    """What has come about since the last commit."""

    outcomes: list[Outcome] = field(default_factory=list)
    poison: list[tuple[Received, PoisonError]] = field(default_factory=list)
    touched: set[StreamKey] = field(default_factory=set)
    records: int = 0

    @property
    def anything(self) -> bool:
        return bool(self.outcomes or self.poison or self.records)


class Worker:
    """One member of the group."""

    def __init__(
        self,
        consumer: Consumer,
        intake: Intake,
        outbox: Outbox,
        reader: LogReader,
        pipeline: Pipeline,
        teller: Teller,
        snapshots: Snapshots,
        *,
        topics: TopicSettings,
        settings: ServiceSettings,
        memory_s: float,
        support_samples: int,
        clock: Clock,
        catalogue: Refreshable,
        refresh_s: float,
    ) -> None:
        """Prepares; nothing is read before `run`.

        Args:
            consumer: Of both audio topics.
            intake: Holds and decodes what was polled.
            outbox: Everything that goes out.
            reader: For the state topic.
            pipeline: Without streams.
            teller: Outcomes to events.
            snapshots: Their records.
            topics: Names.
            settings: How often, how long.
            memory_s: What the pipeline's verifiers keep of a stream.
            support_samples: The CQT's reach.
            clock: Time.
            catalogue: What the pipeline looks in, asked for changes now and then.
            refresh_s: How often; 0 is never.
        """
        self._consumer = consumer
        self._intake = intake
        self._paused: frozenset[Partition] = frozenset()
        self._outbox = outbox
        self._committed = Committed(consumer, reader, snapshots, topics)
        self._pipeline = pipeline
        self._teller = teller
        self._snapshots = snapshots
        self._topics = topics
        self._settings = settings
        self._memory_s = memory_s
        self._support_samples = support_samples
        self._clock = clock
        self._catalogue = catalogue
        self._refresh_s = refresh_s
        self._refresh_due_s = clock.monotonic_s() + refresh_s
        self._membership: Membership | None = None
        self._held = Holdings(settings.idle_s)
        self._unsaid = _Unsaid()
        self._commit_due_s = 0.0

    def run(self, stopping: Callable[[], bool]) -> None:
        """Works until `stopping`; what was heard is committed before it returns.

        Raises:
            FencedError: Another worker has taken over.
            BrokerError: The brokers refuse, or do not answer.
            StateError: A snapshot is of another version or encoder, or the number of partitions was changed.
        """
        while not stopping():
            # While something waits, polling only keeps the group and the queues going.
            received = self._consumer.poll(0.0 if len(self._intake) else POLL_S, self._settings.poll_records)
            membership = self._consumer.membership()
            if membership != self._membership:
                # What was polled may be anybody's; from the committed offsets it comes again.
                self._take_over(membership)
                continue
            for record in received:
                self._intake.put(record, partial(self._is_needed, record))
            self._pause_and_resume()
            self._hear(until_s=self._clock.monotonic_s() + TURN_S)
            self._follow_catalogue()
            now_s = self._clock.monotonic_s()
            self._unsaid.outcomes += self._pipeline.push((), now_s=now_s)
            if now_s >= self._commit_due_s:
                self._commit()
                self._commit_due_s = now_s + self._settings.commit_s
        with watched(self._settings.drain_s):
            self._commit()

    # Taking over: everything as the last commit left it.

    def _take_over(self, membership: Membership) -> None:
        self._refresh_due_s = self._clock.monotonic_s()
        self._follow_catalogue()  # snapshots may name tracks that were enrolled a moment ago
        self._pipeline.flush()  # what is on its way is nobody's any more, and must not meet the restored streams
        for stream in self._pipeline.streams:
            self._pipeline.drop(stream)
        self._intake.clear()
        self._held, self._unsaid = Holdings(self._settings.idle_s), _Unsaid()
        self._membership, self._paused = membership, frozenset()
        self._consumer.resume(membership.partitions)
        for partition in sorted(membership.partitions):
            position = self._committed.position(partition)
            self._held.take(partition, position)
            self._consumer.seek(partition, position.replay_from)
        for number in sorted({partition.number for partition in membership.partitions}):
            self._restore(number)
        log.info("partitions taken over", partitions=len(self._held), streams=len(self._pipeline.streams))

    def _restore(self, number: int) -> None:
        """The streams of a partition of the state that are ours."""
        for restored in self._committed.streams(number):
            stream = restored.state.stream
            home = Partition(topic=self._topics.audio(stream.kind), number=number)
            if home not in self._held:
                continue
            self._pipeline.restore(restored.state)
            self._held.restored(stream, home)
            self._held.needs(stream, self._needed_from(restored.state))
            for key in restored.gone:
                self._unsaid.outcomes += self._pipeline.remove_track(key)
                self._unsaid.touched.add(stream)

    # Hearing.

    def _is_needed(self, record: Received, said: AudioRecord) -> bool:
        """Whether the audio must be decoded: all that is new, and of what was heard before that of open streams."""
        return not self._held.again(record) or self._pipeline.follows(said.stream)

    def _pause_and_resume(self) -> None:
        """Partitions whose queue is full are not read on until half of it is gone."""
        full = self._intake.full
        if more := full - self._paused:
            self._consumer.pause(more)
        if fewer := self._paused & self._intake.roomy:
            self._consumer.resume(fewer)
        self._paused = (self._paused | full) - fewer

    def _hear(self, until_s: float) -> None:
        """Records in their turns, for a while."""
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            taken = self._intake.take(left_s)
            if taken is None:
                return
            self._take(taken)

    def _take(self, taken: Taken) -> None:
        record, again = taken.record, self._held.again(taken.record)
        if taken.poison is not None:
            self._take_poison(taken, taken.poison, again=again)
            if again:
                return
        if taken.segment is None:
            if not again:
                self._held.passed(record)
            return
        stream = taken.segment.stream
        if not again:
            self._end_idle(record, name_of(stream))
            self._unsaid.records += 1
            self._pipeline.caught_up(stream)
        self._unsaid.outcomes += self._pipeline.push([taken.segment], now_s=self._clock.monotonic_s())
        if not self._pipeline.follows(stream):
            self._held.passed(record)
            return
        self._keep(taken.segment, record)
        if not again:
            self._unsaid.touched.add(stream)

    def _take_poison(self, taken: Taken, poison: PoisonError, *, again: bool) -> None:
        """A dead letter; a verdict must know of it where it says whose it is."""
        if again:
            if taken.segment is not None and self._pipeline.follows(taken.segment.stream):
                self._keep(taken.segment, taken.record)
            return
        self._unsaid.poison.append((taken.record, poison))
        self._unsaid.records += 1
        name = None if taken.said is not None else upload_of(taken.record.key, taken.record.headers)
        stream = None if name is None else self._pipeline.came_odd(name)
        if stream is not None:
            self._unsaid.touched.add(stream)

    def _keep(self, segment: Segment, record: Received) -> None:
        self._held.heard(segment.stream, record, segment.end_sample + segment.unreadable_samples)

    def _end_idle(self, record: Received, speaking: Name) -> None:
        """Ends the streams of a partition that has gone on without them for too long, by the brokers' clock."""
        idle = set(self._held.idle(record, speaking))
        for stream in [stream for stream in self._pipeline.streams if name_of(stream) in idle] if idle else ():
            reason = f"no audio for {self._settings.idle_s:g} s"
            self._unsaid.outcomes += self._pipeline.finish([stream], state="idle", reason=reason)
            self._unsaid.touched.add(stream)

    def _follow_catalogue(self) -> None:
        """Takes over what was enrolled and removed meanwhile; plays of removed tracks are taken back."""
        now_s = self._clock.monotonic_s()
        if not self._refresh_s or now_s < self._refresh_due_s:
            return
        self._refresh_due_s = now_s + self._refresh_s
        try:
            change = self._catalogue.refresh()
        except CatalogueError as error:
            log.warning("the catalogue cannot be read again; what is known of it stays in use", reason=str(error))
            return
        if change is None:
            return
        log.info("catalogue changed", added=len(change.added), removed=len(change.removed), version=change.version)
        self._teller.catalogue_changed(change.version)
        for key in change.removed:
            self._unsaid.outcomes += self._pipeline.remove_track(key)

    # The transaction.

    def _commit(self) -> None:
        self._unsaid.outcomes += self._pipeline.flush()
        if self._membership is None or not self._unsaid.anything:
            return
        if self._consumer.membership() != self._membership:
            return  # the next turn of the loop takes over from what is committed
        unsaid, self._unsaid = self._unsaid, _Unsaid()
        touched = unsaid.touched | {outcome.stream for outcome in unsaid.outcomes}
        going = {name_of(stream): stream for stream in self._pipeline.streams}
        self._held.settle(going.values())
        states = [each for name in sorted({name_of(stream) for stream in touched})
                  if (each := self._state(name, going.get(name))) is not None]  # fmt: skip
        self._outbox.commit(
            events=self._teller.events(unsaid.outcomes),
            states=states,
            poison=unsaid.poison,
            positions=self._held.positions(),
            membership=self._membership,
        )

    def _state(self, name: Name, stream: StreamKey | None) -> StateRecord | None:
        """A stream's snapshot, or a tombstone where it has ended; None where nothing was ever written of it."""
        home = self._held.home(name)
        if home is None:
            return None
        state = None if stream is None else self._pipeline.snapshot(stream)
        if state is None:
            self._held.left(name)
            return StateRecord(key="/".join(name).encode(), partition=home.number, value=None)
        self._held.needs(state.stream, self._needed_from(state))
        return StateRecord(key="/".join(name).encode(), partition=home.number, value=self._snapshots.encode(state))

    def _needed_from(self, state: LaneState) -> int:
        return needed_from(state.place.next_sample, self._memory_s, self._support_samples)


def audio_topics(topics: TopicSettings) -> list[str]:
    """What a worker reads."""
    return [topics.audio(kind) for kind in KINDS]
