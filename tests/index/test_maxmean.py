"""MaxMean against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.maxmean import max_mean, max_mean_of, window_scores, window_scores_table
from tests.index.recordings import unit_vectors


def slow_max_mean(query_MD: NDArray[np.float32], track_ND: NDArray[np.float32]) -> float:
    """The definition, one number at a time."""
    shorter, longer = (query_MD, track_ND) if len(query_MD) <= len(track_ND) else (track_ND, query_MD)
    best = [max(float(a.astype(np.float64) @ b.astype(np.float64)) for b in longer) for a in shorter]
    return sum(best) / len(best)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
def test_max_mean_is_its_definition(seed: int, queries: int, rows: int) -> None:
    """The score equals the mean of the best similarities of the side with fewer embeddings."""
    query_MD, track_ND = unit_vectors(seed, queries), unit_vectors(seed + 1, rows)
    assert max_mean(query_MD, track_ND) == pytest.approx(slow_max_mean(query_MD, track_ND), abs=1e-6)


def test_query_is_the_first_operand_on_a_tie() -> None:
    """With as many chunks on both sides, the mean runs over the query's chunks."""
    similarity_MN = np.array([[0.9, 0.8], [0.1, 0.2]], dtype=np.float32)
    assert max_mean_of(similarity_MN) == pytest.approx((0.9 + 0.2) / 2)
    assert max_mean_of(similarity_MN.T.copy()) == pytest.approx((0.9 + 0.8) / 2)


def test_an_empty_side_scores_zero() -> None:
    """A track that is no longer in the index scores 0 in every window."""
    assert max_mean_of(np.empty((3, 0), dtype=np.float32)) == 0.0
    assert max_mean_of(np.empty((0, 3), dtype=np.float32)) == 0.0
    assert window_scores(np.empty((3, 0), dtype=np.float32)).tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_every_suffix_window_of_every_track_is_max_mean(seed: int, chunks: int, counts: list[int]) -> None:
    """Entry [t, m - 1] of the table is MaxMean of the last m chunks against track t."""
    value_MR = np.random.default_rng(seed).uniform(-1, 1, (chunks, sum(counts))).astype(np.float32)
    offset_T1 = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    score_TM = window_scores_table(value_MR, offset_T1)
    for track in range(len(counts)):
        similarity_MN = value_MR[:, offset_T1[track] : offset_T1[track + 1]]
        expected = [max_mean_of(similarity_MN[chunks - window :]) for window in range(1, chunks + 1)]
        np.testing.assert_allclose(score_TM[track], expected, atol=1e-6)
        np.testing.assert_array_equal(score_TM[track], window_scores(similarity_MN))
