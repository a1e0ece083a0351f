"""The story of the monitor: segments come in, and what was heard in them comes out.

    segment → blocks of audio → CQT frames → chunks → embeddings → neighbours → window scores → plays → accounts

All streams go through the same steps together, so that each step is one call for a whole batch. The pipeline does
no I/O, reads no clock and starts no thread: the same segments give the same outcomes, in the same order within each
stream, whoever else is in the batch. Read `_run`; every step is a method below it, in order.

It knows nothing of files, decoders, brokers or events: `monitor` feeds it, `publisher` tells what came out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import BINS, BLOCK_FRAMES, SAMPLE_RATE
from stream_monitor.accounting import AccountingConfig, State, StreamAccount, epoch_samples
from stream_monitor.batcher import Batcher, BatcherConfig
from stream_monitor.chunker import BlockRequest, Chunker, ChunkerConfig, Frames
from stream_monitor.collaborators import EncoderLike, Repertoire
from stream_monitor.confidence import Calibration
from stream_monitor.evidence import ChunkEvidence, EmbeddedChunk
from stream_monitor.lane import Ending, HeardChunk, Lane, Outcome, Ready, StreamEnd, TrackRemoved
from stream_monitor.matcher import Matcher, MatcherConfig
from stream_monitor.plays import TrackerStep
from stream_monitor.segments import Segment, StreamKey

log = structlog.get_logger(__name__)


class PipelineConfig(BaseModel):
    """The settings of every step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunker: ChunkerConfig = ChunkerConfig()
    batcher: BatcherConfig = BatcherConfig()
    matcher: MatcherConfig = MatcherConfig()
    accounting: AccountingConfig = AccountingConfig()
    reconnect_s: float = Field(default=60.0, ge=0.0)
    """A stream that comes back within this time (a higher epoch) continues its open plays; later they have ended."""


