"""Query expansion: who speaks for whom, and how loudly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.query_expansion import expanded


def unasked(key: int) -> float:
    """Every track was compared before."""
    raise AssertionError(key)


def test_a_relative_of_the_best_overtakes_a_better_stranger() -> None:
    """1 is found, 3 is like it: 3 comes before 2."""
    assert expanded({1: 1.0, 2: 0.5, 3: 0.3}, {1: {3: 0.9}, 2: {}, 3: {}}.__getitem__, unasked) == [1, 3, 2]


def test_the_second_speaks_too_and_the_best_stays_first() -> None:
    """3 is like 2 alone; 1 is like nobody, and yet nothing overtakes it."""
    links: dict[int, dict[int, float]] = {1: {}, 2: {3: 5.0, 4: 0.1}}
    assert expanded({1: 0.9, 2: 0.8, 3: 0.1, 4: 0.3}, links.__getitem__, unasked) == [1, 2, 3, 4]


def test_a_link_is_as_strong_as_its_weaker_part() -> None:
    """Who hardly follows the piece cannot speak loudly, whoever is like it."""
    assert expanded({1: 0.1, 2: 0.05, 3: -0.3}, {1: {3: 9.0}, 2: {}}.__getitem__, unasked) == [1, 2, 3]


def test_a_track_that_was_not_compared_yet_is_brought_in() -> None:
    """With what it shows itself."""
    assert expanded({1: 1.0, 2: 0.6}, {1: {7: 0.5}, 7: {}}.__getitem__, lambda key: 0.2) == [1, 7, 2]


@pytest.mark.parametrize("scores", [{}, {5: 0.1}])
def test_few_tracks_are_enough(scores: dict[int, float]) -> None:
    """None, or one."""
    assert expanded(scores, lambda key: {}, unasked) == list(scores)


@given(st.dictionaries(st.integers(0, 9), st.floats(-1, 3), min_size=1), st.data())
def test_nobody_is_lost_and_the_best_is_first(scores: dict[int, float], data: st.DataObject) -> None:
    """Whatever the links say."""
    links = {key: data.draw(st.dictionaries(st.sampled_from(sorted(scores)), st.floats(-1, 3))) for key in scores}
    order = expanded(scores, lambda key: {k: v for k, v in links[key].items() if k != key}, unasked)
    assert sorted(order) == sorted(scores)
    assert order[0] == min(scores, key=lambda key: (-scores[key], key))
