"""What the tracker says: changes of plays, and what it kept and rejected, each with its reason.

Values only: it knows nothing of events, time stamps or catalogues. Positions are integer samples at 22,050 Hz on the
clock of the epoch in which the play opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stream_monitor.confidence import PlayFeatures
from stream_monitor.evidence import MatchType
from stream_monitor.segments import StreamKey

Status = Literal["provisional", "updated", "final", "retracted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayedTrack:
    """The metadata that a play took along when it opened, so that it outlives the track's removal."""

    track_key: int
    track_id: str
    work_id: str
    duration_samples: int
    title: str | None = None
    artist: str | None = None
    isrc: str | None = None
    iswc: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """Another recording of the play's work, with its best window score."""

    track_id: str
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayChange:
    """One revision of one play."""

    stream: StreamKey
    """The stream, with the epoch in which the play opened."""
    track: PlayedTrack
    first_chunk: int
    """Index of the first chunk that named the play when it opened; with stream and track it makes the play's id."""
    revision: int
    """0, 1, 2 …"""
    status: Status
    reason: str
    """Why this revision was made, for people and logs."""
    confidence: float
    features: PlayFeatures
    """What the confidence rests on; not part of the event."""
    score: float
    """Best MaxMean of a window of the play."""
    match_type: MatchType
    start_sample: int
    end_sample: int
    """What is known so far; of an open play the end of the last evidence."""
    track_start_sample: int | None
    track_end_sample: int | None
    transposition_semitones: int | None
    tempo_ratio: float | None
    gaps: tuple[tuple[int, int], ...]
    alternatives: tuple[Alternative, ...]
    decided_sample: int
    """Stream time of the decision: the end of the newest chunk that it rests on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What was kept or rejected at one chunk without a new revision, and why."""

    track_key: int
    outcome: Literal["kept", "rejected"]
    reason: str
    confidence: float | None = None
    features: PlayFeatures | None = None
    """Of what was weighed, for calibration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerStep:
    """All that one call decided."""

    changes: tuple[PlayChange, ...] = ()
    decisions: tuple[Decision, ...] = ()
