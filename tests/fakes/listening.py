"""Runs matcher and tracker over a stream of the simulated world, and checks what any run must obey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.confidence import Calibration
from stream_monitor.evidence import ChunkEvidence
from stream_monitor.matcher import Matcher
from stream_monitor.plays import PlayChange, TrackerStep
from stream_monitor.segments import StreamKey
from stream_monitor.tracker import Tracker
from stream_monitor.tracker_config import TrackerConfig
from tests.fakes.world import CALIBRATION, Aired, Vectors, World, WorldVerifier


@dataclass(kw_only=True)
class Listening:
    """One stream, listened to chunk by chunk."""

    world: World
    aired: Sequence[Aired]
    config: TrackerConfig = field(default_factory=TrackerConfig)
    calibration: Calibration = CALIBRATION
    stream: StreamKey = field(default_factory=lambda: StreamKey(kind="broadcast", stream_id="fm-1"))
    changes: list[PlayChange] = field(default_factory=list)
    steps: list[TrackerStep] = field(default_factory=list)
    evidence: list[ChunkEvidence] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.matcher = Matcher(self.world.index, self.world.cohort_CD, null=self.calibration.null)
        self.tracker = self.new_tracker()

    def new_tracker(self) -> Tracker:
        """A tracker that knows nothing yet."""
        verifier = WorldVerifier(world=self.world, aired=self.aired)
        return Tracker(
            self.stream,
            tracks=self.world.tracks.get,
            verifier=verifier,
            calibration=self.calibration,
            config=self.config,
        )

    def hear(self, second_SD: Vectors, *, restart_at: frozenset[int] = frozenset(), finish: bool = True) -> None:
        """Listens to the whole stream; before each chunk in `restart_at`, matcher and tracker start from a snapshot."""
        chunks = self.world.chunks(self.stream, second_SD)
        for chunk in chunks:
            if chunk.index in restart_at:
                state, recent = self.tracker.snapshot(), self.matcher.snapshot(self.stream)
                self.__post_init__()
                self.tracker.restore(state)
                self.matcher.restore(self.stream, recent)
            embedding_D = chunk.embedding_D
            neighbours = None if embedding_D is None else self.world.index.neighbours(embedding_D[None])
            for evidence in self.matcher.match([chunk], neighbours, lambda _: self.tracker.open_tracks):
                self.evidence.append(evidence)
                self.take(self.tracker.update(evidence))
        if finish:
            self.take(self.tracker.finish(len(second_SD) * SAMPLE_RATE))

    def take(self, step: TrackerStep) -> None:
        """Keeps what a step says."""
        self.steps.append(step)
        self.changes.extend(step.changes)

    @property
    def final(self) -> list[PlayChange]:
        """Final plays in the order of their starts."""
        return sorted((c for c in self.changes if c.status == "final"), key=lambda c: c.start_sample)

    def check(self) -> None:
        """What holds for every run.

        Revisions of a play count from 0 without holes, begin provisional and end once; stream time never runs back;
        updates keep their distance; numbers are finite; intervals are not empty and lie within the play.
        """
        plays: dict[tuple[int, int, int], list[PlayChange]] = {}
        for change in self.changes:
            plays.setdefault((change.stream.epoch, change.track.track_key, change.first_chunk), []).append(change)
            assert 0 < change.confidence < 1
            assert math.isfinite(change.score)
            assert change.start_sample < change.end_sample
            assert all(change.start_sample <= a < b <= change.end_sample for a, b in change.gaps)
            if change.track_start_sample is not None and change.track_end_sample is not None:
                assert 0 <= change.track_start_sample <= change.track_end_sample
        for revisions in plays.values():
            assert [change.revision for change in revisions] == list(range(len(revisions)))
            assert revisions[0].status == "provisional"
            assert revisions[-1].status in ("final", "retracted")
            assert all(change.status == "updated" for change in revisions[1:-1])
            decided = np.array([change.decided_sample for change in revisions])
            assert (np.diff(decided) >= 0).all()
            assert (np.diff(decided[:-1]) >= round(self.config.update_every_s * SAMPLE_RATE)).all()


def seconds(change: PlayChange) -> tuple[float, float]:
    """Start and end of a play, s."""
    return change.start_sample / SAMPLE_RATE, change.end_sample / SAMPLE_RATE


def listen(
    world: World, aired: Sequence[Aired], duration_s: int, *, seed: int = 0, config: TrackerConfig | None = None
) -> Listening:
    """Listens to a timeline from beginning to end and checks it."""
    listening = Listening(world=world, aired=aired, config=config or TrackerConfig())
    listening.hear(world.stream_seconds(aired, duration_s, seed=seed))
    listening.check()
    return listening
