"""The chunker against a slow and obvious model that holds the whole audio, and its rules one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from encoder import grid
from encoder.peaks import peaks
from encoder.sketch import sketch
from stream_monitor.chunk import BlockRequest, Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.segments import Segment, StreamKey

SUPPORT = 3000
STREAM = StreamKey(kind="upload", stream_id="s")
FILL = 11_025
RATE = grid.SAMPLE_RATE
TWO_HOURS_S = np.random.default_rng(7).uniform(0.01, 1.0, 4_000_000).astype(np.float32)


def frame_of(wave_S: npt.NDArray[np.float32], centre: int) -> npt.NDArray[np.float32]:
    """[84] values that depend on the frame's centre and on both ends of its support."""
    column_F = np.zeros(grid.BINS, np.float32)
    column_F[20:23] = wave_S[centre - SUPPORT], wave_S[centre], wave_S[centre + SUPPORT]
    return column_F


def frames_of(request: BlockRequest) -> npt.NDArray[np.float32]:
    return np.stack([frame_of(request.wave_S, SUPPORT + grid.HOP * t) for t in range(grid.BLOCK_FRAMES)], axis=1)


def segment(start: int, samples_S: npt.NDArray[np.float32], *, seq: int = 0, last: bool = False) -> Segment:
    return Segment(stream=STREAM, seq=seq, start_sample=start, samples_S=samples_S, last=last)


def run_through(segments: list[Segment]) -> tuple[Chunker, list[Chunk], bool]:
    chunker = Chunker(STREAM, support_samples=SUPPORT)
    chunks: list[Chunk] = []
    for each in segments:
        for request in chunker.push(each):
            chunks += chunker.accept(request.block, frames_of(request))
    for request in chunker.finish():
        chunks += chunker.accept(request.block, frames_of(request))
    end = chunker.close()
    return chunker, [*chunks, *end.chunks], end.too_short


@dataclass
class WholeAudio:
    """The slow model: every sample that ever came, and which of them did."""

    audio_S: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(8_000_000, np.float32))
    runs: list[list[int]] = field(default_factory=list)

    def place(self, start: int, samples_S: npt.NDArray[np.float32]) -> None:
        end = start + len(samples_S)
        known_to = self.runs[-1][1] if self.runs else 0
        if end <= known_to or not len(samples_S):
            return
        new_from = max(start, known_to)
        self.audio_S[new_from:end] = samples_S[new_from - start :]
        if self.runs and new_from - known_to <= FILL:
            self.runs[-1][1] = end
        elif new_from <= FILL and not self.runs:
            self.runs.append([0, end])
        else:
            self.runs.append([new_from, end])

    def chunks(self) -> list[tuple[int, int, int, bool]]:
        """(index, start_sample, end_sample, tail) of every chunk that a finished stream must give."""
        found: list[tuple[int, int, int, bool]] = []
        for run, (start, end) in enumerate(self.runs):
            finished = run == len(self.runs) - 1
            first = 0
            while start > 0 and grid.block_sample_window(first, SUPPORT)[0] < start:
                first += 1
            k = first
            last_end = None
            while True:
                span = grid.chunk_span(k)
                window_end = grid.block_sample_window(k + 1, SUPPORT)[1]
                if (span.end_sample if finished else window_end) > end:
                    break
                found.append((k, span.start_sample, span.end_sample, False))
                last_end = span.end_sample
                k += 1
            tail_start = max(first * grid.CHUNK_HOP_SAMPLES, end - grid.CHUNK_SAMPLES)
            if finished and end - tail_start >= grid.MIN_SAMPLES and last_end != end:
                found.append((k, tail_start, end, True))
        return found

    def frames(self, start_sample: int, end_sample: int) -> npt.NDArray[np.float32]:
        """Frames centred within the samples, at most 861, from audio with zeros at either end."""
        end = self.runs[-1][1]
        padded_S = np.concatenate((np.zeros(SUPPORT, np.float32), self.audio_S[:end], np.zeros(SUPPORT, np.float32)))
        first, stop = grid.first_frame(start_sample), grid.first_frame(end_sample)
        stop = min(stop, first + grid.CHUNK_FRAMES)
        return np.stack([frame_of(padded_S, SUPPORT + grid.HOP * f) for f in range(first, stop)], axis=1)


