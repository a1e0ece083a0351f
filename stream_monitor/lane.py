"""The lane of one stream: its chunker, its tracker, its memory and its account, from the first segment to the last.

It holds what belongs together and says what is ready; the steps themselves are in `pipeline`. It knows nothing of
other streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_monitor.accounting import State, StreamAccount, StreamStatus
from stream_monitor.chunker import Chunk, Chunker, ChunkerCounts
from stream_monitor.collaborators import StreamMemory, TrackerLike
from stream_monitor.plays import TrackerStep
from stream_monitor.segments import StreamKey


@dataclass(kw_only=True, slots=True)
class Lane:
    """One epoch of one stream on its way through the pipeline."""

    stream: StreamKey
    chunker: Chunker
    memory: StreamMemory
    tracker: TrackerLike
    account: StreamAccount
    ending: Ending | None = None
    """How the lane ends, once that is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Why a lane ends, and who carries on."""

    state: State
    reason: str
    successor: Lane | None = None
    """The lane of the stream's next epoch, which takes the open plays over."""
    offset: int = 0
    """Where the next epoch begins, on this epoch's clock; 0 where there is none."""


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


Outcome = HeardChunk | StreamEnd


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A chunk that is ready to be embedded, or (None) the end of its lane, in the stream's order."""

    lane: Lane
    chunk: Chunk | None
    too_short: bool = False
