"""The sketch: codes, grid and streaming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.errors import AudioShapeError
from encoder.sketch import FULL_SCALE_MAGNITUDE, SketchBuilder, row_sample, sketch


def frames(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (10.0 ** rng.uniform(-5, 0, (84, count))).astype(np.float32)


def test_bytes_are_half_decibels_below_full_scale() -> None:
    """Full scale is 255, 6 dB below it 243, and what is under the floor is 0."""
    level_F = np.zeros((84, 4), np.float32)
    level_F[0], level_F[1], level_F[2] = FULL_SCALE_MAGNITUDE, FULL_SCALE_MAGNITUDE / 2, 1e-9
    assert sketch(level_F)[0, :4].tolist() == [255, 243, 0, 0]


def test_louder_than_full_scale_stays_full_scale() -> None:
    """A clipped level does not wrap around."""
    assert sketch(np.full((84, 4), 7.0, np.float32)).tolist() == [[255] * 84]


def test_a_gain_moves_all_bytes_by_the_same_number() -> None:
    """10 dB more are 20 steps more, give or take one from rounding."""
    quiet = frames(0, 40) * np.float32(0.1)
    moved = sketch(quiet * np.float32(10**0.5)).astype(int) - sketch(quiet).astype(int)
    assert set(np.unique(moved)) <= {19, 20, 21}


def test_rows_sit_on_the_absolute_grid() -> None:
    """Frames from 5 on begin with row 2, frames 8 to 11."""
    some = frames(1, 23)
    whole = sketch(np.concatenate((np.zeros((84, 5), np.float32), some), axis=1))
    np.testing.assert_array_equal(sketch(some, 5), whole[2:])


@given(cuts=st.lists(st.integers(1, 37), min_size=1, max_size=12), first=st.integers(0, 9), overlap=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_pieces_join_to_the_sketch_of_the_whole(cuts: list[int], first: int, overlap: int) -> None:
    """However frames arrive, even some of them twice, the rows are those of all frames at once."""
    whole = frames(2, sum(cuts))
    builder = SketchBuilder()
    rows: list[np.ndarray] = []
    row = -(-first // 4)
    at = 0
    for cut in cuts:
        begin = max(0, at - overlap)
        made = builder.push(whole[:, begin : at + cut], first + begin)
        if len(made.rows_NF):
            assert made.first_row == row
        row += len(made.rows_NF)
        rows.append(made.rows_NF)
        at += cut
    np.testing.assert_array_equal(np.concatenate(rows), sketch(whole, first))


def test_rows_start_anew_behind_a_hole() -> None:
    """The row that a hole cuts is dropped, and the next whole one carries its own number."""
    builder = SketchBuilder()
    some = frames(3, 40)
    assert len(builder.push(some[:, :6], 0).rows_NF) == 1
    after = builder.push(some[:, 17:], 17)
    assert after.first_row == 5
    np.testing.assert_array_equal(after.rows_NF, sketch(some, 0)[5:])


def test_other_shapes_are_refused() -> None:
    """Frames with another number of bins are an error that names the shape."""
    with pytest.raises(AudioShapeError, match=r"\[83, 8\]"):
        sketch(np.zeros((83, 8), np.float32))


def test_a_row_sits_in_the_middle_of_its_frames() -> None:
    """Row 1 is frames 4 to 7, so its middle is sample 5.5 × 512."""
    assert row_sample(1) == 2816
