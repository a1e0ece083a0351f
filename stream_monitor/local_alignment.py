"""Local alignment of two rows of features by dynamic programming, compiled; numbers in, numbers out.

A path may take (1, 1), (2, 1) and (1, 2) steps, so its tempo ratio lies between one half and two, the two uneven
ones at a small price. A path earns the gain of its cells less a threshold, never loses more than `floor` on one
cell (so that speech over the music is a dent and not the end), and starts and ends where that pays best. It knows
nothing of features, samples or tracks.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatNM = NDArray[np.float32]

_EMPTY, _START, _DIAGONAL, _STREAM_TWICE, _TRACK_TWICE, _JUMP = 0, 1, 2, 3, 4, 5


@njit(cache=True, nogil=True, fastmath=True)
def best_score(
    gain_NM: FloatNM,
    low_N: NDArray[np.int32],
    high_N: NDArray[np.int32],
    threshold: float,
    floor: float,
    bend: float,
) -> float:
    """Score of the best local path through the cells low[n] <= m < high[n]."""
    rows, columns = gain_NM.shape
    zero = np.float32(0.0)
    before2 = np.zeros(columns + 1, np.float32)
    before1 = np.zeros(columns + 1, np.float32)
    now = np.zeros(columns + 1, np.float32)
    gain_before = np.zeros(columns, np.float32)
    gain = np.zeros(columns, np.float32)
    least, lowest, price = np.float32(threshold), np.float32(floor), np.float32(bend)
    best = zero
    for n in range(rows):
        now[:] = zero
        gain[:] = lowest
        for m in range(low_N[n], high_N[n]):
            value = gain_NM[n, m] - least
            gain[m] = value if value > lowest else lowest
        for m in range(low_N[n], high_N[n]):
            total = before1[m]
            if n > 0:
                other = before2[m] + gain_before[m] - price
                if other > total:
                    total = other
            if m > 0:
                other = before1[m - 1] + gain[m - 1] - price
                if other > total:
                    total = other
            total += gain[m]
            if total > zero:
                now[m + 1] = total
                if total > best:
                    best = total
        before2, before1, now = before1, now, before2
        gain_before, gain = gain, gain_before
    return float(best)


@njit(cache=True, nogil=True, fastmath=True)
def best_path(
    gain_NM: FloatNM,
    low_N: NDArray[np.int32],
    high_N: NDArray[np.int32],
    entry_M: NDArray[np.float32],
    exit_M: NDArray[np.float32],
    threshold: float,
    floor: float,
    bend: float,
    jump: float,
    wait: float,
) -> tuple[float, NDArray[np.int32]]:
    """Score and cells [p, 2] of the best local path, which may also jump.

    A path that begins in column m earns `entry[m]`, one that ends there `exit[m]`: tracks are mostly played from
    their beginning to their end. A jump goes from any cell to any cell of a later row, for the price `jump` and
    `wait` for every row that is left out: repeated or left-out verses and long speech between them.
    """
    rows, columns = gain_NM.shape
    zero = np.float32(0.0)
    step_NM = np.zeros((rows, columns), np.uint8)
    before2 = np.zeros(columns + 1, np.float32)
    before1 = np.zeros(columns + 1, np.float32)
    now = np.zeros(columns + 1, np.float32)
    gain_before = np.zeros(columns, np.float32)
    gain = np.zeros(columns, np.float32)
    resume = np.float32(-1e9)
    resume_n, resume_m = -1, -1
    resume_from = np.full((rows, 2), -1, np.int32)
    least, lowest, price, lost = np.float32(threshold), np.float32(floor), np.float32(bend), np.float32(wait)
    best, best_n, best_m = zero, -1, -1
    for n in range(rows):
        now[:] = zero
        gain[:] = lowest
        resume_from[n, 0] = resume_n
        resume_from[n, 1] = resume_m
        row_best, row_m = zero, -1
        for m in range(low_N[n], high_N[n]):
            value = gain_NM[n, m] - least
            gain[m] = value if value > lowest else lowest
        for m in range(low_N[n], high_N[n]):
            total, step = entry_M[m], _START
            if before1[m] > total:
                total, step = before1[m], _DIAGONAL
            if n > 0:
                other = before2[m] + gain_before[m] - price
                if other > total:
                    total, step = other, _STREAM_TWICE
            if m > 0:
                other = before1[m - 1] + gain[m - 1] - price
                if other > total:
                    total, step = other, _TRACK_TWICE
            if resume > total:
                total, step = resume, _JUMP
            total += gain[m]
            if total > zero:
                now[m + 1] = total
                step_NM[n, m] = step
                if total > row_best:
                    row_best, row_m = total, m
                if total + exit_M[m] > best:
                    best, best_n, best_m = total + exit_M[m], n, m
        resume -= lost
        if row_best - np.float32(jump) > resume:
            resume, resume_n, resume_m = row_best - np.float32(jump), n, row_m
        before2, before1, now = before1, now, before2
        gain_before, gain = gain, gain_before
    path = np.empty((rows + columns, 2), np.int32)
    count = 0
    n, m = best_n, best_m
    while n >= 0:
        step = step_NM[n, m]
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
