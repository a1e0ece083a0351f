"""Ranking scores against hand-worked cases and against their definition over every order of ties."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.training.ranking import ScoreError, interval, score_queries


def of(similarity: list[float], right: list[int]) -> tuple[float, ...]:
    scores = score_queries(np.array([similarity], np.float32), np.array([right], np.bool_))
    return tuple(
        float(values[0])
        for values in (
            scores.average_precision, scores.rank_first, scores.reciprocal_rank, scores.top1, scores.top10,
        )
    )  # fmt: skip


def by_definition(similarity: list[float], right: list[int]) -> tuple[float, ...]:
    """The mean over all orders of the tracks that keep the similarities in order."""
    orders = [
        order
        for order in permutations(range(len(similarity)))
        if all(similarity[a] >= similarity[b] for a, b in pairwise(order))
    ]
    totals = [Fraction(0)] * 5
    for order in orders:
        ranks = [place for place, track in enumerate(order, 1) if right[track]]
        values = (
            sum(Fraction(n, rank) for n, rank in enumerate(ranks, 1)) / len(ranks),
            Fraction(ranks[0]),
            Fraction(1, ranks[0]),
            Fraction(ranks[0] == 1),
            Fraction(ranks[0] <= 10),
        )
        totals = [total + value for total, value in zip(totals, values, strict=True)]
    return tuple(float(total / len(orders)) for total in totals)


def test_by_hand() -> None:
    """Hits at ranks 1 and 3 of four: (1 + 2/3) / 2; a first hit at rank 11 is not among the first ten."""
    assert of([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]) == pytest.approx((5 / 6, 1, 1, 1, 1))
    late = [1 - n / 100 for n in range(11)]
    assert of(late, [0] * 10 + [1]) == pytest.approx((1 / 11, 11, 1 / 11, 0, 0))


def test_ties_by_hand() -> None:
    """One hit of two that are equally alike: rank 1 or 2 with equal chance."""
    assert of([0.5, 0.5], [1, 0]) == pytest.approx((0.75, 1.5, 0.75, 0.5, 1.0))
    chance = 10 / 20  # one right of twenty tracks at similarity 0, which the first stage did not name
    assert of([0.0] * 20, [1] + [0] * 19)[4] == pytest.approx(chance)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=6))
def test_the_definition(tracks: list[tuple[int, int]]) -> None:
    """Few levels, so many ties."""
    similarity, right = [float(level) for level, _ in tracks], [hit for _, hit in tracks]
    if any(right):
        assert of(similarity, right) == pytest.approx(by_definition(similarity, right))


def test_the_querys_own_recording_is_left_out() -> None:
    """It stands in no ranking, though it is right."""
    assert of([float("-inf"), 0.9, 0.8], [1, 0, 1]) == pytest.approx((0.5, 2, 0.5, 0, 1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    """A NaN must never rank first."""
    with pytest.raises(ScoreError, match="not finite"):
        of([bad, 0.1], [1, 0])


def test_a_query_without_an_answer_is_refused() -> None:
    """How many is told."""
    with pytest.raises(ScoreError, match="1 of 1 queries have no right track"):
        of([0.1, float("-inf")], [0, 1])


def test_an_interval_covers_and_groups_widen_it() -> None:
    """Nine equal cuts of a recording are one piece of evidence, not nine."""
    rng = np.random.default_rng(0)
    each = rng.random(40)
    value_Q = np.repeat(each, 9)
    alone = interval(value_Q)
    grouped = interval(value_Q, [n // 9 for n in range(len(value_Q))])
    assert alone.mean == grouped.mean == pytest.approx(each.mean())
    assert grouped.low < alone.low < alone.mean < alone.high < grouped.high
    assert grouped == interval(value_Q, [str(n // 9) for n in range(len(value_Q))])
    with pytest.raises(ScoreError, match="no query"):
        interval(np.zeros(0))
