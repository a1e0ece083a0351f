"""The story of the monitor: segments come in, and what was heard in them comes out.

    segment → blocks of audio → CQT frames → chunks → embeddings → neighbours → window scores → plays → accounts

All streams go through the same steps together, so that each step is one call for a whole batch; only the last, which
is each stream's own, is shared out over threads. The pipeline does no I/O, reads no clock and has other threads only
inside `with`: the same segments give the same outcomes, in the same order, with and without them, and those of a
stream are the same whoever else is in the batch. Read `_run`; every step is a method below it, in order.

It knows nothing of files, decoders, brokers or events: `monitor` feeds it, `publisher` tells what came out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import BINS, BLOCK_FRAMES
from stream_monitor.accounting import AccountingConfig, State
from stream_monitor.batcher import Batcher, BatcherConfig
from stream_monitor.chunk import BlockRequest, Frames
from stream_monitor.chunker import ChunkerConfig
from stream_monitor.collaborators import EncoderLike, Repertoire
from stream_monitor.confidence import Calibration
from stream_monitor.evidence import ChunkEvidence, EmbeddedChunk
from stream_monitor.lane import Ending, Lane, Ready
from stream_monitor.lane_state import LaneState
from stream_monitor.lanes import Lanes
from stream_monitor.matcher import Matcher, MatcherConfig, NamedChunk
from stream_monitor.outcome import Outcome, TrackRemoved
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.team import Team
from stream_monitor.verdict_policy import VerdictSettings

Turn = tuple[Ready, NamedChunk | None]
"""What is ready of a stream, and what its neighbours named; None at the stream's end."""


