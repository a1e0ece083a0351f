"""A worker seen from outside: what it polls, hears and commits becomes metrics, and whether it is ready is told.

The worker knows nothing of it: it is handed a consumer, an outbox, a pipeline and an encoder that tell what passes
through them (`observed.py`). Everything here runs in the worker's thread but `unready`, which a probe asks.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from encoder.grid import SAMPLE_RATE
from stream_monitor.clock import Clock
from stream_monitor.event_types import PLAY_TYPE
from stream_monitor.kafka.arrivals import Arrivals, Basis
from stream_monitor.kafka.client import Membership, Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.records import KINDS, AudioRecord
from stream_monitor.outcome import HeardChunk, Outcome
from stream_monitor.segments import StreamKey
from stream_monitor.sink import Event
from stream_monitor.telemetry.heartbeat import Heartbeat
from stream_monitor.telemetry.traceparent import TRACEPARENT
from stream_monitor.telemetry.worker_metrics import WorkerMetrics

WAITING: Final = 100_000
"""Records of a partition whose times are kept until they are heard; of more the newest are."""

OUTSIDE: Final = "no member of the group: it is being joined"
ALONE: Final = "no broker has answered for service.session_s: what comes is not heard"


class Observation:
    """One worker's."""

    def __init__(self, metrics: WorkerMetrics, heart: Heartbeat, clock: Clock) -> None:
        """Sees nothing yet.

        Args:
            metrics: What is filled in.
            heart: Beats with every poll.
            clock: Time.
        """
        self._metrics = metrics
        self._heart = heart
        self._clock = clock
        self._arrivals = Arrivals()
        self._membership: Membership | None = None
        self._frontier: dict[Partition, int] = {}
        self._waiting: dict[Partition, deque[tuple[int, int]]] = {}
        self._newest_ms: dict[Partition, int] = {}
        self._due: list[tuple[Basis, float]] = []
        self._catalogue: Callable[[], tuple[str, int]] | None = None
        self._version: str | None = None
        self._taking_over_s: float | None = None
        self._unready: tuple[str, ...] = ("starting: the encoder and the catalogue are loaded",)
        self._alone = False
        self._catalogue_unready: Callable[[], Sequence[str]] = tuple

    def unready(self) -> Sequence[str]:
        """Why the worker does not hear what comes; nothing once it does."""
        return (*((ALONE,) if self._alone else ()), *self._unready, *self._catalogue_unready())

    def looks_in(self, unready: Callable[[], Sequence[str]], unusable: Callable[[], int] = lambda: 0) -> None:
        """What the catalogue says of itself, asked when a probe or a scrape comes.

        Args:
            unready: Why it is not what it should be.
            unusable: Records and tracks that cannot be used, or are left out.
        """
        self._catalogue_unready = unready
        self._metrics.catalogue_unusable.set_function(unusable)

    def listens_with(self, batch: int, catalogue: Callable[[], tuple[str, int]]) -> None:
        """What the worker works with.

        Args:
            batch: Chunks of a full batch.
            catalogue: Asked for its version and the number of its tracks now and then.
        """
        self._metrics.batch_size.set(batch)
        self._catalogue = catalogue

    def queues(self, waiting: Mapping[str, Callable[[], int]]) -> None:
        """For each kind of stream, how many records wait for the pipeline; asked when a scrape comes."""
        for kind, count in waiting.items():
            self._metrics.queued.labels(kind).set_function(count)

    # What the consumer tells.

    def paused(self, partitions: int) -> None:
        """So many partitions are not read for now."""
        self._metrics.paused.set(partitions)

    def turned(self, *, alone: bool = False) -> None:
        """The loop comes round: what was taken over is restored by now.

        Args:
            alone: No broker has answered for long, so others may have what is ours.
        """
        self._beats()
        self._alone = alone
        if self._membership is None:
            self._unready = (OUTSIDE,)
        elif self._taking_over_s is not None:
            self._metrics.restore_seconds.observe(self._clock.monotonic_s() - self._taking_over_s)
            self._taking_over_s = None
            self._unready = ()

    def joined(self, membership: Membership) -> None:
        """The worker asks who it is; a change means that it takes partitions over, from what is committed."""
        if membership == self._membership or membership.generation[1] < 0:
            return
        self._unready = ("streams are restored",)
        self._membership = membership
        self._taking_over_s = self._clock.monotonic_s()
        for partition in set(self._frontier) - membership.partitions:
            for lag in (self._metrics.lag_records, self._metrics.lag_seconds):
                lag.remove(partition.topic, str(partition.number))
        self._frontier, self._waiting, self._newest_ms, self._due = {}, {}, {}, []
        self._arrivals.clear()
        self._metrics.partitions.set(len(membership.partitions))
        self._metrics.rebalances.inc()

    def left(self) -> None:
        """No member of the group any more, or not yet again: nothing is heard until partitions are taken over."""
        self._membership, self._taking_over_s = None, None
        self._unready = (OUTSIDE,)

    def restores(self, *, going_on: bool) -> None:
        """Streams are still read; where the group has gone on meanwhile that was for nothing, and begins anew."""
        self._beats()
        if not going_on:
            self.left()

    def found(self, partition: Partition, frontier: int) -> None:
        """Where a partition is begun."""
        self._frontier[partition] = frontier

    def came(self, record: Received, said: AudioRecord | None) -> None:
        """A record has come in.

        Args:
            record: The record.
            said: What it says of itself; None for one that cannot be read, which is counted as a dead letter.
        """
        frontier = self._frontier.get(record.partition)
        if frontier is None:
            return  # of a partition that is not taken over yet: it comes again
        again = record.offset < frontier
        if not again:
            waiting = self._waiting.setdefault(record.partition, deque(maxlen=WAITING))
            if waiting and record.offset <= waiting[-1][0]:
                return
            waiting.append((record.offset, record.appended_ms))
        (self._metrics.replayed if again else self._metrics.records).labels(record.partition.topic).inc()
        if said is not None:
            self._arrived(record, said, again)

    def _arrived(self, record: Received, said: AudioRecord, again: bool) -> None:
        arrival = self._arrivals.take(said, record.appended_ms, again=again)
        if again:
            return
        kind = said.stream.kind
        if arrival.what == "late":
            self._metrics.late.labels(kind).inc()
        elif arrival.what == "repeated":
            self._metrics.duplicates.labels(kind).inc()
        else:
            self._metrics.audio_seconds.labels(kind).inc(arrival.new_samples / SAMPLE_RATE)
        if arrival.missing_samples:
            self._metrics.gaps.labels(kind).inc()
            self._metrics.gap_seconds.labels(kind).inc(arrival.missing_samples / SAMPLE_RATE)

    def lag(self, ends: Mapping[Partition, int]) -> None:
        """How far behind the frontier is.

        Args:
            ends: The next offset of each partition, where it is known.
        """
        now_ms = 1e3 * self._clock.utc_now().timestamp()
        for partition, frontier in self._frontier.items():
            behind = max(0, ends.get(partition, frontier) - frontier)
            waiting = self._waiting.get(partition)
            since_ms = waiting[0][1] if waiting else self._newest_ms.get(partition)
            late_s = max(0.0, (now_ms - since_ms) / 1e3) if behind and since_ms is not None else 0.0
            labels = (partition.topic, str(partition.number))
            self._metrics.lag_records.labels(*labels).set(behind)
            self._metrics.lag_seconds.labels(*labels).set(late_s)

    # What the pipeline and the encoder tell.

    def heard(self, outcomes: Iterable[Outcome]) -> None:
        """What came out: plays that changed are due as events."""
        for outcome in outcomes:
            if isinstance(outcome, HeardChunk) and outcome.step.changes:
                moment = self._arrivals.moment(outcome.stream, outcome.end_sample)
                if moment is not None:
                    self._due += [moment] * len(outcome.step.changes)

    def following(self, streams: Iterable[StreamKey]) -> None:
        """The streams that are followed, and the catalogue that is in use for them."""
        counts = Counter(stream.kind for stream in streams)
        for kind in KINDS:
            self._metrics.streams.labels(kind).set(counts[kind])
        if self._catalogue is not None:
            self._listens_for(*self._catalogue())

    def embedded(self, chunks: int) -> None:
        """So many chunks went through the encoder together."""
        self._metrics.batch_chunks.observe(chunks)

    # What the outbox tells.

    def headers(self, event: Event) -> Sequence[tuple[str, bytes]]:
        """Headers of an event's record: the trace of the segment that made it due."""
        found = self._arrivals.traceparent(event["data"]["stream_kind"], event["data"]["stream_id"])
        return () if found is None else ((TRACEPARENT, found.encode()),)

    def committed(
        self,
        events: Sequence[Event],
        poison: Sequence[tuple[Received, PoisonError]],
        positions: Mapping[Partition, Position],
        seconds: float,
    ) -> None:
        """A transaction is through."""
        self._metrics.transactions.labels("committed").inc()
        self._metrics.transaction_seconds.observe(seconds)
        now_s = self._clock.utc_now().timestamp()
        for basis, moment_s in self._due:
            if moment_s <= now_s:  # files that are sent faster than they sound were captured in the future
                self._metrics.event_latency.labels(basis).observe(now_s - moment_s)
        self._due = []
        for event in events:
            self._metrics.events.labels(event["type"]).inc()
            if event["type"] == PLAY_TYPE:
                self._metrics.plays.labels(event["data"]["stream_kind"], event["data"]["status"]).inc()
        for record, error in poison:
            self._metrics.dead_letters.labels(record.partition.topic, error.code).inc()
        for partition, position in positions.items():
            self._frontier[partition] = position.frontier
            waiting = self._waiting.get(partition)
            while waiting and waiting[0][0] < position.frontier:
                self._newest_ms[partition] = waiting.popleft()[1]

    def aborted(self) -> None:
        """A transaction failed; nothing of it is seen."""
        self._metrics.transactions.labels("aborted").inc()

    def _beats(self) -> None:
        self._heart.beat()
        self._metrics.turned.set(self._clock.utc_now().timestamp())

    def _listens_for(self, version: str, tracks: int) -> None:
        if version == self._version:
            return
        if self._version is not None:
            self._metrics.catalogue_version.remove(self._version)
            self._metrics.catalogue_changes.inc()
        self._version = version
        self._metrics.catalogue_version.labels(version).set(1)
        self._metrics.catalogue_tracks.set(tracks)
