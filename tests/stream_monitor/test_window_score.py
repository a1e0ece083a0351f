"""The ordered score equals trying every path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.evidence import NO_PATH
from stream_monitor.window_score import PathConfig, best_path, ordered_scores, step_range
from tests.stream_monitor.slow_path import slow_ordered_score

CONFIG = PathConfig()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    chunks=st.integers(1, 4),
    hops=st.lists(st.sampled_from([1.0, 1.0, 2.0, 0.4, 3.0]), min_size=4, max_size=4),
    seed=st.integers(0, 2**16),
)
def test_every_window_of_every_track_scores_as_its_best_path(
    rows: list[int], chunks: int, hops: list[float], seed: int
) -> None:
    """For tracks side by side, with gaps and tails in the stream, each suffix window gets its best path's mean."""
    rng = np.random.default_rng(seed)
    offset_T1 = np.cumsum([0, *rows])
    value_MR = rng.normal(0.0, 0.3, (chunks, int(offset_T1[-1]))).astype(np.float32)
    hops_M = np.array(hops[:chunks])
    scores_TM = ordered_scores(value_MR, offset_T1, hops_M, CONFIG)
    for track, count in enumerate(rows):
        block_MN = value_MR[:, offset_T1[track] : offset_T1[track + 1]]
        for window in range(1, chunks + 1):
            expected = slow_ordered_score(block_MN[-window:], hops_M[-window:], CONFIG) if count else NO_PATH
            assert scores_TM[track, window - 1] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 7), chunks=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_the_path_that_is_told_is_worth_the_score(rows: int, chunks: int, seed: int) -> None:
    """The best path's mean is the window's score, and its steps keep to half and double the tempo."""
    rng = np.random.default_rng(seed)
    value_MN = rng.normal(0.0, 0.3, (chunks, rows)).astype(np.float32)
    hops_M = np.ones(chunks)
    mean, path = best_path(value_MN, hops_M, CONFIG)
    scores_TM = ordered_scores(value_MN, np.array([0, rows]), hops_M, CONFIG)
    assert mean == pytest.approx(float(scores_TM[0, -1]), abs=1e-6)
    if mean == NO_PATH:
        assert path == ()
        return
    edge = rows - CONFIG.edge_positions if rows > 2 * CONFIG.edge_positions else rows
    worth = sum(float(value_MN[m, n]) - CONFIG.edge_penalty * (n >= edge) for m, n in enumerate(path))
    steps = np.diff(path)
    worth -= CONFIG.step_cost * float(np.abs(steps - 1).sum())
    assert worth / chunks == pytest.approx(mean, abs=1e-6)
    assert all(0 <= step <= 2 for step in steps)


def test_a_track_of_one_chunk_has_no_path_for_three() -> None:
    """Standing still twice is slower than half the tempo, so only windows of one and two chunks have a path."""
    value_MN = np.full((4, 1), 0.5, np.float32)
    scores_TM = ordered_scores(value_MN, np.array([0, 1]), np.ones(4), CONFIG)
    assert scores_TM[0, 0] > 0.0
    assert scores_TM[0, 1] > 0.0
    assert scores_TM[0, 2] == scores_TM[0, 3] == NO_PATH


def test_a_tracks_last_positions_count_less() -> None:
    """The same similarity scores lower at the end of a track than before it, but not in a track of few chunks."""
    middle_MN, edge_MN = np.zeros((2, 1, 8), np.float32)
    middle_MN[0, 3] = edge_MN[0, 7] = 0.5
    middle, _ = best_path(middle_MN, np.ones(1), CONFIG)
    edge, _ = best_path(edge_MN, np.ones(1), CONFIG)
    short, _ = best_path(edge_MN[:, -4:], np.ones(1), CONFIG)
    assert edge == pytest.approx(middle - CONFIG.edge_penalty)
    assert short == pytest.approx(middle)


def test_steps_follow_the_time_that_went_by() -> None:
    """One hop allows 0 to 2 positions, a silent chunk between allows 1 to 4, a near tail 0 to 1."""
    assert step_range(1.0) == (0, 2)
    assert step_range(2.0) == (1, 4)
    assert step_range(0.3) == (0, 1)
