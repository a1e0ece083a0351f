"""Runs the monitor over the stations of a trial and notes what it weighed, opened and told, beside the truth.

The same pipeline, decoders and catalogue as `watch`; only nothing is written. Knows nothing of how a trial was made or
of what is fitted on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from encoder.grid import SAMPLE_RATE
from index.catalogue import Catalogue
from stream_monitor.clock import SystemClock
from stream_monitor.collaborators import EncoderLike, StreamMemory
from stream_monitor.confidence import PlayFeatures
from stream_monitor.config import Config
from stream_monitor.demo.scoring import Appearance
from stream_monitor.events import Versions
from stream_monitor.evidence import NO_PATH, WINDOW_CHUNKS, ChunkEvidence
from stream_monitor.monitor import Monitor
from stream_monitor.outcome import Outcome, StreamEnd
from stream_monitor.pipeline import Pipeline
from stream_monitor.plays import PlayChange, TrackerStep
from stream_monitor.publisher import Publisher
from stream_monitor.reading import read_segments
from stream_monitor.repertoire import CatalogueRepertoire
from stream_monitor.segments import StreamKey
from stream_monitor.sources import parse_sources
from stream_monitor.stopping import Stop
from stream_monitor.tracker import Tracker

HEARD_BEFORE_S = 60.0
"""A window reaches this far back, so that a work that ended less than this ago may still be proposed rightly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """A candidate that was aligned and weighed at one chunk."""

    work_id: str
    now_s: float
    features: PlayFeatures
    right: bool


@dataclass(kw_only=True, slots=True)
class Hearing:
    """What happened on one station."""

    station: str
    duration_s: float
    truth: list[Appearance]
    weighed: list[Weighed] = field(default_factory=list)
    plays: dict[tuple[int, int], PlayChange] = field(default_factory=dict)
    """Newest revision by (track key, first chunk)."""
    first_told_s: dict[tuple[int, int], float] = field(default_factory=dict)
    """Stream time of a play's first event."""
    best_false: list[list[float]] = field(default_factory=lambda: [[] for _ in range(WINDOW_CHUNKS)])
    """For each window the best raw ordered score of a wrong work at each chunk."""

    def appearances(self) -> list[Appearance]:
        """The plays that stand, as the demo scores them."""
        return [
            Appearance(
                work_id=play.track.work_id,
                start_s=play.start_sample / SAMPLE_RATE,
                end_s=play.end_sample / SAMPLE_RATE,
                how=play.match_type,
                confidence=play.confidence,
            )
            for play in sorted(self.plays.values(), key=lambda play: play.start_sample)
            if play.status != "retracted"
        ]

    def is_right(self, work_id: str, now_s: float) -> bool:
        """Whether the work is, or was within a window, on the air at a time."""
        return any(
            real.work_id == work_id and real.start_s < now_s and real.end_s > now_s - HEARD_BEFORE_S
            for real in self.truth
        )


class _NotingTracker(Tracker):
    """A tracker that shows what it was given and what it decided."""

    note: Callable[[ChunkEvidence, TrackerStep], None] | None = None

    def update(self, evidence: ChunkEvidence) -> TrackerStep:
        step = super().update(evidence)
        if self.note is not None:
            self.note(evidence, step)
        return step


class _NotingRepertoire(CatalogueRepertoire):
    """Hands out noting trackers, one notebook (`Hearing`) per stream."""

    hearings: Mapping[str, Hearing]

    def tracker(self, stream: StreamKey, memory: StreamMemory) -> Tracker:
        tracker = _NotingTracker(
            stream,
            tracks=self._played_track,
            verifier=memory,
            calibration=self.calibration,
            config=self._config.tracker,
            floor=self._floor,
        )
        hearing = self.hearings[stream.stream_id]

        def note(evidence: ChunkEvidence, step: TrackerStep) -> None:
            _note(hearing, self._work_of, evidence, step)

        tracker.note = note
        return tracker

    def _work_of(self, track_key: int) -> str:
        track = self._played_track(track_key)
        return track.work_id if track else ""


