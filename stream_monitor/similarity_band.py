"""Similarities of stream rows with track rows, for any transpositions, and only where a path may go.

A similarity is less half the means of its row and of its column over all of stream and track: a chord that all of the
track is full of counts for little, and a key alone for nothing. Both means are folded into one matrix product a block
of stream rows, whose columns are cropped to the block's part of the band. It knows nothing of paths or of samples.

n stream rows of a block, S transpositions, W columns of a block, K values of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatNCP = NDArray[np.float32]
_BLOCK_ROWS: Final = 24
"""Few, so that a block stays in the processor's cache and near a slanted band; enough to fill a product."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Track rows low[n] <= m < high[n] that stream row n may meet."""

    low_N: NDArray[np.int32]
    high_N: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Block:
    """Similarities of some stream rows."""

    first_row: int
    """The stream row of `gain_nSW[0]`."""
    first_column: int
    """The track row of `gain_nSW[..., 0]`."""
    gain_nSW: NDArray[np.float32]


def blocks(stream_NCP: FloatNCP, track_NCP: FloatNCP, band: Band, semitones: Sequence[int]) -> Iterator[Block]:
    """Similarities of the stream, moved down by each of `semitones`, with the track, block by block.

    Blocks cover all stream rows in order; one outside the band has no columns. A block is overwritten by the next.
    """
    rows = len(stream_NCP)
    track_MK = track_NCP.reshape(len(track_NCP), -1)
    right_MK = np.concatenate((track_MK, np.ones((len(track_MK), 1), np.float32)), axis=1)
    left_NSK = _moved(stream_NCP, semitones)
    row_NS = np.float32(-0.5) * (left_NSK @ track_MK.mean(axis=0))
    left_NSK -= np.float32(0.5) * left_NSK.mean(axis=0)
    left_NSK = np.concatenate((left_NSK, row_NS[..., None]), axis=2)
    starts = range(0, rows, _BLOCK_ROWS)
    lows, highs = _limits(band, starts)
    values_X = np.empty(_BLOCK_ROWS * len(semitones) * int((highs - lows).max(initial=0)), np.float32)
    for start, low, high in zip(starts, lows.tolist(), highs.tolist(), strict=True):
        left_XK = left_NSK[start : start + _BLOCK_ROWS].reshape(-1, left_NSK.shape[2])
        width = high - low
        gain_XW = values_X[: len(left_XK) * width].reshape(len(left_XK), width)
        np.matmul(left_XK, right_MK[low:high].T, out=gain_XW)
        gain_nSW = gain_XW.reshape(len(left_XK) // len(semitones), len(semitones), width)
        yield Block(first_row=start, first_column=low, gain_nSW=gain_nSW)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BandGain:
    """All similarities in a band at one transposition."""

    gain_NW: NDArray[np.float32]
    first_N: NDArray[np.int32]
    """The track row of `gain_NW[n, 0]`."""
    band: Band

    def of(self, cell_P2: NDArray[np.int32]) -> NDArray[np.float32]:
        """Similarities of cells (stream row, track row); 0 outside the band, where a step may pass."""
        row_P, column_P = cell_P2[:, 0], cell_P2[:, 1]
        inside_P = (self.band.low_N[row_P] <= column_P) & (column_P < self.band.high_N[row_P])
        gain_P = np.zeros(len(cell_P2), np.float32)
        row_P, column_P = row_P[inside_P], column_P[inside_P]
        gain_P[inside_P] = self.gain_NW[row_P, column_P - self.first_N[row_P]]
        return gain_P


def band_gain(stream_NCP: FloatNCP, track_NCP: FloatNCP, band: Band, semitones: int) -> BandGain:
    """Similarities of the stream, moved down by `semitones`, with the track."""
    parts = [
        (block.first_column, block.gain_nSW[:, 0].copy()) for block in blocks(stream_NCP, track_NCP, band, [semitones])
    ]
    gain_NW = np.zeros((len(stream_NCP), max(gain_nW.shape[1] for _, gain_nW in parts)), np.float32)
    first_N = np.zeros(len(stream_NCP), np.int32)
    row = 0
    for first, gain_nW in parts:
        gain_NW[row : row + len(gain_nW), : gain_nW.shape[1]] = gain_nW
        first_N[row : row + len(gain_nW)] = first
        row += len(gain_nW)
    return BandGain(gain_NW=gain_NW, first_N=first_N, band=band)


def _moved(stream_NCP: FloatNCP, semitones: Sequence[int]) -> NDArray[np.float32]:
    """The stream moved down by each of `semitones`, [N, S, K]."""
    rows, channels, pitches = stream_NCP.shape
    twice = np.concatenate((stream_NCP, stream_NCP), axis=2)
    moved = np.empty((rows, len(semitones), channels, pitches), np.float32)
    for place, down in enumerate(semitones):
        moved[:, place] = twice[:, :, down : down + pitches]
    return moved.reshape(rows, len(semitones), channels * pitches)


def _limits(band: Band, starts: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First and past-the-end track row of each block; equal where the band leaves it nothing."""
    empty_N = band.low_N >= band.high_N
    lows = np.minimum.reduceat(np.where(empty_N, np.iinfo(np.int32).max, band.low_N), starts)
    highs = np.maximum.reduceat(np.where(empty_N, 0, band.high_N), starts)
    return np.minimum(lows, highs), highs