class Pipeline:
    """Every stream, from its segments to its plays."""

    def __init__(self, encoder: EncoderLike, repertoire: Repertoire, config: PipelineConfig | None = None) -> None:
        """Starts without streams.

        Args:
            encoder: audio to embeddings.
            repertoire: the catalogue's index, and what follows a stream through its tracks.
            config: settings of the steps.
        """
        self.config = config or PipelineConfig()
        self.late_samples = 0
        """Samples of epochs that had been left for a later one: dropped."""
        self._encoder = encoder
        self._repertoire = repertoire
        self._support_samples = -encoder.block_window(0)[0]
        null = Calibration.of_encoder(encoder.calibration).null
        self._matcher = Matcher(repertoire.index, encoder.cohort_CD, self.config.matcher, null=null)
        self._batcher: Batcher[tuple[Lane, BlockRequest]] = Batcher(self.config.batcher)
        self._lanes: dict[tuple[str, str], Lane] = {}
        """The present epoch of each stream that goes on."""
        self._followed: dict[StreamKey, Lane] = {}
        """Every lane that is not finished."""
        self._drained: list[Lane] = []
        """Lanes that ended with no block on its way."""

    @property
    def streams(self) -> tuple[StreamKey, ...]:
        """Streams that have begun and not ended."""
        return tuple(lane.stream for lane in self._lanes.values())

    @property
    def due_s(self) -> float | None:
        """When `push` should be called again at the latest, on the caller's clock, even without a segment."""
        return self._batcher.due_s

    def push(self, segments: Iterable[Segment], *, now_s: float = math.inf) -> list[Outcome]:
        """Takes segments (each stream's in order) and returns what was heard.

        Args:
            segments: of any streams. The segment marked `last` ends its stream.
            now_s: the caller's monotonic clock. A batch that is not full waits for its deadline; without a clock
                nothing waits.
        """
        outcomes: list[Outcome] = []
        for segment in segments:
            for lane, request in self._cut(segment):
                self._batcher.put((lane, request), now_s)
            for batch in self._batcher.full():
                outcomes += self._run(batch)
        for batch in self._batcher.due(now_s):
            outcomes += self._run(batch)
        return outcomes + self._run([]) if self._drained else outcomes

    def finish(
        self, streams: Iterable[StreamKey] | None = None, *, state: State = "ended", reason: str = "end of stream"
    ) -> list[Outcome]:
        """Ends streams (all of them by default) where they are, without waiting: their open plays become final."""
        wanted = None if streams is None else set(streams)
        outcomes: list[Outcome] = []
        for lane in [each for each in self._lanes.values() if wanted is None or each.stream in wanted]:
            for request in self._end(lane, Ending(state=state, reason=reason)):
                self._batcher.put((lane, request), -math.inf)
            for batch in self._batcher.full():
                outcomes += self._run(batch)
        return outcomes + self.push(())

    def remove_track(self, track_key: int, *, reason: str = "track removed from the catalogue") -> list[TrackRemoved]:
        """Retracts every open play of a track that is no longer in the catalogue."""
        retracted = [lane.retract(track_key, reason) for lane in self._followed.values()]
        return [outcome for outcome in retracted if outcome is not None]

    # The steps, in order.

    def _run(self, blocks: Sequence[tuple[Lane, BlockRequest]]) -> list[Outcome]:
        """One batch of blocks, of any streams, through every step."""
        frames_BFT = self._transform([request for _, request in blocks])
        ready = list(self._assemble(blocks, frames_BFT))
        embedded = self._embed([each for each in ready if each.chunk is not None])
        evidence = self._match(embedded)
        return [self._follow(each, evidence) for each in ready]

    def _cut(self, segment: Segment) -> list[tuple[Lane, BlockRequest]]:
        """Step 1: a segment continues its stream's audio; whole blocks of it go on."""
        lane, requests = self._lane(segment)
        if lane is None:
            return []
        requests += [(lane, request) for request in lane.chunker.push(segment)]
        if lane.chunker.state.joined_sample is not None:
            lane.account.joined(lane.chunker.state.joined_sample)
        for gap in lane.chunker.take_gaps():
            lane.account.gap(*gap)
        if segment.last:
            requests += [(lane, r) for r in self._end(lane, Ending(state="ended", reason="end of stream"))]
        return requests

    def _transform(self, requests: Sequence[BlockRequest]) -> Frames:
        """Step 2: blocks of audio to CQT frames [B, 84, 431], all streams in one call."""
        if not requests:
            return np.empty((0, BINS, BLOCK_FRAMES), np.float32)
        return self._encoder.frames(np.stack([request.wave_S for request in requests]))

    def _assemble(self, blocks: Sequence[tuple[Lane, BlockRequest]], frames_BFT: Frames) -> Iterator[Ready]:
        """Step 3: frames go back to their streams; two neighbouring blocks are a chunk. Streams that end say so."""
        for (lane, request), frames_FT in zip(blocks, frames_BFT, strict=True):
            lane.account.heard(request.level)
            for chunk in lane.chunker.accept(request.block, frames_FT):
                yield Ready(lane=lane, chunk=chunk)
            if lane.chunker.drained:
                yield from self._close(lane)
        drained, self._drained = self._drained, []
        for lane in drained:
            yield from self._close(lane)

    def _embed(self, ready: Sequence[Ready]) -> list[EmbeddedChunk]:
        """Step 4: chunks to embeddings, all streams in one call; silence has none."""
        chunks = [each.chunk for each in ready if each.chunk is not None]
        if not chunks:
            return []
        embeddings = self._encoder.embed([chunk.frames_FT for chunk in chunks])
        return [
            EmbeddedChunk(
                stream=chunk.stream,
                index=chunk.index,
                start_sample=chunk.start_sample,
                end_sample=chunk.end_sample,
                tail=chunk.tail,
                embedding_D=embedding_D if sounding else None,
            )
            for chunk, embedding_D, sounding in zip(
                chunks, embeddings.embedding_BD, embeddings.sounding_B.tolist(), strict=True
            )
        ]

    def _match(self, embedded: Sequence[EmbeddedChunk]) -> Iterator[ChunkEvidence]:
        """Step 5: embeddings to neighbours, one index call; neighbours to window scores, chunk after chunk."""
        rows = [chunk.embedding_D for chunk in embedded if chunk.embedding_D is not None]
        k = self.config.matcher.neighbours
        neighbours = self._repertoire.index.neighbours(np.stack(rows), k=k) if rows else None
        return self._matcher.match(embedded, neighbours, lambda stream: self._followed[stream].tracker.open_tracks)

    def _follow(self, ready: Ready, evidence: Iterator[ChunkEvidence]) -> Outcome:
        """Step 6: window scores to plays, and into the account; at the end of a stream everything open is closed."""
        lane = ready.lane
        if ready.chunk is None:
            return self._finished(lane, too_short=ready.too_short)
        lane.memory.remember(ready.chunk)
        seen = next(evidence)
        step = lane.tracker.update(seen)
        for change in step.changes:
            lane.account.played(change)
        return HeardChunk(
            stream=lane.stream,
            index=ready.chunk.index,
            start_sample=ready.chunk.start_sample,
            end_sample=ready.chunk.end_sample,
            level_dbfs=ready.chunk.level_dbfs,
            sounding=seen.chunk.embedding_D is not None,
            candidates=len(seen.candidates),
            considered=seen.considered,
            step=step,
            period=lane.account.period(ready.chunk.end_sample),
        )

    # How streams begin and end.

    def _lane(self, segment: Segment) -> tuple[Lane | None, list[tuple[Lane, BlockRequest]]]:
        """The lane of a segment's stream and epoch, with what is left of the epoch before it; None for a past epoch."""
        stream = segment.stream
        before = self._lanes.get((stream.kind, stream.stream_id))
        if before is not None and before.stream == stream:
            return before, []
        if before is not None and before.stream.epoch > stream.epoch:
            self.late_samples += len(segment.samples_S)
            log.warning("segment of a past epoch dropped", stream=stream.stream_id, epoch=stream.epoch)
            return None, []
        lane = self._open(stream)
        if before is None:
            return lane, []
        offset = max(before.chunker.state.next_sample, epoch_samples(before.stream, stream))
        break_s = (offset - before.chunker.state.next_sample) / SAMPLE_RATE
        keeps = break_s <= self.config.reconnect_s
        ending = Ending(
            state="reconnected", reason=f"back after {break_s:.1f} s", successor=lane if keeps else None, offset=offset
        )
        before.account.gap(before.chunker.state.next_sample, offset)
        return lane, [(before, request) for request in self._end(before, ending)]

    def _open(self, stream: StreamKey) -> Lane:
        memory = self._repertoire.memory(stream)
        lane = Lane(
            stream=stream,
            chunker=Chunker(stream, support_samples=self._support_samples, config=self.config.chunker),
            memory=memory,
            tracker=self._repertoire.tracker(stream, memory),
            account=StreamAccount(stream, self.config.accounting),
        )
        self._lanes[stream.kind, stream.stream_id] = lane
        self._followed[stream] = lane
        return lane

    def _end(self, lane: Lane, ending: Ending) -> list[BlockRequest]:
        """No more audio comes: asks for the last blocks. Repeating it changes nothing."""
        if lane.ending is not None:
            return []
        lane.ending = ending
        if self._lanes.get((lane.stream.kind, lane.stream.stream_id)) is lane:
            del self._lanes[lane.stream.kind, lane.stream.stream_id]
        requests = lane.chunker.finish()
        if lane.chunker.drained:
            self._drained.append(lane)
        return requests

    def _close(self, lane: Lane) -> Iterator[Ready]:
        """A stream whose last block has come back: its tail chunk, then its end."""
        end = lane.chunker.close()
        for chunk in end.chunks:
            yield Ready(lane=lane, chunk=chunk)
        yield Ready(lane=lane, chunk=None, too_short=end.too_short)

    def _finished(self, lane: Lane, *, too_short: bool) -> StreamEnd:
        """Closes the open plays, or hands them to the stream's next epoch; settles the account."""
        ending = lane.ending
        if ending is None:
            raise ValueError(f"stream {lane.stream.stream_id!r} was closed before it ended")
        end_sample = lane.chunker.state.next_sample
        step = TrackerStep()
        if ending.successor is None:
            step = lane.tracker.finish(end_sample, reason=ending.reason)
        else:
            lane.hand_over(ending.successor, ending.offset)
        for change in step.changes:
            lane.account.played(change)
        self._matcher.forget(lane.stream)
        del self._followed[lane.stream]
        reason = f"{ending.reason}; under 6 s of unbroken audio" if too_short else ending.reason
        status = lane.account.close(
            max(end_sample, ending.offset),
            ending.state,
            reason,
            played_to_sample=None if ending.successor is None else end_sample,
        )
        return StreamEnd(
            stream=lane.stream,
            end_sample=end_sample,
            too_short=too_short,
            step=step,
            status=status,
            counts=lane.chunker.state.counts,
        )