class _Notebook:
    """Notes events' revisions as the monitor tells them."""

    def __init__(self, hearings: Mapping[str, Hearing], progress: Callable[[str], None]) -> None:
        self._hearings = hearings
        self._progress = progress
        self.failures: list[str] = []

    def arrived(self, stream: StreamKey, end_sample: int) -> None:
        """Not used."""

    def heard(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            hearing = self._hearings[outcome.stream.stream_id]
            for change in outcome.step.changes:
                name = (change.track.track_key, change.first_chunk)
                hearing.plays[name] = change
                hearing.first_told_s.setdefault(name, change.decided_sample / SAMPLE_RATE)
            if isinstance(outcome, StreamEnd):
                self._progress(outcome.stream.stream_id)

    def failed(self, failure: Any) -> None:
        self.failures.append(str(failure.error))


class _NoSink:
    def write(self, events: object) -> None:
        """Drops events: the notebook has the changes."""

    def close(self) -> None:
        """Nothing is open."""


def hear(
    stations: Mapping[Path, tuple[float, list[Appearance]]],
    catalogue: Catalogue,
    encoder: EncoderLike,
    config: Config,
    *,
    calibration: Mapping[str, Any],
    progress: Callable[[str], None],
) -> list[Hearing]:
    """Monitors station files and notes everything.

    Args:
        stations: Per file its duration in seconds and its true appearances.
        catalogue: What is enrolled.
        encoder: Audio to embeddings.
        config: As for `watch`.
        calibration: As in the weights' `calibration.json`.
        progress: Is told each station as its audio ends.

    Raises:
        MonitorError: If a station cannot be heard.
    """
    hearings = {
        path.stem: Hearing(station=path.stem, duration_s=duration_s, truth=truth)
        for path, (duration_s, truth) in stations.items()
    }
    repertoire = _NotingRepertoire(
        catalogue, calibration=calibration, floor=config.pipeline.matcher.loose_score, config=config.plays
    )
    repertoire.hearings = hearings
    notebook = _Notebook(hearings, progress)
    stop, clock = Stop(), SystemClock()
    versions = Versions(software="trial", encoder=encoder.fingerprint, catalogue=catalogue.version, config="trial")
    monitor = Monitor(
        Pipeline(encoder, repertoire, config.pipeline),
        Publisher(_NoSink(), versions=versions, clock=clock),
        lambda source: read_segments(source, stop=stop, policy=config.reconnect),
        config=config.monitor,
        stop=stop,
        clock=clock,
        observers=[notebook],
    )
    monitor.watch(parse_sources([str(path) for path in stations], kind="broadcast"))
    if notebook.failures:
        raise ValueError(f"{len(notebook.failures)} stations failed, the first: {notebook.failures[0]}")
    return list(hearings.values())


def _note(hearing: Hearing, work_of: Callable[[int], str], evidence: ChunkEvidence, step: TrackerStep) -> None:
    now_s = evidence.chunk.end_sample / SAMPLE_RATE
    for decision in step.decisions:
        if decision.features is not None:
            work_id = work_of(decision.track_key)
            right = hearing.is_right(work_id, now_s)
            hearing.weighed.append(Weighed(work_id=work_id, now_s=now_s, features=decision.features, right=right))
    for change in step.changes:
        if change.status == "provisional":
            right = hearing.is_right(change.track.work_id, now_s)
            hearing.weighed.append(
                Weighed(work_id=change.track.work_id, now_s=now_s, features=change.features, right=right)
            )
    best = np.full(WINDOW_CHUNKS, NO_PATH)
    for candidate in evidence.candidates:
        if not hearing.is_right(work_of(candidate.track_key), now_s):
            scores = np.array(candidate.ordered_scores)
            best[: len(scores)] = np.maximum(best[: len(scores)], scores)
    for window, score in enumerate(best.tolist()):
        if score > NO_PATH:
            hearing.best_false[window].append(score)
