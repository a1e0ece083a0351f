"""The ordered score: how well a window of chunks follows a track in order, for every suffix window of every track.

Similarities come in with the cohort already subtracted. A path gives each chunk one position of the track; from one
chunk to the next it moves about as far as time did (half to double the tempo), and each position more or less costs a
little. Positions at a track's end count less: they look alike in many tracks. It knows nothing of streams or indexes.

Legend: M chunks of a window (oldest first), R rows of several tracks side by side, T tracks, N rows of one track.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stream_monitor.evidence import NO_PATH

Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]


class PathConfig(BaseModel):
    """Rules of the path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step_cost: float = Field(0.015, ge=0.0, le=1.0)
    """Cosine taken off for each position that a step is longer or shorter than the time that went by."""
    edge_positions: int = Field(2, ge=0, le=10)
    """How many of a track's last positions are edges; a track of at most twice as many has none."""
    edge_penalty: float = Field(0.06, ge=0.0, le=1.0)
    """Cosine taken off at an edge."""


class WindowNull(BaseModel):
    """Ordered score of the best false track of a chunk, per window of M = 1 … 5 chunks: cosines above the cohort.

    The defaults are for the first weights and 40 tracks; fitted ones come with the calibration.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[float, float, float, float, float] = (0.054, 0.006, -0.028, -0.051, -0.07)
    deviation: tuple[float, float, float, float, float] = (0.07, 0.066, 0.065, 0.067, 0.067)


def step_range(hops: float) -> tuple[int, int]:
    """Fewest and most positions that a path may move while `hops` times 10 s go by: half to double the tempo."""
    return max(0, int(np.ceil(hops / 2.0 - 0.5))), int(np.floor(2.0 * hops + 0.5))


def ordered_scores(
    normalised_MR: Float32Array, offset_T1: Int64Array, hops_M: NDArray[np.float64], config: PathConfig
) -> Float32Array:
    """Best mean along a path, for every suffix window of every track.

    Args:
        normalised_MR: Cohort-normalised similarities, oldest chunk first.
        offset_T1: Track t owns columns offset_T1[t] to offset_T1[t + 1].
        hops_M: Time since the chunk before, in chunk hops (10 s); the first is not used.
        config: Rules of the path.

    Returns:
        float32 [T, M]: entry [t, m - 1] is the window of the last m chunks; NO_PATH where no path fits.
    """
    scores: Float32Array = _ordered_scores(
        normalised_MR, offset_T1, hops_M, config.step_cost, config.edge_positions, config.edge_penalty
    )
    return scores


def best_path(
    normalised_MN: Float32Array, hops_M: NDArray[np.float64], config: PathConfig
) -> tuple[float, tuple[int, ...]]:
    """Mean and positions of the best path of one whole window through one track; the earliest positions on a tie.

    Returns:
        (NO_PATH, ()) where no path fits.
    """
    mean, position_M = _best_path(normalised_MN, hops_M, config.step_cost, config.edge_positions, config.edge_penalty)
    if mean <= NO_PATH:
        return NO_PATH, ()
    return float(mean), tuple(int(position) for position in position_M)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba has no types
def _relax(following_2N: NDArray[np.float64], hops: float, step_cost: float, gain_2N: NDArray[np.float64]) -> None:
    """Best continuation from every position, given the sums that start at the following chunk.

    Index 0 of the first axis: what the next step is allowed to be anything; index 1: the chunk before stood still, so
    this chunk's own step may not stand still again (two in a row would be slower than half the tempo).
    """
    rows = following_2N.shape[1]
    low = max(0, int(np.ceil(hops / 2.0 - 0.5)))
    high = int(np.floor(2.0 * hops + 0.5))
    for position in range(rows):
        for stalled in range(2):
            best = -np.inf
            for step in range(low, high + 1):
                if position + step >= rows:
                    break
                stands = step == 0 and hops >= 0.75
                if stands and stalled == 1:
                    continue
                value = following_2N[1 if stands else 0, position + step] - step_cost * abs(step - hops)
                if value > best:
                    best = value
            gain_2N[stalled, position] = best


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba has no types
def _ordered_scores(
    normalised_MR: Float32Array,
    offset_T1: Int64Array,
    hops_M: NDArray[np.float64],
    step_cost: float,
    edge_positions: int,
    edge_penalty: float,
) -> Float32Array:
    chunks = normalised_MR.shape[0]
    tracks = offset_T1.shape[0] - 1
    score_TM = np.full((tracks, chunks), np.float32(-2.0), dtype=np.float32)
    for track in range(tracks):
        start, stop = offset_T1[track], offset_T1[track + 1]
        rows = stop - start
        if rows == 0:
            continue
        first_edge = rows - edge_positions if rows > 2 * edge_positions else rows
        sum_2N = np.zeros((2, rows))
        gain_2N = np.zeros((2, rows))
        for window in range(1, chunks + 1):
            chunk = chunks - window
            if window > 1:
                _relax(sum_2N, hops_M[chunk + 1], step_cost, gain_2N)
            best = -np.inf
            for position in range(rows):
                value = np.float64(normalised_MR[chunk, start + position])
                if position >= first_edge:
                    value -= edge_penalty
                for stalled in range(2):
                    sum_2N[stalled, position] = value + gain_2N[stalled, position]
                best = max(best, sum_2N[0, position])
            if best == -np.inf:
                break
            score_TM[track, window - 1] = max(best / window, -2.0)
    return score_TM


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba has no types
def _best_path(
    normalised_MN: Float32Array, hops_M: NDArray[np.float64], step_cost: float, edge_positions: int, edge_penalty: float
) -> tuple[float, Int64Array]:
    chunks, rows = normalised_MN.shape
    position_M = np.zeros(chunks, dtype=np.int64)
    if chunks == 0 or rows == 0:
        return -2.0, position_M
    first_edge = rows - edge_positions if rows > 2 * edge_positions else rows
    sum_M2N = np.zeros((chunks, 2, rows))
    gain_2N = np.zeros((2, rows))
    for chunk in range(chunks - 1, -1, -1):
        if chunk < chunks - 1:
            _relax(sum_M2N[chunk + 1], hops_M[chunk + 1], step_cost, gain_2N)
        for position in range(rows):
            value = np.float64(normalised_MN[chunk, position])
            if position >= first_edge:
                value -= edge_penalty
            for stalled in range(2):
                sum_M2N[chunk, stalled, position] = value + gain_2N[stalled, position]
    position_M[0] = np.argmax(sum_M2N[0, 0])
    total = sum_M2N[0, 0, position_M[0]]
    if total == -np.inf:
        return -2.0, position_M
    stalled = 0
    for chunk in range(1, chunks):
        hops = hops_M[chunk]
        low = max(0, int(np.ceil(hops / 2.0 - 0.5)))
        high = int(np.floor(2.0 * hops + 0.5))
        here = position_M[chunk - 1]
        best, chosen, next_stalled = -np.inf, here, 0
        for step in range(low, high + 1):
            if here + step >= rows:
                break
            stands = 1 if (step == 0 and hops >= 0.75) else 0
            if stands == 1 and stalled == 1:
                continue
            value = sum_M2N[chunk, stands, here + step] - step_cost * abs(step - hops)
            if value > best:
                best, chosen, next_stalled = value, here + step, stands
        position_M[chunk] = chosen
        stalled = next_stalled
    return total / chunks, position_M
