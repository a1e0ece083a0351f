"""The grid against slow and obvious definitions."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder import grid


@settings(derandomize=True)
@given(st.integers(-(10**9), 10**12))
def test_first_frame_is_exact_ceiling(sample: int) -> None:
    """The first frame is the exact ceiling of sample / 512, also for negative and huge samples."""
    assert grid.first_frame(sample) == math.ceil(Fraction(sample, 512))


@settings(derandomize=True)
@given(st.integers(0, 10**7))
def test_chunk_is_made_of_its_two_blocks(k: int) -> None:
    """A chunk's 861 frames are what blocks k and k + 1 own, cut to 861."""
    span = grid.chunk_span(k)
    assert span.blocks == range(k, k + 2)
    own = grid.block_own_frames(k)
    assert own in (430, 431)
    assert grid.block_first_frame(k) == span.first_frame
    assert grid.block_first_frame(k + 1) + grid.BLOCK_FRAMES >= span.first_frame + span.frames
    assert span.frames - own <= grid.BLOCK_FRAMES


@settings(derandomize=True)
@given(st.integers(0, 10**9))
def test_owner_holds_its_frame(frame: int) -> None:
    """The block that owns a frame holds it, and the next block starts after it."""
    block = grid.block_of_frame(frame)
    assert grid.block_first_frame(block) <= frame < grid.block_first_frame(block + 1)
    assert frame < grid.block_first_frame(block) + grid.BLOCK_FRAMES


@settings(derandomize=True)
@given(st.integers(0, 10_000_000))
def test_spans_follow_the_words_of_the_design(duration: int) -> None:
    """Spans are all regular chunks that fit, then a right-aligned tail unless the last chunk ends at the end."""
    found = grid.spans(duration)
    if duration < grid.MIN_SAMPLES:
        assert found == []
        return
    regular = [span for span in found if not span.tail]
    expected = [k * 220_500 for k in range(100) if k * 220_500 + 441_000 <= duration]
    assert [span.start_sample for span in regular] == expected
    assert found[-1].end_sample == duration
    assert sum(span.tail for span in found) == (not regular or regular[-1].end_sample != duration)
    assert len({span.start_sample for span in found}) == len(found)


@settings(derandomize=True)
@given(st.integers(grid.MIN_SAMPLES, 10_000_000))
def test_tail_frames_lie_in_its_window(duration: int) -> None:
    """Every frame of a tail is centred inside its window, and there are as many as a chunk has or as fit."""
    span = grid.tail_span(duration)
    assert span is not None
    assert span.start_sample == max(0, duration - 441_000)
    centres = [f * 512 for f in (span.first_frame, span.first_frame + span.frames - 1)]
    assert all(span.start_sample <= centre < span.end_sample for centre in centres)
    inside = math.ceil(Fraction(duration, 512)) - span.first_frame
    assert span.frames == min(861, inside)
    blocks = span.blocks
    assert grid.block_first_frame(blocks[0]) <= span.first_frame
    assert grid.block_first_frame(blocks[-1]) + 431 >= span.first_frame + span.frames


def test_short_audio_has_no_tail() -> None:
    """Audio under 6 s has neither tail nor spans; at 6 s it is one chunk."""
    assert grid.tail_span(132_299) is None
    assert grid.spans(132_299) == []
    assert [(s.start_sample, s.end_sample, s.frames) for s in grid.spans(132_300)] == [(0, 132_300, 259)]
    assert grid.spans(0) == []


def test_no_frames_need_no_blocks() -> None:
    """An empty run of frames needs no block."""
    assert len(grid.blocks_of_frames(17, 0)) == 0


@pytest.mark.parametrize("block", [0, 1, 2, 77, 12_345])
def test_block_window_has_one_length_and_contains_its_support(block: int) -> None:
    """Every block is computed from a window of the same length, centred frames plus support on both sides."""
    start, end = grid.block_sample_window(block, 8_000)
    assert end - start == 430 * 512 + 1 + 16_000
    assert start == grid.block_first_frame(block) * 512 - 8_000