class PipelineConfig(BaseModel):
    """The settings of every step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunker: ChunkerConfig = ChunkerConfig()
    batcher: BatcherConfig = BatcherConfig()
    matcher: MatcherConfig = MatcherConfig()
    accounting: AccountingConfig = AccountingConfig()
    reconnect_s: float = Field(default=60.0, ge=0.0)
    """A stream that comes back within this time (a higher epoch) continues its open plays; later they have ended."""
    workers: int = Field(default=2, ge=1, le=64)
    """Threads that follow streams through their plays, each another stream; what comes out does not depend on it. One
    for each core that the monitor may use."""


class Pipeline:
    """Every stream, from its segments to its plays."""

    def __init__(
        self,
        encoder: EncoderLike,
        repertoire: Repertoire,
        config: PipelineConfig | None = None,
        *,
        verdicts: VerdictSettings | None = None,
    ) -> None:
        """Starts without streams.

        Args:
            encoder: audio to embeddings.
            repertoire: the catalogue's index, and what follows a stream through its tracks.
            config: settings of the steps.
            verdicts: by which rules uploads are judged; None gives no verdicts.
        """
        self.config = config or PipelineConfig()
        self._encoder = encoder
        self._repertoire = repertoire
        null = Calibration.of_encoder(encoder.calibration).null
        self._matcher = Matcher(repertoire.index, encoder.cohort_CD, self.config.matcher, null=null)
        self._batcher: Batcher[tuple[Lane, BlockRequest]] = Batcher(self.config.batcher)
        self._team = Team(self.config.workers)
        self._lanes = Lanes(
            repertoire,
            support_samples=-encoder.block_window(0)[0],
            chunker=self.config.chunker,
            accounting=self.config.accounting,
            reconnect_s=self.config.reconnect_s,
            verdicts=verdicts,
        )

    def __enter__(self) -> Self:
        """From here on `workers` threads follow streams, the caller's among them."""
        self._team.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Lets the other threads go; streams stay as they are."""
        self._team.__exit__(kind, error, traceback)

    @property
    def late_samples(self) -> int:
        """Samples of epochs that had been left for a later one: dropped."""
        return self._lanes.late_samples

    @property
    def streams(self) -> tuple[StreamKey, ...]:
        """Streams that have begun and not ended."""
        return tuple(lane.stream for lane in self._lanes.going)

    def follows(self, stream: StreamKey) -> bool:
        """Whether a stream has begun and not ended."""
        return self._lanes.lane(stream) is not None

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
            for block in self._cut(segment):
                self._batcher.put(block, now_s)
            for batch in self._batcher.full():
                outcomes += self._run(batch)
        for batch in self._batcher.due(now_s):
            outcomes += self._run(batch)
        return outcomes + self._run([]) if self._lanes.drained else outcomes

    def flush(self) -> list[Outcome]:
        """Runs what waits for a fuller batch: afterwards nothing is on its way."""
        return self.push(())

    def snapshot(self, stream: StreamKey) -> LaneState | None:
        """What must not be forgotten of a stream, right after `flush`; None where it is not followed.

        Raises:
            ValueError: Something of it is on its way.
        """
        lane = self._lanes.lane(stream)
        return None if lane is None else lane.snapshot(self._matcher.snapshot(stream))

    def restore(self, state: LaneState) -> None:
        """Follows a stream from a snapshot on. Segments from `lane_state.needed_from` up to its place come first again:
        `push` takes them for buffers only.

        Raises:
            ValueError: The stream is followed already.
        """
        self._lanes.restore(state)
        self._matcher.restore(state.stream, state.matcher)

    def caught_up(self, stream: StreamKey) -> None:
        """What comes of a restored stream from here on is new. Without it that begins with the first segment that the
        snapshot did not have; one that comes late, from before that, would be taken for one that is heard again."""
        lane = self._lanes.lane(stream)
        if lane is not None:
            lane.stand()

    def drop(self, stream: StreamKey) -> None:
        """Lets a stream go without an event: another process follows it from here on. Right after `flush`."""
        self._lanes.drop(stream)
        self._matcher.forget(stream)

    def came_odd(self, stream_id: str) -> StreamKey | None:
        """An upload's record came that could not be read and did not say where it belongs; None for no open upload."""
        lane = self._lanes.named(("upload", stream_id))
        if lane is None or lane.upload is None:
            return None
        lane.upload.came_odd()
        return lane.stream

    def finish(
        self, streams: Iterable[StreamKey] | None = None, *, state: State = "ended", reason: str = "end of stream"
    ) -> list[Outcome]:
        """Ends streams (all of them by default) where they are, without waiting: their open plays become final."""
        wanted = None if streams is None else set(streams)
        outcomes: list[Outcome] = []
        for lane in [each for each in self._lanes.going if wanted is None or each.stream in wanted]:
            for block in self._lanes.end(lane, Ending(state=state, reason=reason)):
                self._batcher.put(block, -math.inf)
            for batch in self._batcher.full():
                outcomes += self._run(batch)
        return outcomes + self.push(())

    def remove_track(self, track_key: int, *, reason: str = "track removed from the catalogue") -> list[TrackRemoved]:
        """Retracts every open play of a track that is no longer in the catalogue."""
        retracted = [lane.retract(track_key, reason) for lane in self._lanes.followed]
        return [outcome for outcome in retracted if outcome is not None]

    # The steps, in order.

    def _run(self, blocks: Sequence[tuple[Lane, BlockRequest]]) -> list[Outcome]:
        """One batch of blocks, of any streams, through every step."""
        frames_BFT = self._transform([request for _, request in blocks])
        ready = list(self._assemble(blocks, frames_BFT))
        embedded = self._embed([each for each in ready if each.chunk is not None])
        named = iter(self._name(embedded))
        turns: list[Turn] = [(each, None if each.chunk is None else next(named)) for each in ready]
        return self._team.map(self._follow, turns, lambda turn: turn[0].lane.name)

    def _cut(self, segment: Segment) -> list[tuple[Lane, BlockRequest]]:
        """Step 1: a segment continues its stream's audio; whole blocks of it go on."""
        lane, requests = self._lanes.of(segment)
        if lane is None:
            return requests
        if lane.knows(segment):
            self._refill(lane, segment)
            return requests
        requests += [(lane, request) for request in lane.take(segment)]
        if segment.last:
            requests += self._lanes.end(lane, Ending(state="ended", reason="end of stream"))
        return requests

    def _refill(self, lane: Lane, segment: Segment) -> None:
        """Within step 1: audio of a restored lane from before its place, heard again at once and without a word."""
        for request in lane.refill(segment):
            lane.recall(request, self._transform([request])[0])

    def _transform(self, requests: Sequence[BlockRequest]) -> Frames:
        """Step 2: blocks of audio to CQT frames [B, 84, 431], all streams in one call."""
        if not requests:
            return np.empty((0, BINS, BLOCK_FRAMES), np.float32)
        return self._encoder.frames(np.stack([request.wave_S for request in requests]))

    def _assemble(self, blocks: Sequence[tuple[Lane, BlockRequest]], frames_BFT: Frames) -> Iterator[Ready]:
        """Step 3: frames go back to their streams; two neighbouring blocks are a chunk. Streams that end say so."""
        for (lane, request), frames_FT in zip(blocks, frames_BFT, strict=True):
            for chunk in lane.accept(request, frames_FT):
                yield Ready(lane=lane, chunk=chunk)
            if lane.chunker.drained:
                yield from lane.close()
        for lane in self._lanes.take_drained():
            yield from lane.close()

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

    def _name(self, embedded: Sequence[EmbeddedChunk]) -> list[NamedChunk]:
        """Step 5: embeddings to neighbours, one index call; neighbours name tracks."""
        rows = [chunk.embedding_D for chunk in embedded if chunk.embedding_D is not None]
        k = self.config.matcher.neighbours
        neighbours = self._repertoire.index.neighbours(np.stack(rows), k=k) if rows else None
        return self._matcher.name(embedded, neighbours)

    def _follow(self, turn: Turn) -> Outcome:
        """Step 6, in any thread: the stream's window scores, then its plays; at its end everything open is closed."""
        ready, named = turn
        lane = ready.lane
        if ready.chunk is None or named is None:
            end = lane.finish(too_short=ready.too_short)
            self._matcher.forget(lane.stream)
            self._lanes.leave(lane)
            return end
        lane.memory.remember(ready.chunk)
        return lane.follow(ready.chunk, self._score(named, lane))

    def _score(self, named: NamedChunk, lane: Lane) -> ChunkEvidence:
        """Within step 6: the tracks that the stream's last chunks named, scored over its window."""
        return self._matcher.weigh(named, lane.tracker.open_tracks)
