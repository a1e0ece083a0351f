"""The worker: audio records in, and events, snapshots, dead letters and offsets out in one transaction.

    poll → intake (parse, decode, take turns) → pipeline → … → flush → begin, send, commit

Whatever ends the process between two commits, the next worker finds the streams as the last commit left them: it
restores the snapshots, hears the audio before them again without a word (L to F), and goes on from F. Nothing is told
twice, since nothing that was not committed can be seen. Read `run`; docs/decisions/0013-kafka-service.md says why.

It knows nothing of audio formats, of catalogues or of how plays are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Protocol

import structlog
from structlog.contextvars import bound_contextvars

from stream_monitor.catalogue_watch import CatalogueWatch
from stream_monitor.clock import Clock
from stream_monitor.kafka.client import Consumer, LogReader, Membership, Partition, Received
from stream_monitor.kafka.committed import Committed, Snapshots
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.holdings import Holdings, Name, name_of
from stream_monitor.kafka.intake import Intake, Taken
from stream_monitor.kafka.outbox import Outbox, StateRecord
from stream_monitor.kafka.records import AudioRecord
from stream_monitor.kafka.settings import ServiceSettings, TopicSettings
from stream_monitor.kafka.stream_state import Restored
from stream_monitor.kafka.unsaid import Unsaid
from stream_monitor.kafka.watchdog import watched
from stream_monitor.lane_state import LaneState, needed_from
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline
from stream_monitor.repertoire import CatalogueChange
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
        catalogue: CatalogueWatch,
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
            catalogue: Looks what became of that which the pipeline looks in.
        """
        self._consumer = consumer
        self._intake = intake
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
        self._membership: Membership | None = None
        self._held = Holdings(settings.idle_s)
        self._unsaid = Unsaid()
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
            if not membership.settled:
                self._membership = None  # whatever is ours then is taken over anew
                continue
            if membership != self._membership:
                # What was polled may be anybody's; from the committed offsets it comes again.
                self._take_over(membership, stopping)
                continue
            for record in received:
                self._intake.put(record, partial(self._is_needed, record))
            self._turn_valves()
            self._hear(until_s=self._clock.monotonic_s() + TURN_S)
            self._take_change(self._catalogue.look_when_due())
            now_s = self._clock.monotonic_s()
            self._unsaid.outcomes += self._pipeline.push((), now_s=now_s)
            if now_s >= self._commit_due_s:
                self._commit()
                self._commit_due_s = now_s + self._settings.commit_s
        with watched(self._settings.drain_s):
            self._commit()

    # Taking over: everything as the last commit left it.

    def _take_over(self, membership: Membership, stopping: Callable[[], bool]) -> None:
        self._take_change(self._catalogue.look())  # snapshots may name tracks that were enrolled a moment ago
        self._pipeline.flush()  # what is on its way is nobody's any more, and must not meet the restored streams
        for stream in self._pipeline.streams:
            self._pipeline.drop(stream)
        self._intake.clear()
        self._held, self._unsaid = Holdings(self._settings.idle_s), Unsaid()
        self._membership = None
        heritage = self._committed.heritage(membership, stopping)
        if heritage is None:
            return
        self._membership = membership
        for partition, position in heritage.positions.items():
            self._held.take(partition, position)
            self._consumer.seek(partition, position.replay_from)
        for home, restored in heritage.streams:
            self._restore(home, restored)
        self._consumer.resume(membership.partitions)
        log.info("partitions taken over", partitions=len(self._held), streams=len(self._pipeline.streams))

    def _restore(self, home: Partition, restored: Restored) -> None:
        stream = restored.state.stream
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

    def _turn_valves(self) -> None:
        """What waits is bounded: partitions are not read on before there is room for more of them."""
        shut, opened = self._intake.valves()
        if shut:
            self._consumer.pause(shut)
        if opened:
            self._consumer.resume(opened)

    def _hear(self, until_s: float) -> None:
        """Records in their turns, for a while."""
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            taken = self._intake.take(left_s)
            if taken is None:
                return
            place = taken.record.partition
            with bound_contextvars(
                topic=place.topic, partition=place.number, offset=taken.record.offset, stream=taken.stream_id
            ):
                self._take(taken)

    def _take(self, taken: Taken) -> None:
        self._held.passes(taken.record)
        if self._held.again(taken.record):
            self._take_again(taken)
        else:
            self._take_new(taken)

    def _take_again(self, taken: Taken) -> None:
        """Of an open stream, from before the last commit: audio fills its buffers, poison was told."""
        segment = taken.segment
        if segment is None:
            return
        if taken.poison is None:
            self._push(segment)
        if self._pipeline.follows(segment.stream):
            self._keep(segment, taken.record)

    def _take_new(self, taken: Taken) -> None:
        record, segment = taken.record, taken.segment
        self._end_idle(record, None if taken.said is None else name_of(taken.said.stream))
        if taken.poison is not None:
            self._take_poison(taken, taken.poison)
        if segment is None:
            self._held.passed(record)
            return
        self._unsaid.records += 1
        self._pipeline.caught_up(segment.stream)
        self._push(segment)
        if self._pipeline.follows(segment.stream):
            self._keep(segment, record)
            self._unsaid.touched.add(segment.stream)
        else:
            self._held.passed(record)

    def _take_poison(self, taken: Taken, poison: PoisonError) -> None:
        """A dead letter; a verdict must know of it where it says whose it is."""
        self._unsaid.poison.append((taken.record, poison))
        self._unsaid.records += 1
        stream = None if taken.odd_upload is None else self._pipeline.came_odd(taken.odd_upload)
        if stream is not None:
            self._unsaid.touched.add(stream)

    def _push(self, segment: Segment) -> None:
        self._unsaid.outcomes += self._pipeline.push([segment], now_s=self._clock.monotonic_s())

    def _keep(self, segment: Segment, record: Received) -> None:
        self._held.heard(segment.stream, record, segment.end_sample + segment.unreadable_samples)

    def _end_idle(self, record: Received, speaking: Name | None) -> None:
        """Ends the streams of a partition that has gone on without them for too long, by the brokers' clock."""
        idle = set(self._held.idle(record, speaking))
        for stream in [stream for stream in self._pipeline.streams if name_of(stream) in idle] if idle else ():
            reason = f"no audio for {self._settings.idle_s:g} s"
            self._unsaid.outcomes += self._pipeline.finish([stream], state="idle", reason=reason)
            self._unsaid.touched.add(stream)

    def _take_change(self, change: CatalogueChange | None) -> None:
        """What was enrolled and removed meanwhile; plays of removed tracks are taken back."""
        if change is None:
            return
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
        unsaid, self._unsaid = self._unsaid, Unsaid()
        going = {name_of(stream): stream for stream in self._pipeline.streams}
        self._held.settle(going.values())
        states = [each for name in sorted({name_of(stream) for stream in unsaid.streams})
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