class ChunkerMachine(RuleBasedStateMachine):
    """Random segmentations, gaps, repeats, late answers and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.chunker = Chunker(STREAM, support_samples=SUPPORT)
        self.model = WholeAudio()
        self.now = 0
        self.waiting: list[BlockRequest] = []
        self.chunks: list[Chunk] = []
        self.seq = 0

    def send(self, start: int, samples: int) -> None:
        samples_S = TWO_HOURS_S[start % 1000 : start % 1000 + samples]
        self.waiting += self.chunker.push(segment(start, samples_S, seq=self.seq))
        self.model.place(start, samples_S)
        self.now = max(self.now, start + samples)
        self.seq += 1

    @initialize(start=st.sampled_from([0, 0, 0, 400, FILL, FILL + 1, 300_000]), samples=st.integers(1, 30 * RATE))
    def begin(self, start: int, samples: int) -> None:
        self.send(start, samples)

    @precondition(lambda self: self.now < 6_000_000)
    @rule(samples=st.one_of(st.integers(0, 30 * RATE), st.sampled_from([1, 110_250, 220_500, 441_000])))
    def go_on(self, samples: int) -> None:
        self.send(self.now, samples)

    @rule(
        gap=st.one_of(st.integers(1, FILL), st.sampled_from([FILL, FILL + 1]), st.integers(FILL, 40 * RATE)),
        samples=st.integers(1, 10 * RATE),
    )
    @precondition(lambda self: self.now < 6_000_000)
    def lose(self, gap: int, samples: int) -> None:
        self.send(self.now + gap, samples)

    @rule(back=st.integers(1, 15 * RATE), samples=st.integers(1, 20 * RATE))
    def repeat(self, back: int, samples: int) -> None:
        self.send(max(0, self.now - back), samples)

    @rule(count=st.integers(1, 3))
    def answer(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            request = self.waiting.pop(0)
            self.chunks += self.chunker.accept(request.block, frames_of(request))

    @rule()
    def restart(self) -> None:
        state = self.chunker.snapshot()
        self.chunker.push(segment(self.now, TWO_HOURS_S[:500_000]))  # what comes after the snapshot leaves no trace
        self.chunker = Chunker(STREAM, support_samples=SUPPORT)
        self.chunker.restore(state)

    def teardown(self) -> None:
        if not self.seq:
            return
        self.waiting += self.chunker.finish()
        while self.waiting:
            assert not self.chunker.drained
            self.answer(1)
        assert self.chunker.drained
        end = self.chunker.close()
        chunks = [*self.chunks, *end.chunks]
        assert [(c.index, c.start_sample, c.end_sample, c.tail) for c in chunks] == self.model.chunks()
        assert end.too_short == (not chunks)
        for chunk in chunks:
            np.testing.assert_array_equal(chunk.frames_FT, self.model.frames(chunk.start_sample, chunk.end_sample))
        assert len(self.chunker.state.held) == 0


ChunkerMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestChunkerAgainstWholeAudio = ChunkerMachine.TestCase


@pytest.mark.parametrize("seconds", [6.0, 13.37, 19.999, 20.0, 20.001, 30.0, 35.5, 40.0, 61.2])
def test_chunks_of_a_whole_stream_are_those_of_the_grid(seconds: float) -> None:
    """A stream heard from its beginning to its end gives exactly the spans of the grid, tail included."""
    duration = round(seconds * RATE)
    _, chunks, too_short = run_through([segment(0, TWO_HOURS_S[:duration], last=True)])
    spans = grid.spans(duration)
    assert [(c.start_sample, c.end_sample, c.frames_FT.shape[1], c.tail) for c in chunks] == [
        (s.start_sample, s.end_sample, s.frames, s.tail) for s in spans
    ]
    assert [c.index for c in chunks] == list(range(len(spans)))
    assert not too_short


@pytest.mark.parametrize("samples", [0, 1, grid.MIN_SAMPLES - 1])
def test_less_than_six_seconds_give_no_chunk_and_say_so(samples: int) -> None:
    """A stream under 6 s ends without a chunk, and the end says that it was too short."""
    _, chunks, too_short = run_through([segment(0, TWO_HOURS_S[:samples], last=True)])
    assert chunks == []
    assert too_short


def test_sketch_and_peaks_of_the_chunks_join_to_those_of_the_whole_stream() -> None:
    """The sketch rows and peaks that chunks carry are together what the whole stream's frames give at once."""
    duration = round(47.3 * RATE)
    _, chunks, _ = run_through([segment(0, TWO_HOURS_S[:duration], last=True)])
    model = WholeAudio()
    model.place(0, TWO_HOURS_S[:duration])
    whole_FT = np.concatenate([model.frames(i, i + 512) for i in range(0, duration, 512)], axis=1)
    np.testing.assert_array_equal(np.concatenate([rows.rows_NF for c in chunks for rows in c.sketch]), sketch(whole_FT))
    assert chunks[0].sketch[0].first_row == 0
    np.testing.assert_array_equal(np.concatenate([c.peaks_n for c in chunks]), peaks(whole_FT))


