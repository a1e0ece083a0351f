"""How loud a block of audio is: mean squares of half-second cells and a count of clipped samples.

Cells lie on the stream's own grid and are measured on a block's window, so that they do not depend on how the audio
arrived. It knows nothing of music, chunks or what is made of the figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from encoder.grid import CHUNK_HOP_SAMPLES
from stream_monitor.segments import Samples

CELL_SAMPLES: Final = 11_025
"""Samples of a cell: half a second. A block's hop is 20 cells."""

CELLS: Final = CHUNK_HOP_SAMPLES // CELL_SAMPLES

CLIPPED_AMPLITUDE: Final = 0.999

SILENT_DBFS: Final = -150.0
"""Stands for digital silence, whose level is minus infinity."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BlockLevel:
    """Loudness of the samples [220500 block, 220500 (block + 1)), as far as there are any."""

    block: int
    mean_square_n: npt.NDArray[np.float32]
    """One mean square per whole or begun cell, at most 20."""
    samples: int
    """Samples that were measured: 220,500, fewer in a stream's last block."""
    clipped_samples: int

    def cells(self) -> Iterable[tuple[int, int, float]]:
        """Each cell as (start_sample, end_sample, mean square)."""
        origin = self.block * CHUNK_HOP_SAMPLES
        for i, mean_square in enumerate(self.mean_square_n.tolist()):
            yield origin + i * CELL_SAMPLES, origin + min((i + 1) * CELL_SAMPLES, self.samples), mean_square


def measure(wave_S: Samples, *, block: int, window_start_sample: int, end_sample: int | None = None) -> BlockLevel:
    """Measures a block on its audio window.

    Args:
        wave_S: the block's window, float32.
        block: number of the block.
        window_start_sample: place of the window's first sample, at most 220,500 x block.
        end_sample: end of the stream, where it ends within this block.
    """
    origin = block * CHUNK_HOP_SAMPLES
    end = origin + CHUNK_HOP_SAMPLES if end_sample is None else min(end_sample, origin + CHUNK_HOP_SAMPLES)
    own_S = wave_S[origin - window_start_sample : max(origin, end) - window_start_sample]
    whole = len(own_S) // CELL_SAMPLES
    cells_nS = own_S[: whole * CELL_SAMPLES].reshape(whole, CELL_SAMPLES)
    mean_square_n = np.einsum("ns,ns->n", cells_nS, cells_nS) / np.float32(CELL_SAMPLES)
    rest_S = own_S[whole * CELL_SAMPLES :]
    if len(rest_S):
        mean_square_n = np.append(mean_square_n, np.dot(rest_S, rest_S) / np.float32(len(rest_S)))
    # Two reductions are cheaper than counting; the count is made only where there is something to count.
    clips = len(own_S) and max(float(own_S.max()), -float(own_S.min())) >= CLIPPED_AMPLITUDE
    clipped = int(np.count_nonzero(np.abs(own_S) >= CLIPPED_AMPLITUDE)) if clips else 0
    return BlockLevel(block=block, mean_square_n=mean_square_n, samples=len(own_S), clipped_samples=clipped)


def level_dbfs(levels: Iterable[BlockLevel], start_sample: int, end_sample: int) -> float:
    """Level of [start_sample, end_sample) in dB below full scale, from every cell that touches it."""
    energy = 0.0
    samples = 0
    for level in levels:
        for cell_start, cell_end, mean_square in level.cells():
            if cell_start < end_sample and cell_end > start_sample:
                energy += mean_square * (cell_end - cell_start)
                samples += cell_end - cell_start
    return SILENT_DBFS if energy <= 0.0 else max(SILENT_DBFS, 10.0 * math.log10(energy / samples))
