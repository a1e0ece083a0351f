"""The compiled dynamic programming against a slow and obvious one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.local_alignment import advance, best_path, scoreboard

THRESHOLD, FLOOR, BEND, JUMP, WAIT = 0.25, -0.5, 0.125, 1.0, 0.0625
Gain = npt.NDArray[np.float32]
Int = npt.NDArray[np.int32]


def whole(gain_NM: Gain) -> tuple[Int, Int]:
    rows, columns = gain_NM.shape
    return np.zeros(rows, np.int32), np.full(rows, columns, np.int32)


def best_score(gain_NM: Gain, low_N: Int, high_N: Int, threshold: float, floor: float, bend: float) -> float:
    """Two alignments side by side in blocks of four rows, the other of which finds nothing."""
    rows, columns = gain_NM.shape
    both_NSM = np.stack((gain_NM, np.full_like(gain_NM, -1.0)), axis=1)
    board = scoreboard(2, columns, floor)
    for start in range(0, rows, 4):
        block_nSW = np.ascontiguousarray(both_NSM[start : start + 4])
        advance(block_nSW, start, 0, low_N, high_N, threshold, floor, bend, *board)
    assert not board[2][1].any()
    return float(board[2][0].max())


def path_of(gain_NM: Gain, low_N: Int, high_N: Int, *rest: object) -> tuple[float, Int]:
    """The best path through a matrix whose rows all begin at column 0."""
    return best_path(gain_NM, np.zeros(len(gain_NM), np.int32), low_N, high_N, *rest)


def obvious(gain_NM: Gain, entry_M: Gain, exit_M: Gain, *, jumps: bool) -> float:
    """Every cell's best path by its definition, without any saving; a path may begin inside an uneven step."""
    cost = np.maximum(gain_NM - THRESHOLD, FLOOR)
    total = np.zeros(gain_NM.shape)

    def before(n: int, m: int) -> float:
        return float(total[n, m]) if n >= 0 and m >= 0 else 0.0

    for n in range(gain_NM.shape[0]):
        for m in range(gain_NM.shape[1]):
            ways = [float(entry_M[m]), before(n - 1, m - 1)]
            if n >= 1:
                ways.append(before(n - 2, m - 1) + cost[n - 1, m] - BEND)
            if m >= 1:
                ways.append(before(n - 1, m - 2) + cost[n, m - 1] - BEND)
            if jumps:
                ways += [total[k].max() - JUMP - WAIT * (n - 1 - k) for k in range(n) if total[k].max() > 0]
            total[n, m] = max(0.0, max(ways) + cost[n, m])
    return float(np.where(total > 0, total + exit_M, 0.0).max())


@given(seed=st.integers(0, 10_000), rows=st.integers(3, 9), columns=st.integers(3, 9))
@settings(deadline=None, max_examples=80)
def test_scores_are_those_of_the_obvious_search(seed: int, rows: int, columns: int) -> None:
    """With and without jumps and edges, the compiled score is that of every path tried."""
    rng = np.random.default_rng(seed)
    gain_NM = (rng.integers(-8, 9, (rows, columns)) / 8).astype(np.float32)
    nothing = np.zeros(columns, np.float32)
    edges = (rng.integers(0, 3, (2, columns)) / 2).astype(np.float32)
    score = best_score(gain_NM, *whole(gain_NM), THRESHOLD, FLOOR, BEND)
    joined, path_P2 = path_of(gain_NM, *whole(gain_NM), *edges, THRESHOLD, FLOOR, BEND, JUMP, WAIT)
    assert abs(score - obvious(gain_NM, nothing, nothing, jumps=False)) < 1e-5
    assert abs(joined - obvious(gain_NM, *edges, jumps=True)) < 1e-5
    assert (np.diff(path_P2[:, 0]) >= 0).all()


def test_a_diagonal_is_found_cell_by_cell() -> None:
    """A bright diagonal in the dark is the path, and nothing else is."""
    gain_NM = np.full((30, 40), -0.2, np.float32)
    for k in range(12):
        gain_NM[6 + k, 21 + k] = 0.9
    nothing = np.zeros(40, np.float32)
    score, path_P2 = path_of(gain_NM, *whole(gain_NM), nothing, nothing, THRESHOLD, FLOOR, BEND, 50.0, WAIT)
    assert path_P2.tolist() == [[6 + k, 21 + k] for k in range(12)]
    assert abs(score - 12 * 0.65) < 1e-4


def test_another_tempo_bends_the_path() -> None:
    """A track played at 1.5 times its speed is followed by even and (1, 2) steps."""
    gain_NM = np.full((40, 60), -0.2, np.float32)
    for k in range(30):
        gain_NM[5 + k, 3 + round(1.5 * k)] = 0.9
    nothing = np.zeros(60, np.float32)
    _, path_P2 = path_of(gain_NM, *whole(gain_NM), nothing, nothing, THRESHOLD, FLOOR, BEND, 50.0, WAIT)
    assert path_P2[0].tolist() == [5, 3]
    assert path_P2[-1].tolist() == [34, 3 + round(1.5 * 29)]


def test_a_jump_joins_two_diagonals() -> None:
    """A verse played twice is one path with a jump back, where that costs less than it earns."""
    gain_NM = np.full((30, 20), -0.2, np.float32)
    for k in range(14):
        gain_NM[k, 3 + k] = 0.9
        gain_NM[15 + k, 3 + k] = 0.9
    nothing = np.zeros(20, np.float32)
    _, joined_P2 = path_of(gain_NM, *whole(gain_NM), nothing, nothing, THRESHOLD, FLOOR, BEND, 2.0, WAIT)
    _, single_P2 = path_of(gain_NM, *whole(gain_NM), nothing, nothing, THRESHOLD, FLOOR, BEND, 50.0, WAIT)
    assert len(joined_P2) == 28
    assert len(single_P2) == 14


def test_edges_draw_a_path_to_the_tracks_ends() -> None:
    """A dim beginning belongs to the path where beginning there earns more than it costs."""
    gain_NM = np.full((30, 30), -0.2, np.float32)
    for k in range(26):
        gain_NM[2 + k, k] = 0.15 if k < 4 else 0.9
    nothing, entry_M = np.zeros(30, np.float32), np.zeros(30, np.float32)
    entry_M[0] = 1.0
    _, plain_P2 = path_of(gain_NM, *whole(gain_NM), nothing, nothing, THRESHOLD, FLOOR, BEND, 50.0, WAIT)
    _, drawn_P2 = path_of(gain_NM, *whole(gain_NM), entry_M, nothing, THRESHOLD, FLOOR, BEND, 50.0, WAIT)
    assert plain_P2[0].tolist() == [6, 4]
    assert drawn_P2[0].tolist() == [2, 0]


def test_a_band_hides_what_lies_outside() -> None:
    """Cells outside the band earn nothing, however bright."""
    gain_NM = np.full((20, 20), 0.9, np.float32)
    low_N, high_N = np.zeros(20, np.int32), np.zeros(20, np.int32)
    assert best_score(gain_NM, low_N, high_N, THRESHOLD, FLOOR, BEND) == 0.0


def test_darkness_gives_no_path() -> None:
    """Where no cell earns anything the path is empty."""
    gain_NM = np.full((20, 20), 0.1, np.float32)
    nothing = np.zeros(20, np.float32)
    score, path_P2 = path_of(gain_NM, *whole(gain_NM), nothing, nothing, THRESHOLD, FLOOR, BEND, JUMP, WAIT)
    assert score == 0.0
    assert path_P2.shape == (0, 2)
