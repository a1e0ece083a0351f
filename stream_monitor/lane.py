"""The lane of one stream: its chunker, its tracker, its memory and its account, from the first segment to the last.

It holds what belongs together and says what became of it; the steps themselves are in `pipeline`, the order of lanes
in `lanes`. It knows nothing of other streams.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream_monitor.accounting import State, StreamAccount, StreamStatus
from stream_monitor.chunk import Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.chunker_state import ChunkerCounts, ChunkerPlace
from stream_monitor.collaborators import StreamMemory, TrackerLike
from stream_monitor.conditions import Condition
from stream_monitor.evidence import ChunkEvidence
from stream_monitor.plays import PlayChange, TrackerStep
from stream_monitor.segments import StreamKey
from stream_monitor.upload import Upload
from stream_monitor.verdict import Verdict


@dataclass(kw_only=True, slots=True)
class Lane:
    """One epoch of one stream on its way through the pipeline."""

    stream: StreamKey
    chunker: Chunker
    memory: StreamMemory
    tracker: TrackerLike
    account: StreamAccount
    upload: Upload | None = None
    """Where a verdict is asked for."""
    ending: Ending | None = None
    """How the lane ends, once that is known."""
    awaited: ChunkerPlace | None = None
    """Of a lane that was restored: where it stood; audio before it only fills buffers."""

    @property
    def name(self) -> tuple[str, str]:
        """What the lanes of a stream's epochs have in common; one of them may go on with the plays of another."""
        return self.stream.kind, self.stream.stream_id

    def follow(self, chunk: Chunk, seen: ChunkEvidence) -> HeardChunk:
        """Takes the next chunk's evidence: what it does to the plays, and what the account says."""
        step = self.tracker.update(seen)
        self._note(step.changes)
        verdict = None if self.upload is None else self.upload.heard(chunk.start_sample, chunk.end_sample)
        return HeardChunk(
            stream=self.stream,
            index=chunk.index,
            start_sample=chunk.start_sample,
            end_sample=chunk.end_sample,
            level_dbfs=chunk.level_dbfs,
            sounding=seen.chunk.embedding_D is not None,
            candidates=len(seen.candidates),
            considered=seen.considered,
            step=step,
            period=self.account.period(chunk.end_sample),
            conditions=self.account.happened(chunk.end_sample),
            verdict=verdict,
        )

    def finish(self, *, too_short: bool) -> StreamEnd:
        """Closes the open plays, or hands them to the stream's next epoch; settles the account."""
        ending = self.ending
        if ending is None:
            raise ValueError(f"stream {self.stream.stream_id!r} was closed before it ended")
        end_sample = self.chunker.state.next_sample
        step = TrackerStep()
        if ending.successor is None:
            step = self.tracker.finish(end_sample, reason=ending.reason)
        else:
            self.hand_over(ending.successor, ending.offset)
        self._note(step.changes)
        reason = f"{ending.reason}; under 6 s of unbroken audio" if too_short else ending.reason
        status = self.account.close(
            max(end_sample, ending.offset),
            ending.state,
            reason,
            played_to_sample=None if ending.successor is None else end_sample,
        )
        return StreamEnd(
            stream=self.stream,
            end_sample=end_sample,
            too_short=too_short,
            step=step,
            status=status,
            counts=self.chunker.state.counts,
            conditions=self.account.happened(),
            verdict=None if self.upload is None else self.upload.finish(ending.state, too_short=too_short),
        )

    def retract(self, track_key: int, reason: str) -> TrackRemoved | None:
        """Takes back the open plays of a track that is gone; None where there is none."""
        step = self.tracker.remove_track(track_key, reason=reason)
        self._note(step.changes)
        end_sample = self.chunker.state.next_sample
        return TrackRemoved(stream=self.stream, end_sample=end_sample, step=step) if step.changes else None

    def hand_over(self, successor: Lane, offset_samples: int) -> None:
        """The stream's next epoch goes on with the plays; its sample 0 is sample `offset_samples` of this one."""
        self.tracker.continue_as(successor.stream, offset_samples)
        self.memory.continue_as(successor.stream, offset_samples)
        successor.account.continues(self.account, offset_samples)
        successor.tracker, successor.memory = self.tracker, self.memory
        if successor.upload is not None:
            successor.upload.state.continued = True

    def _note(self, changes: Iterable[PlayChange]) -> None:
        for change in changes:
            self.account.played(change)
            if self.upload is not None:
                # A play keeps the clock of the epoch in which it opened.
                self.upload.played(change, self.account.state.epochs.get(change.stream.epoch, 0))


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A chunk that is ready to be embedded, or (None) the end of its lane, in the stream's order."""

    lane: Lane
    chunk: Chunk | None
    too_short: bool = False
