"""Retrieval scores on small tables that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from encoder.training.evaluation import score_ranking, similarity_table
from encoder.training.ranking import ScoreError
from index.maxmean import max_mean


def test_scores_of_a_table_worked_by_hand() -> None:
    """Two right tracks at ranks 1 and 3, and one right track at rank 2."""
    similarity_QR = np.array([[0.9, 0.5, 0.7, 0.1], [0.8, 0.6, 0.2, 0.1]], np.float32)
    right_QR = np.array([[True, True, False, False], [False, True, False, False]])
    score = score_ranking(similarity_QR, right_QR)
    assert score.mean_average_precision == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert score.mean_rank_first == 1.5
    assert score.top1 == 0.5
    assert score.mean_reciprocal_rank == 0.75


def test_ties_count_as_chance() -> None:
    """A constant encoder ranks in the middle, not first."""
    score = score_ranking(np.ones((1, 10), np.float32), np.eye(1, 10, dtype=np.bool_))
    assert score.mean_rank_first == 5.5
    assert score.top1 == pytest.approx(0.1)
    assert score.top10 == pytest.approx(1.0)


def test_a_diverged_network_is_not_scored() -> None:
    """NaN similarities are an error, never a perfect score."""
    with pytest.raises(ScoreError, match="not finite"):
        score_ranking(np.full((1, 2), np.nan, np.float32), np.ones((1, 2), np.bool_))


def test_a_query_without_a_right_track_is_an_error() -> None:
    """Such a query has no rank."""
    with pytest.raises(ScoreError, match="1 of 1 queries"):
        score_ranking(np.ones((1, 2), np.float32), np.zeros((1, 2), np.bool_))


def test_the_shorter_side_comes_first_in_max_mean() -> None:
    """One query chunk takes its best track chunk; a track of one chunk takes its best query chunk."""
    query_MD, track_ND = np.eye(3, dtype=np.float32)[:2], np.eye(3, dtype=np.float32)[:1]
    assert max_mean(query_MD, track_ND) == 1.0
    assert max_mean(query_MD[:1], np.eye(3, dtype=np.float32)) == 1.0
    assert max_mean(query_MD, np.eye(3, dtype=np.float32)[1:]) == 0.5


def test_silent_sides_are_least_alike() -> None:
    """A query without embeddings is like no track."""
    table = similarity_table([np.zeros((0, 3), np.float32)], [np.eye(3, dtype=np.float32)])
    assert table.tolist() == [[-1.0]]


def test_the_table_is_max_mean_of_each_pair() -> None:
    """Computed together, queries and tracks of many lengths score as each pair does alone."""
    rng = np.random.default_rng(0)
    queries = [rng.normal(size=(m, 8)).astype(np.float32) for m in (1, 3, 5)]
    tracks = [rng.normal(size=(n, 8)).astype(np.float32) for n in (4, 1, 0, 2, 9)]
    table = similarity_table(queries, tracks)
    for q, query in enumerate(queries):
        for r, track in enumerate(tracks):
            assert table[q, r] == pytest.approx(max_mean(query, track) if len(track) else -1.0, abs=1e-5)
