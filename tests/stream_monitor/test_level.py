"""Loudness of blocks."""

from __future__ import annotations

import numpy as np
import pytest

from encoder.grid import CHUNK_HOP_SAMPLES
from stream_monitor.level import CELL_SAMPLES, CELLS, level_dbfs, measure


def test_cells_cover_the_blocks_own_samples_only() -> None:
    """A block's window is measured between its own grid points, whatever lies in the halo."""
    wave_S = np.ones(CHUNK_HOP_SAMPLES + 4000, np.float32)
    wave_S[2000:-2000] = 0.5
    level = measure(wave_S, block=3, window_start_sample=3 * CHUNK_HOP_SAMPLES - 2000)
    assert level.mean_square_n.tolist() == [0.25] * CELLS
    assert level.clipped_samples == 0
    assert next(iter(level.cells())) == (3 * CHUNK_HOP_SAMPLES, 3 * CHUNK_HOP_SAMPLES + CELL_SAMPLES, 0.25)


def test_the_last_cell_may_be_short() -> None:
    """A stream that ends within a cell is measured up to its end, and clipped samples are counted."""
    wave_S = np.ones(CHUNK_HOP_SAMPLES + 4000, np.float32)
    level = measure(wave_S, block=0, window_start_sample=-2000, end_sample=CELL_SAMPLES + 10)
    assert [(start, end) for start, end, _ in level.cells()] == [(0, CELL_SAMPLES), (CELL_SAMPLES, CELL_SAMPLES + 10)]
    assert level.clipped_samples == CELL_SAMPLES + 10
    assert level_dbfs([level], 0, CELL_SAMPLES) == pytest.approx(0.0, abs=1e-6)


def test_nothing_at_all_is_digital_silence() -> None:
    """Without a sample the level is the floor."""
    level = measure(np.zeros(CHUNK_HOP_SAMPLES + 4000, np.float32), block=1, window_start_sample=200_000, end_sample=5)
    assert level.samples == 0
    assert level_dbfs([level], 0, 100) == -150.0
