"""What came out of the pipeline: a chunk that was heard, a stream that ended, a track that left the catalogue.

Values only. What is told of them is made elsewhere; they know nothing of the steps that lead to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_monitor.accounting import StreamStatus
from stream_monitor.chunker_state import ChunkerCounts
from stream_monitor.conditions import Condition
from stream_monitor.plays import TrackerStep
from stream_monitor.segments import StreamKey
from stream_monitor.verdict import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardChunk:
    """One chunk that was heard, and what was decided on it."""

    stream: StreamKey
    index: int
    start_sample: int
    end_sample: int
    level_dbfs: float
    sounding: bool
    """False for silence, which has no embedding."""
    candidates: int
    """Tracks over the loose score."""
    considered: int
    """Tracks that a neighbour named."""
    step: TrackerStep
    """What was opened, kept, closed and rejected, with the reasons."""
    period: StreamStatus | None = None
    """The stream's status, where a period of it ended here."""
    conditions: tuple[Condition, ...] = ()
    """What happened to the stream since the chunk before."""
    verdict: Verdict | None = None
    """What has become certain of an upload."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamEnd:
    """A stream (or one epoch of it) that is over: the last decisions, and where its time went."""

    stream: StreamKey
    end_sample: int
    too_short: bool
    """No chunk could be made: less than 6 s without a break."""
    step: TrackerStep
    status: StreamStatus
    counts: ChunkerCounts = field(default_factory=ChunkerCounts)
    conditions: tuple[Condition, ...] = ()
    """What happened to the stream since its last chunk."""
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackRemoved:
    """Plays of a stream that were taken back because their track left the catalogue; no chunk brought it about."""

    stream: StreamKey
    end_sample: int
    """How far the stream has come."""
    step: TrackerStep
    period: None = None
    conditions: tuple[()] = ()
    verdict: None = None


Outcome = HeardChunk | StreamEnd | TrackRemoved
