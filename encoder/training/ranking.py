"""Scores of rankings by similarity: average precision, rank of the first hit, top-1, top-10, query by query.

Tracks that are equally alike stand in no order: every score is its expected value over all orders of them. It knows
nothing of embeddings or of how similarities come about.

Shapes: Q queries, R tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from encoder.errors import EncoderError

Array = NDArray[np.float32]
TOP = 10


class ScoreError(EncoderError):
    """Scores that cannot be ranked: not finite, or no right answer for a query."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QueryScores:
    """How each query fared, float64 [Q] each.

    Attributes:
        average_precision: Over all right tracks of the query.
        rank_first: Rank of the first right track; 1 is best.
        reciprocal_rank: 1 / rank of the first right track.
        top1: Probability that the first track is right.
        top10: Probability that one of the first ten is.
    """

    average_precision: NDArray[np.float64]
    rank_first: NDArray[np.float64]
    reciprocal_rank: NDArray[np.float64]
    top1: NDArray[np.float64]
    top10: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A mean and the 95% interval of it that resampling gives."""

    mean: float
    low: float
    high: float


def score_queries(similarity_QR: Array, right_QR: NDArray[np.bool_]) -> QueryScores:
    """Scores each query's ranking.

    Args:
        similarity_QR: Higher is more alike; −inf leaves a track out (the query's own recording). In a two-stage search
            a track that the first stage did not name has 0 (paper, section 3.1).
        right_QR: True where the track is of the query's work.

    Raises:
        ScoreError: A similarity is NaN or +inf, or a query has no right track.
    """
    if np.isnan(similarity_QR).any() or np.isposinf(similarity_QR).any():
        raise ScoreError("similarities are not finite; the network has diverged")
    right_QR = right_QR & np.isfinite(similarity_QR)
    without = int((~right_QR.any(axis=1)).sum())
    if without:
        raise ScoreError(f"{without} of {len(right_QR)} queries have no right track")
    rows = [_score(similarity_R, right_R) for similarity_R, right_R in zip(similarity_QR, right_QR, strict=True)]
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    return QueryScores(
        average_precision=columns[0],
        rank_first=columns[1],
        reciprocal_rank=columns[2],
        top1=columns[3],
        top10=columns[4],
    )


def interval(
    value_Q: NDArray[np.float64], group_Q: Sequence[object] | None = None, *, resamples: int = 2000, seed: int = 1
) -> Figure:
    """Mean over queries with a bootstrap interval.

    Args:
        value_Q: One of the arrays of `QueryScores`.
        group_Q: Queries of one group are drawn together, for they fare alike: cuts of one recording, or one work. None
            takes each query for itself.
        resamples: Draws.
        seed: Of the draws.

    Raises:
        ScoreError: There is no query.
    """
    if len(value_Q) == 0:
        raise ScoreError("there is no query to take a mean of")
    names = list(range(len(value_Q))) if group_Q is None else list(group_Q)
    place = {name: n for n, name in enumerate(dict.fromkeys(names))}
    group = np.array([place[name] for name in names])
    sum_G = np.bincount(group, weights=value_Q)
    count_G = np.bincount(group).astype(np.float64)
    draw_BG = np.random.default_rng(seed).integers(0, len(sum_G), (resamples, len(sum_G)))
    mean_B = sum_G[draw_BG].sum(axis=1) / count_G[draw_BG].sum(axis=1)
    low, high = np.quantile(mean_B, [0.025, 0.975])
    return Figure(mean=float(value_Q.mean()), low=float(low), high=float(high))


def _score(similarity_R: Array, right_R: NDArray[np.bool_]) -> tuple[float, float, float, float, float]:
    """Expected average precision, first rank, reciprocal rank, top-1 and top-10 of one query."""
    kept_R = np.isfinite(similarity_R)
    _, level_R = np.unique(-similarity_R[kept_R], return_inverse=True)
    size_L = np.bincount(level_R)
    hits_L = np.bincount(level_R, weights=right_R[kept_R]).astype(np.int64)
    precision, before, found = 0.0, 0, 0
    first: tuple[int, int, int] | None = None
    for size, hits in zip(size_L.tolist(), hits_L.tolist(), strict=True):
        if hits:
            first = first or (before, size, hits)
            # A right track at place k of a level has, among the k − 1 before it there, the level's own share of others.
            place_K = np.arange(size)
            others_K = place_K * (hits - 1) / max(1, size - 1)
            precision += float((hits / size * (found + 1 + others_K) / (before + place_K + 1)).sum())
        before, found = before + size, found + hits
    if first is None:
        raise ScoreError("a query has no right track")
    return precision / found, *_first(*first)


def _first(before: int, size: int, hits: int) -> tuple[float, float, float, float]:
    """Expected rank of the first hit, its reciprocal, and the chances that it is the first or among the first ten.

    Args:
        before: Tracks that are surely ahead, none of them right.
        size: Tracks of the level that has the first hit.
        hits: Right ones of it.
    """
    rank = before + (size + 1) / (hits + 1)
    orders = comb(size, hits)
    chance_K = [comb(size - k, hits - 1) / orders for k in range(1, size - hits + 2)]
    reciprocal = sum(chance / (before + k) for k, chance in enumerate(chance_K, 1))
    return rank, reciprocal, sum(chance_K[: max(0, 1 - before)]), sum(chance_K[: max(0, TOP - before)])
