"""The chunker of one stream: segments in, blocks of audio out; frames of those blocks in, chunks out.

It holds at most one block's window of audio and the frames of the last two blocks, never the whole stream. A block
request is a pure function of the stream's audio, however that was cut into segments. It knows nothing of how frames
are computed, of other streams or of what is made of a chunk.

A short gap (`fill_gap_s`) is filled with silence and counted. A longer one ends the run: chunks that would contain
it are not made, and the next run starts at the next block of the stream's grid. Joining a stream late is the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from encoder import grid
from stream_monitor.chunk import BlockRequest, Chunk, Frames
from stream_monitor.chunker_state import ChunkerPlace, ChunkerState, HeldBlock
from stream_monitor.level import level_dbfs, measure
from stream_monitor.segments import Samples, Segment, StreamKey


class ChunkerConfig(BaseModel):
    """Settings of the chunker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fill_gap_s: float = Field(default=0.5, ge=0.0, le=5.0)
    """Missing audio up to this long is filled with silence; more ends the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkerEnd:
    """What closing a stream gave: the tail chunk if there is one, and whether any chunk was ever made."""

    chunks: tuple[Chunk, ...]
    end_sample: int
    too_short: bool
    """True where the stream held too little unbroken audio (6 s) for a single chunk."""


class Chunker:
    """Cuts one stream into blocks, and joins the blocks' frames to chunks."""

    def __init__(self, stream: StreamKey, *, support_samples: int, config: ChunkerConfig | None = None) -> None:
        """Starts at the beginning of a stream.

        Args:
            stream: whose audio this is.
            support_samples: reach of the CQT to either side of a frame's centre; at least one hop.
            config: gap rules.
        """
        self.stream = stream
        self._support = support_samples
        start, end = grid.block_sample_window(0, support_samples)
        self._window_samples = end - start
        self._fill_samples = round((config or ChunkerConfig()).fill_gap_s * grid.SAMPLE_RATE)
        self.state = ChunkerState(window_S=np.zeros(self._window_samples, np.float32))

    @property
    def drained(self) -> bool:
        """True when the stream has ended and all its blocks came back: `close` is next."""
        return self.state.ended and not self.state.requested

    def push(self, segment: Segment) -> list[BlockRequest]:
        """Takes the next segment and returns the blocks that are complete now."""
        state = self.state
        if state.ended:
            state.counts.late += len(segment.samples_S)
            return []
        state.next_seq = max(state.next_seq, segment.seq + 1)
        requests = self._take(segment) if len(segment.samples_S) else []
        return requests + self.finish() if segment.last else requests

    def finish(self) -> list[BlockRequest]:
        """Ends the stream: the blocks that are left, with zeros after the last sample. Repeating it gives nothing."""
        state = self.state
        if state.ended:
            return []
        state.ended = True
        requests: list[BlockRequest] = []
        end_frame = grid.first_frame(state.next_sample)
        while state.joined_sample is not None and grid.block_first_frame(state.next_block) < end_frame:
            requests.append(self._request(self._filled()))
        return requests

    def accept(self, block: int, frames_FT: Frames) -> list[Chunk]:
        """Takes the frames [84, 431] of a block that was asked for, in order; returns the chunk it completes, if any.

        Raises:
            ValueError: the block is not the one that is due.
        """
        state = self.state
        if not state.requested or state.requested[0].block != block:
            due = state.requested[0].block if state.requested else None
            raise ValueError(f"frames of block {block} of {self.stream.stream_id!r} came, block {due} is due")
        level = state.requested.pop(0)
        # A copy, so that a stream's two held blocks do not keep a whole batch alive.
        held = HeldBlock(block=block, frames_FT=frames_FT.copy(), level=level)
        first = grid.block_first_frame(block)
        own = min(grid.block_own_frames(block), self._end_frame() - first)
        state.sketches.append(state.sketch_builder.push(held.frames_FT[:, :own], first))
        state.peaks.append(state.peak_builder.push(held.frames_FT[:, :own], first))
        state.held = [h for h in state.held if h.block >= block - 2] + [held]
        span = grid.chunk_span(block - 1)
        have = {h.block for h in state.held}
        whole = block - 1 in have and (not state.ended or span.end_sample <= state.next_sample)
        chunks = [self._chunk(span, block - 1)] if whole else []
        if whole:
            state.regular_end = span.end_sample
        if not state.ended:
            state.held = state.held[-2:]
        return chunks

    def close(self) -> ChunkerEnd:
        """Ends a drained stream: gives the tail chunk, right-aligned to the last sample."""
        state = self.state
        chunks: tuple[Chunk, ...] = ()
        end = state.next_sample
        run_start = state.run_block * grid.CHUNK_HOP_SAMPLES
        start = max(run_start, end - grid.CHUNK_SAMPLES)
        if state.joined_sample is not None and end - start >= grid.MIN_SAMPLES and state.regular_end != end:
            state.peaks.append(state.peak_builder.flush())
            first = grid.first_frame(start)
            span = grid.ChunkSpan(
                start_sample=start,
                end_sample=end,
                first_frame=first,
                frames=min(grid.CHUNK_FRAMES, grid.first_frame(end) - first),
                tail=True,
            )
            last = state.regular_end
            # The tail's number follows the last regular chunk of its run, else it is the run's first.
            after = 0 if last is None else last // grid.CHUNK_HOP_SAMPLES - 1
            chunks = (self._chunk(span, max(state.run_block, after)),)
        state.held = []
        return ChunkerEnd(chunks=chunks, end_sample=end, too_short=state.chunks == 0)

    def take_gaps(self) -> Sequence[tuple[int, int]]:
        """The stretches [start_sample, end_sample) without signal that were found since the last call."""
        gaps, self.state.gaps = self.state.gaps, []
        return gaps

    def snapshot(self) -> ChunkerState:
        """A copy of everything that the chunker remembers."""
        return copy.deepcopy(self.state)

    def restore(self, state: ChunkerState) -> None:
        """Goes on from a snapshot; the snapshot itself stays as it is."""
        self.state = copy.deepcopy(state)

    def place(self) -> ChunkerPlace:
        """Where the chunker stands.

        Raises:
            ValueError: Blocks are on their way, so that it stands nowhere certain.
        """
        state = self.state
        if state.requested or state.ended:
            raise ValueError(f"{self.stream.stream_id!r} has blocks on their way, or has ended")
        return ChunkerPlace(
            next_seq=state.next_seq,
            next_sample=state.next_sample,
            next_block=state.next_block,
            joined_sample=state.joined_sample,
            run_block=state.run_block,
            chunks=state.chunks,
            regular_end=state.regular_end,
            counts=copy.copy(state.counts),
        )

    def stand_at(self, place: ChunkerPlace) -> bool:
        """Goes on from a place, once the audio before it was heard again; says whether nothing of that was missing.

        Where something was, the next chunks come later, as after a gap; the gap itself is told.
        """
        state = self.state
        state.gaps = []
        whole = state.next_sample == place.next_sample and state.next_block == place.next_block
        if whole:
            state.run_block = place.run_block
        elif place.joined_sample is not None and state.next_sample < place.next_sample:
            self._break_run(place.next_sample)
            state.gaps = []
        state.next_seq, state.joined_sample = place.next_seq, place.joined_sample
        state.chunks, state.regular_end = place.chunks, place.regular_end
        state.counts = copy.copy(place.counts)
        return whole

    def _take(self, segment: Segment) -> list[BlockRequest]:
        state = self.state
        samples_S = segment.samples_S
        if not math.isfinite(float(np.dot(samples_S, samples_S))):
            finite_S = np.isfinite(samples_S)
            state.counts.repaired += int(len(samples_S) - np.count_nonzero(finite_S))
            samples_S = np.where(finite_S, samples_S, np.float32(0.0))
        state.counts.received += len(samples_S)
        missing = segment.start_sample - state.next_sample
        requests: list[BlockRequest] = []
        if missing > self._fill_samples:
            self._break_run(segment.start_sample)
        elif missing > 0:
            if state.joined_sample is not None:
                state.counts.filled += missing
            requests += self._append(np.zeros(missing, np.float32))
        elif missing < 0:
            state.counts.late += min(-missing, len(samples_S))
            samples_S = samples_S[-missing:]
        if len(samples_S):
            if state.joined_sample is None:
                state.joined_sample = segment.start_sample
            requests += self._append(samples_S)
        return requests

    def _break_run(self, restart_sample: int) -> None:
        """Gives up what is pending and moves on to the first block whose whole window lies after the gap."""
        state = self.state
        if state.joined_sample is not None:
            state.gaps.append((state.next_sample, restart_sample))
            state.counts.missing += restart_sample - state.next_sample
            unheard_from = max(self._window(state.next_block)[0], state.run_block * grid.CHUNK_HOP_SAMPLES)
            state.counts.unheard += max(0, state.next_sample - unheard_from)
        block = max(state.next_block, (restart_sample + self._support) // grid.CHUNK_HOP_SAMPLES)
        while self._window(block)[0] < restart_sample:
            block += 1
        state.next_block = state.run_block = block
        state.next_sample = restart_sample
        state.window_S = np.zeros(self._window_samples, np.float32)

    def _append(self, samples_S: Samples) -> list[BlockRequest]:
        """Puts samples at `next_sample` into the window, and hands out each window that is full."""
        state = self.state
        requests: list[BlockRequest] = []
        while True:
            window_start, window_end = self._window(state.next_block)
            before = max(0, window_start - state.next_sample)
            state.next_sample += min(before, len(samples_S))
            samples_S = samples_S[before:]
            place = state.next_sample - window_start
            taken = min(len(samples_S), window_end - state.next_sample)
            if taken > 0:
                state.window_S[place : place + taken] = samples_S[:taken]
                state.next_sample += taken
                samples_S = samples_S[taken:]
            if state.next_sample < window_end:
                return requests
            requests.append(self._request(state.window_S))

    def _filled(self) -> Samples:
        """The present window with zeros after the last sample."""
        state = self.state
        place = max(0, state.next_sample - self._window(state.next_block)[0])
        state.window_S[place:] = 0.0
        return state.window_S

    def _request(self, wave_S: Samples) -> BlockRequest:
        """Hands out the window of `next_block` and opens the next one with the overlap of both."""
        state = self.state
        block = state.next_block
        start, end = self._window(block)
        following = self._window(block + 1)[0]
        state.window_S = np.empty(self._window_samples, np.float32)
        state.window_S[: end - following] = wave_S[following - start :]
        state.next_block = block + 1
        level = measure(
            wave_S, block=block, window_start_sample=start, end_sample=state.next_sample if state.ended else None
        )
        state.requested.append(level)
        return BlockRequest(stream=self.stream, block=block, wave_S=wave_S, level=level)

    def _window(self, block: int) -> tuple[int, int]:
        return grid.block_sample_window(block, self._support)

    def _end_frame(self) -> int:
        """First frame after the stream's end; far away while the stream goes on."""
        return grid.first_frame(self.state.next_sample) if self.state.ended else 1 << 62

    def _chunk(self, span: grid.ChunkSpan, index: int) -> Chunk:
        """Joins the held blocks' own frames to the chunk at `span`."""
        state = self.state
        parts: list[Frames] = []
        end_frame = span.first_frame + span.frames
        for held in state.held:
            first = grid.block_first_frame(held.block)
            if held.block in span.blocks:
                part_end = min(end_frame, first + grid.block_own_frames(held.block))
                parts.append(held.frames_FT[:, max(0, span.first_frame - first) : part_end - first])
        chunk = Chunk(
            stream=self.stream,
            index=index,
            start_sample=span.start_sample,
            end_sample=span.end_sample,
            tail=span.tail,
            frames_FT=np.concatenate(parts, axis=1),
            level_dbfs=level_dbfs([held.level for held in state.held], span.start_sample, span.end_sample),
            sketch=tuple(rows for rows in state.sketches if len(rows.rows_NF)),
            peaks_n=np.concatenate(state.peaks),
        )
        state.sketches, state.peaks = [], []
        state.chunks += 1
        return chunk
