"""Similarities in a band against their definition, cell by cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.similarity_band import Band, band_gain, blocks

Rows = npt.NDArray[np.float32]


def rows_of(seed: int, count: int) -> Rows:
    return np.random.default_rng(seed).standard_normal((count, 2, 12)).astype(np.float32)


def obvious(stream_NCP: Rows, track_NCP: Rows, semitones: int) -> npt.NDArray[np.float64]:
    moved_NK = np.roll(stream_NCP, -semitones, axis=2).reshape(len(stream_NCP), -1).astype(np.float64)
    all_NM = moved_NK @ track_NCP.reshape(len(track_NCP), -1).T
    return all_NM - 0.5 * all_NM.mean(axis=1, keepdims=True) - 0.5 * all_NM.mean(axis=0)


@st.composite
def bands(draw: st.DrawFn) -> tuple[int, Band]:
    rows, columns = draw(st.integers(1, 60)), draw(st.integers(1, 40))
    low_N = np.array(draw(st.lists(st.integers(0, columns), min_size=rows, max_size=rows)), np.int32)
    width_N = np.array(draw(st.lists(st.integers(0, 12), min_size=rows, max_size=rows)), np.int32)
    return columns, Band(low_N=low_N, high_N=np.minimum(low_N + width_N, columns).astype(np.int32))


@given(case=bands(), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_every_cell_of_a_band_is_what_it_is_in_the_whole(case: tuple[int, Band], seed: int) -> None:
    """Whatever the band, its cells have their similarity at every transposition, and cells outside it have none."""
    columns, band = case
    rows = len(band.low_N)
    stream_NCP, track_NCP = rows_of(seed, rows), rows_of(seed + 1, columns)
    inside_NM = (band.low_N[:, None] <= np.arange(columns)) & (np.arange(columns) < band.high_N[:, None])
    semitones = [0, 7]
    seen_N = np.zeros(rows, np.int64)
    for block in blocks(stream_NCP, track_NCP, band, semitones):
        for place, down in enumerate(semitones):
            expected_NM = obvious(stream_NCP, track_NCP, down)
            for n, gain_W in enumerate(block.gain_nSW[:, place], start=block.first_row):
                seen_N[n] += 1
                cells = slice(band.low_N[n], max(band.low_N[n], band.high_N[n]))
                part = slice(cells.start - block.first_column, cells.stop - block.first_column)
                if cells.stop > cells.start:
                    np.testing.assert_allclose(gain_W[part], expected_NM[n, cells], atol=1e-4)
    assert (seen_N == len(semitones)).all()
    whole_P2 = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    found_NM = band_gain(stream_NCP, track_NCP, band, 7).of(whole_P2.astype(np.int32)).reshape(rows, columns)
    np.testing.assert_allclose(found_NM, np.where(inside_NM, obvious(stream_NCP, track_NCP, 7), 0.0), atol=1e-4)
