"""Segments and the cutter that makes them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.segments import SEGMENT_SAMPLES, SegmentCutter, StreamKey

KEY = StreamKey(kind="upload", stream_id="a")


@given(st.lists(st.integers(0, 2 * SEGMENT_SAMPLES), max_size=6))
def test_segments_join_to_what_was_pushed_however_it_was_cut(sizes: list[int]) -> None:
    """Segments are numbered, contiguous, of one size but for the last, and hold every sample once."""
    samples_S = np.arange(sum(sizes), dtype=np.float32)
    cutter = SegmentCutter(stream=KEY)
    segments = [s for part in np.split(samples_S, np.cumsum(sizes)[:-1]) if sizes for s in cutter.push(part)]
    segments.append(cutter.finish())
    assert [s.seq for s in segments] == list(range(len(segments)))
    assert [s.last for s in segments] == [False] * (len(segments) - 1) + [True]
    assert all(len(s.samples_S) == SEGMENT_SAMPLES for s in segments[:-1])
    assert [s.start_sample for s in segments[1:]] == [s.end_sample for s in segments[:-1]]
    np.testing.assert_array_equal(np.concatenate([s.samples_S for s in segments]), samples_S)


def test_nothing_pushed_gives_one_empty_last_segment() -> None:
    """A stream without samples still ends with a last segment."""
    segment = SegmentCutter(stream=KEY).finish()
    assert (segment.seq, segment.start_sample, segment.end_sample, segment.last) == (0, 0, 0, True)
