"""Spectral peaks: form, number, gain and streaming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.errors import AudioShapeError
from encoder.peaks import INTERVAL_FRAMES, PeakBuilder, peaks


def frames(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (10.0 ** rng.uniform(-4, -1, (84, count))).astype(np.float32)


def test_one_note_is_one_peak_at_its_onset() -> None:
    """A decaying tone gives its onset's frame and its bin."""
    level_FT = np.full((84, 80), 1e-6, np.float32)
    level_FT[40, 30:] = 0.2 * 0.9 ** np.arange(50)
    assert peaks(level_FT, 1000).tolist() == [(1030 << 8) | 40]


def test_peaks_ascend_and_keep_to_their_quota() -> None:
    """Noise gives at most nine peaks in each second, in ascending order, within bins 12 to 83."""
    found = peaks(frames(0, 860), 7)
    frame, pitch = found >> 8, found & 255
    assert (np.diff(found.astype(np.int64)) > 0).all()
    assert np.bincount(frame // INTERVAL_FRAMES).max() <= 9
    assert pitch.min() >= 12
    assert pitch.max() <= 93


def test_gain_does_not_matter() -> None:
    """20 dB more give the same peaks."""
    some = frames(1, 430)
    np.testing.assert_array_equal(peaks(some), peaks(some * np.float32(10)))


def test_silence_has_no_peaks() -> None:
    """Zeros give an empty array."""
    assert peaks(np.zeros((84, 430), np.float32)).size == 0


@given(cuts=st.lists(st.integers(1, 150), min_size=1, max_size=8), first=st.integers(0, 100))
@settings(deadline=None, max_examples=40)
def test_pieces_join_to_the_peaks_of_the_whole(cuts: list[int], first: int) -> None:
    """However frames arrive, the peaks are those of all frames at once."""
    whole = frames(2, sum(cuts))
    builder = PeakBuilder()
    found = []
    at = 0
    for cut in cuts:
        begin = max(0, at - 1)
        found.append(builder.push(whole[:, begin : at + cut], first + begin))
        at += cut
    np.testing.assert_array_equal(np.concatenate([*found, builder.flush()]), peaks(whole, first))


def test_a_hole_ends_the_peaks_before_it() -> None:
    """What lies before a hole is picked as if the stream ended there, what lies behind it as if it began."""
    some = frames(3, 400)
    builder = PeakBuilder()
    found = [builder.push(some[:, :150], 0), builder.push(some[:, 200:], 200), builder.flush()]
    expected = np.concatenate((peaks(some[:, :150], 0), peaks(some[:, 200:], 200)))
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_other_shapes_are_refused() -> None:
    """Frames with another number of bins are an error that names the shape."""
    with pytest.raises(AudioShapeError, match=r"\[8, 84\]"):
        peaks(np.zeros((8, 84), np.float32))
