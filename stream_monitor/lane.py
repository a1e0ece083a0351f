"""The lane of one stream: its chunker, its tracker, its memory and its account, from the first segment to the last.

    take → accept → follow … → close → finish

Each method is what a step means for this stream alone: who of its parts must know of it, and what became of it. The
steps themselves are in `pipeline`, the order of lanes in `lanes`. It knows nothing of other streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import structlog

from stream_monitor.accounting import State, StreamAccount
from stream_monitor.chunk import BlockRequest, Chunk, Frames
from stream_monitor.chunker import Chunker
from stream_monitor.chunker_state import ChunkerPlace
from stream_monitor.collaborators import StreamMemory, TrackerLike
from stream_monitor.evidence import ChunkEvidence
from stream_monitor.lane_state import LaneState
from stream_monitor.matcher import MatcherState
from stream_monitor.outcome import HeardChunk, StreamEnd, TrackRemoved
from stream_monitor.plays import PlayChange, TrackerStep
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.upload import Upload, unknown_before

log = structlog.get_logger(__name__)


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

    def take(self, segment: Segment) -> list[BlockRequest]:
        """The next segment of its audio, or of an upload one that cannot be read; the blocks that are whole now."""
        self.stand()
        if self.upload is not None:
            self.upload.came(segment)
        if segment.unreadable_samples and not segment.last:
            return []
        requests = self.chunker.push(segment)
        if self.chunker.state.joined_sample is not None:
            self.account.joined(self.chunker.state.joined_sample)
        for gap in self.chunker.take_gaps():
            self.account.gap(*gap)
        return requests

    def accept(self, request: BlockRequest, frames_FT: Frames) -> list[Chunk]:
        """A block came back as frames: how loud it was, and the chunk that it completes, if any."""
        self.account.heard(request.level)
        if self.upload is not None:
            self.upload.measured(request.level)
        return self.chunker.accept(request.block, frames_FT)

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

    def close(self) -> Iterator[Ready]:
        """The last block has come back: the tail chunk, then the end."""
        end = self.chunker.close()
        for chunk in end.chunks:
            yield Ready(lane=self, chunk=chunk)
        yield Ready(lane=self, chunk=None, too_short=end.too_short)

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

    # Taken over from another process.

    def snapshot(self, matcher: MatcherState) -> LaneState:
        """What must not be forgotten of it.

        Args:
            matcher: What the matcher remembers of the stream.

        Raises:
            ValueError: Something of it is on its way.
        """
        return LaneState(
            stream=self.stream,
            place=self.awaited or self.chunker.place(),
            tracker=self.tracker.snapshot(),
            account=self.account.snapshot(),
            matcher=matcher,
            upload=None if self.upload is None else self.upload.snapshot(),
        )

    def restore(self, state: LaneState) -> None:
        """Goes on from a snapshot, once the audio before its place was heard again."""
        self.tracker.restore(state.tracker)
        self.account.restore(state.account)
        self.awaited = state.place
        if self.upload is not None:
            self.upload.restore(state.upload or unknown_before(state.place.next_sample))

    def knows(self, segment: Segment) -> bool:
        """Whether a restored lane has heard a segment before: now it only fills buffers."""
        place = self.awaited
        return place is not None and segment.seq < place.next_seq and not segment.unreadable_samples

    def refill(self, segment: Segment) -> list[BlockRequest]:
        """A segment that it `knows`: the blocks of it, which `recall` wants back.

        An epoch that was idle and came back has another lane since: what is from before that is not this one's.
        """
        joined_sample = None if self.awaited is None else self.awaited.joined_sample
        if joined_sample is None or segment.end_sample <= joined_sample:
            return []
        return self.chunker.push(replace(segment, last=False))

    def recall(self, request: BlockRequest, frames_FT: Frames) -> None:
        """A block that was heard before came back as frames: remembered without a word."""
        for chunk in self.chunker.accept(request.block, frames_FT):
            self.memory.remember(chunk)

    def stand(self) -> None:
        """A restored lane has heard again what there is of its audio: it goes on from its place. Others stay."""
        place, self.awaited = self.awaited, None
        if place is not None and not self.chunker.stand_at(place):
            log.warning(
                "audio before the snapshot is gone", stream=self.stream.stream_id, next_sample=place.next_sample
            )
            if self.upload is not None:
                self.upload.lost(place.regular_end or place.joined_sample or 0, place.next_sample)

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
class Ready:
    """A chunk that is ready to be embedded, or (None) the end of its lane, in the stream's order."""

    lane: Lane
    chunk: Chunk | None
    too_short: bool = False
