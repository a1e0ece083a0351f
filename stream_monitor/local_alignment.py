"""Local alignment of two rows of features by dynamic programming, compiled; numbers in, numbers out.

A path may take (1, 1), (2, 1) and (1, 2) steps, so its tempo ratio lies between one half and two, the two uneven
ones at a small price. A path earns the gain of its cells less a threshold, never loses more than `floor` on one
cell (so that speech over the music is a dent and not the end), and starts and ends where that pays best. It knows
nothing of features, samples or tracks. Inner loops have no branches, so that the compiler makes vectors of them.

N stream rows, n those of a block, M columns (track rows), S alignments side by side, W columns of a block, P cells of
a path, C = M + 2: column m lies at m + 2.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float32]
Int = NDArray[np.int32]

_EMPTY, _START, _DIAGONAL, _STREAM_TWICE, _TRACK_TWICE, _JUMP = 0, 1, 2, 3, 4, 5


def scoreboard(alignments: int, columns: int, floor: float) -> tuple[Float, Float, Float]:
    """What `advance` starts from: totals of three rows, gains of two, and the best total so far of each column."""
    total_S3C = np.zeros((alignments, 3, columns + 2), np.float32)
    gain_S2C = np.full((alignments, 2, columns + 2), floor, np.float32)
    return total_S3C, gain_S2C, np.zeros((alignments, columns), np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def advance(
    gain_nSW: Float,
    first_row: int,
    first_column: int,
    low_N: Int,
    high_N: Int,
    threshold: float,
    floor: float,
    bend: float,
    total_S3C: Float,
    gain_S2C: Float,
    best_SM: Float,
) -> None:
    """Takes the next rows of S alignments: raises `best_SM`, whose maxima are the scores of the best local paths.

    Paths have no jumps. Only cells low[n] <= m < high[n] count. Blocks of rows must come in order; `gain_nSW[0, :, 0]`
    is that of the stream row `first_row` and the column `first_column`.
    """
    zero = np.float32(0.0)
    least, lowest, price = np.float32(threshold), np.float32(floor), np.float32(bend)
    for s in range(gain_nSW.shape[1]):
        for row in range(gain_nSW.shape[0]):
            n = first_row + row
            low, high = low_N[n], high_N[n]
            now, before1, before2 = total_S3C[s, n % 3], total_S3C[s, (n + 2) % 3], total_S3C[s, (n + 1) % 3]
            gain, gain_before = gain_S2C[s, n % 2], gain_S2C[s, (n + 1) % 2]
            if n >= 3:
                now[low_N[n - 3] + 2 : high_N[n - 3] + 2] = zero
            if n >= 2:
                gain[low_N[n - 2] + 2 : high_N[n - 2] + 2] = lowest
            # Slices, so that indices are plain and count from 0: else the compiler makes no vectors.
            heard, earned = gain_nSW[row, s, low - first_column :], gain[low + 2 :]
            for w in range(high - low):
                earned[w] = max(heard[w] - least, lowest)
            diagonal, twice, passed = before1[low + 1 :], before2[low + 1 :], gain_before[low + 2 :]
            skipped, left = before1[low:], gain[low + 1 :]
            totals, best = now[low + 2 :], best_SM[s, low:]
            for w in range(high - low):
                uneven = max(twice[w] + passed[w], skipped[w] + left[w]) - price
                totals[w] = max(max(diagonal[w], uneven) + earned[w], zero)
            for w in range(high - low):
                best[w] = max(best[w], totals[w])


@njit(cache=True, nogil=True)
def _highest(value_W: Float) -> tuple[np.float32, int]:
    """The highest of values that are 0 or more, and its first place; (0, 0) of none.

    Such floats sort as their bits do, and of integers the compiler finds the maximum with vectors.
    """
    bits_W = value_W.view(np.int32)
    highest = np.int32(0)
    for w in range(len(bits_W)):
        highest = max(highest, bits_W[w])
    for w in range(len(bits_W)):
        if bits_W[w] == highest:
            return value_W[w], w
    return np.float32(0.0), 0


@njit(cache=True, nogil=True, fastmath=True)
def best_path(
    gain_NW: Float,
    first_N: Int,
    low_N: Int,
    high_N: Int,
    entry_M: Float,
    exit_M: Float,
    threshold: float,
    floor: float,
    bend: float,
    jump: float,
    wait: float,
) -> tuple[float, Int]:
    """Score and cells [p, 2] of the best local path, which may also jump.

    A path that begins in column m earns `entry[m]`, one that ends there `exit[m]`: tracks are mostly played from
    their beginning to their end. A jump goes from any cell to any cell of a later row, for the price `jump` and
    `wait` for every row that is left out: repeated or left-out verses and long speech between them. `gain_NW[n, 0]` is
    that of column `first[n]`; only cells low[n] <= m < high[n] count.
    """
    rows, width = gain_NW.shape
    columns = len(entry_M)
    zero = np.float32(0.0)
    empty, start, even, jumped = np.int32(_EMPTY), np.int32(_START), np.int32(_DIAGONAL), np.int32(_JUMP)
    stream_twice, track_twice = np.int32(_STREAM_TWICE), np.int32(_TRACK_TWICE)
    step_NW = np.zeros((rows, width), np.int8)
    end_M = np.zeros(columns, np.float32)
    total_3C = np.zeros((3, columns + 2), np.float32)
    gain_2C = np.full((2, columns + 2), np.float32(floor))
    resume = np.float32(-1e9)
    resume_n, resume_m = -1, -1
    resume_from = np.full((rows, 2), -1, np.int32)
    least, lowest, price, lost = np.float32(threshold), np.float32(floor), np.float32(bend), np.float32(wait)
    best, best_n, best_m = zero, -1, -1
    for n in range(rows):
        low, high, first = low_N[n], high_N[n], first_N[n]
        now, before1, before2 = total_3C[n % 3], total_3C[(n + 2) % 3], total_3C[(n + 1) % 3]
        gain, gain_before = gain_2C[n % 2], gain_2C[(n + 1) % 2]
        now[:] = zero
        gain[:] = lowest
        resume_from[n, 0] = resume_n
        resume_from[n, 1] = resume_m
        count = high - low
        heard, earned = gain_NW[n, low - first :], gain[low + 2 :]
        for w in range(count):
            earned[w] = max(heard[w] - least, lowest)
        diagonal, twice, passed = before1[low + 1 :], before2[low + 1 :], gain_before[low + 2 :]
        skipped, left, entry, leave = before1[low:], gain[low + 1 :], entry_M[low:], exit_M[low:]
        totals, ends, steps = now[low + 2 :], end_M[low:], step_NW[n, low - first :]
        for w in range(count):
            total, step = entry[w], start
            other = diagonal[w]
            step, total = even if other > total else step, max(other, total)
            other = twice[w] + passed[w] - price
            step, total = stream_twice if other > total else step, max(other, total)
            other = skipped[w] + left[w] - price
            step, total = track_twice if other > total else step, max(other, total)
            step = jumped if resume > total else step
            total = max(max(resume, total) + earned[w], zero)
            totals[w] = total
            ends[w] = total + leave[w] if total > zero else zero
            steps[w] = step if total > zero else empty
        end, place = _highest(ends[:count])
        if end > best:
            best, best_n, best_m = end, n, low + place
        resume -= lost
        highest, place = _highest(totals[:count])
        if highest - np.float32(jump) > resume:
            resume, resume_n, resume_m = highest - np.float32(jump), n, low + place
    path = np.empty((rows + columns, 2), np.int32)
    count = 0
    n, m = best_n, best_m
    while n >= 0 and low_N[n] <= m < high_N[n]:
        step = step_NW[n, m - first_N[n]]
        if step == _EMPTY:
            break
        path[count, 0] = n
        path[count, 1] = m
        count += 1
        if step == _START:
            break
        if step == _DIAGONAL:
            n, m = n - 1, m - 1
        elif step == _STREAM_TWICE:
            path[count, 0] = n - 1
            path[count, 1] = m
            count += 1
            n, m = n - 2, m - 1
        elif step == _TRACK_TWICE:
            path[count, 0] = n
            path[count, 1] = m - 1
            count += 1
            n, m = n - 1, m - 2
        else:
            n, m = resume_from[n, 0], resume_from[n, 1]
    return float(best), path[:count][::-1].copy()


@njit(cache=True, nogil=True)
def followed(gain_P: Float, turn: float) -> NDArray[np.bool_]:
    """Which cells of a path follow the track: the likeliest two states along it, each change at the price `turn`."""
    follows, leaves = 0.0, -turn
    came_P2 = np.zeros((len(gain_P), 2), np.int8)
    for p in range(len(gain_P)):
        came_P2[p, 0] = 0 if follows >= leaves - turn else 1
        came_P2[p, 1] = 1 if leaves >= follows - turn else 0
        follows, leaves = max(follows, leaves - turn) + gain_P[p], max(leaves, follows - turn)
    matched_P = np.zeros(len(gain_P), np.bool_)
    state = 0
    for p in range(len(gain_P) - 1, -1, -1):
        matched_P[p] = state == 0
        state = came_P2[p, state]
    return matched_P
