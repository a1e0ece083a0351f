"""What a worker works with, telling an `Observation` what passes through: consumer, intake, outbox, pipeline, encoder.

Each does what its base does and nothing else to the data. They know nothing of metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from encoder.grid import CHUNK_FRAMES
from stream_monitor.clock import Clock
from stream_monitor.collaborators import EmbeddingsLike, EncoderLike, Float32Array
from stream_monitor.kafka.client import COMMITTED_S, Consumer, Membership, Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.intake import Intake
from stream_monitor.kafka.observation import Observation
from stream_monitor.kafka.outbox import Outbox, StateRecord
from stream_monitor.kafka.partition import Aside, Position
from stream_monitor.kafka.records import AudioRecord
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline
from stream_monitor.segments import Segment
from stream_monitor.sink import Event


class ObservedConsumer(Consumer):
    """Tells that it is asked, and which partitions it gets."""

    def __init__(self, observation: Observation, *arguments: Any, **options: Any) -> None:
        """As its base.

        Args:
            observation: What is told.
            *arguments: Of the base.
            **options: Of the base.
        """
        super().__init__(*arguments, **options)
        self._observation = observation
        self._known: Membership | None = None
        self._paused: set[Partition] = set()

    def pause(self, partitions: Collection[Partition]) -> None:
        """Reads nothing of these until `resume`."""
        super().pause(partitions)
        self._paused |= set(partitions)
        self._observation.paused(len(self._paused))

    def resume(self, partitions: Collection[Partition]) -> None:
        """Reads on."""
        super().resume(partitions)
        self._paused -= set(partitions)
        self._observation.paused(len(self._paused))

    def poll(self, wait_s: float, at_most: int = 500) -> list[Received]:
        """The next records, each partition's in order."""
        self._observation.turned(alone=self.is_alone())
        self._observation.lag(self.known_ends())
        return super().poll(wait_s, at_most)

    def membership(self) -> Membership:
        """Who we are and what is ours now."""
        membership = super().membership()
        if not membership.settled:
            self._known = None
            self._observation.left()
        elif membership != self._known:
            self._known = membership
            self._paused.clear()  # an assignment forgets them
            self._observation.joined(membership)
        return membership

    def stay(self, membership: Membership) -> bool:
        """Shows the group that we live while streams are restored."""
        still = super().stay(membership)
        self._observation.restores(going_on=still)
        if not still:
            self._known = None
        return still

    def begins(self, partition: Partition) -> int:
        """The first offset that is still there."""
        first = super().begins(partition)
        self._observation.found(partition, first)
        return first

    def committed(
        self, partition: Partition, between: Callable[[], None] = lambda: None, within_s: float = COMMITTED_S
    ) -> tuple[int, str] | None:
        """The group's offset of a partition with its metadata; None where there is none."""
        found = super().committed(partition, between, within_s)
        if found is not None:
            aside = Aside.of(found[1])
            self._observation.found(partition, found[0] if aside is None else aside.frontier)
        return found


class ObservedIntake(Intake):
    """Tells what comes in, once the worker has seen that it is its own."""

    def __init__(self, observation: Observation, *arguments: Any, **options: Any) -> None:
        """As its base.

        Args:
            observation: What is told.
            *arguments: Of the base.
            **options: Of the base.
        """
        super().__init__(*arguments, **options)
        self._observation = observation

    def put(self, record: Received, wanted: Callable[[AudioRecord], bool]) -> AudioRecord | None:
        """A record that was polled; each partition's in order."""
        said = super().put(record, wanted)
        self._observation.came(record, said)
        return said


class ObservedOutbox(Outbox):
    """Tells what was committed, and what was not."""

    def __init__(self, observation: Observation, clock: Clock, *arguments: Any, **options: Any) -> None:
        """As its base.

        Args:
            observation: What is told.
            clock: Time.
            *arguments: Of the base.
            **options: Of the base.
        """
        super().__init__(*arguments, headers=observation.headers, **options)
        self._observation = observation
        self._clock = clock

    def commit(
        self,
        *,
        events: Sequence[Event],
        states: Sequence[StateRecord],
        poison: Sequence[tuple[Received, PoisonError]],
        positions: Mapping[Partition, Position],
        membership: Membership,
    ) -> None:
        """Says all of it, or nothing."""
        begun_s = self._clock.monotonic_s()
        try:
            super().commit(events=events, states=states, poison=poison, positions=positions, membership=membership)
        except Exception:
            self._observation.aborted()
            raise
        self._observation.committed(events, poison, positions, self._clock.monotonic_s() - begun_s)


class ObservedPipeline(Pipeline):
    """Tells what was heard, and which streams are followed."""

    def __init__(self, observation: Observation, *arguments: Any, **options: Any) -> None:
        """As its base.

        Args:
            observation: What is told.
            *arguments: Of the base.
            **options: Of the base.
        """
        super().__init__(*arguments, **options)
        self._observation = observation

    def push(self, segments: Iterable[Segment], *, now_s: float = float("inf")) -> list[Outcome]:
        """Takes segments and returns what was heard."""
        outcomes = super().push(segments, now_s=now_s)
        self._observation.heard(outcomes)
        return outcomes

    def flush(self) -> list[Outcome]:
        """Runs what waits for a fuller batch."""
        outcomes = super().flush()
        self._observation.following(self.streams)
        return outcomes


class ObservedEncoder:
    """Tells how many chunks go through together."""

    def __init__(self, encoder: EncoderLike, embedded: Callable[[int], None]) -> None:
        """As the encoder.

        Args:
            encoder: What does the work.
            embedded: Told the number of chunks.
        """
        self._encoder = encoder
        self._embedded = embedded
        self.fingerprint = encoder.fingerprint
        self.cohort_CD = encoder.cohort_CD
        self.calibration = encoder.calibration

    def block_window(self, block: int) -> tuple[int, int]:
        """Which samples a block's frames look at."""
        return self._encoder.block_window(block)

    def frames(self, wave_BS: Float32Array) -> Float32Array:
        """Frames of blocks of audio."""
        return self._encoder.frames(wave_BS)

    def embed(self, chunks: Sequence[Float32Array], *, longest: int = CHUNK_FRAMES) -> EmbeddingsLike:
        """Embeddings of chunks."""
        self._embedded(len(chunks))
        return self._encoder.embed(chunks, longest=longest)