def test_counts_say_what_became_of_every_sample() -> None:
    """Late, filled, missing and repaired samples are counted, and long gaps are told with their place."""
    wave_S = TWO_HOURS_S[: 30 * RATE].copy()
    wave_S[1000] = np.nan
    wave_S[1001] = np.inf
    chunker = Chunker(STREAM, support_samples=SUPPORT)
    chunker.push(segment(0, wave_S))
    chunker.push(segment(29 * RATE, TWO_HOURS_S[: 2 * RATE]))
    chunker.push(segment(31 * RATE + 100, TWO_HOURS_S[:RATE]))
    chunker.push(segment(50 * RATE, TWO_HOURS_S[:RATE]))
    counts = chunker.state.counts
    assert (counts.received, counts.late, counts.filled, counts.repaired) == (34 * RATE, RATE, 100, 2)
    assert list(chunker.take_gaps()) == [(32 * RATE + 100, 50 * RATE)]
    assert list(chunker.take_gaps()) == []
    assert counts.missing == 18 * RATE - 100


def test_what_is_not_finite_becomes_zero() -> None:
    """NaN and infinity never reach the encoder."""
    wave_S = TWO_HOURS_S[: 21 * RATE].copy()
    wave_S[5000:6000] = np.nan
    requests = Chunker(STREAM, support_samples=SUPPORT).push(segment(0, wave_S, last=True))
    assert all(np.isfinite(request.wave_S).all() for request in requests)


def test_level_of_a_chunk_is_that_of_its_samples() -> None:
    """A sine of amplitude one tenth is at -23 dBFS; silence is at the floor."""
    sine_S = (0.1 * np.sin(np.arange(20 * RATE) * 0.1)).astype(np.float32)
    _, chunks, _ = run_through([segment(0, np.concatenate((sine_S, np.zeros(20 * RATE, np.float32))), last=True)])
    assert chunks[0].level_dbfs == pytest.approx(-23.0, abs=0.05)
    assert chunks[2].level_dbfs == -150.0


def test_frames_in_the_wrong_order_are_refused() -> None:
    """Frames of a block that is not due are an error, not a wrong chunk."""
    chunker = Chunker(STREAM, support_samples=SUPPORT)
    requests = chunker.push(segment(0, TWO_HOURS_S[: 40 * RATE]))
    with pytest.raises(ValueError, match="block 1 of 's' came, block 0 is due"):
        chunker.accept(1, frames_of(requests[1]))
