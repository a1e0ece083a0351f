"""Intervals against sets of samples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.intervals import Interval, append, common, total, union, without

ANY = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)
"""Overlapping, in any order, some of them empty or turned round."""


def samples(intervals: list[Interval]) -> set[int]:
    """Each sample once."""
    return {sample for start, end in intervals for sample in range(start, end)}


def is_tidy(intervals: list[Interval]) -> bool:
    """In order, none of them empty, no two that touch."""
    places = [place for interval in intervals for place in interval]
    return places == sorted(set(places))


@given(any_of=ANY)
def test_a_union_holds_each_sample_once(any_of: list[Interval]) -> None:
    """So what overlaps counts once."""
    joined = union(any_of)
    assert samples(joined) == samples(any_of)
    assert is_tidy(joined)
    assert total(joined) == len(samples(any_of))


@given(one=ANY, other=ANY)
def test_what_two_have_in_common_and_what_one_has_alone(one: list[Interval], other: list[Interval]) -> None:
    """Together they are the one again."""
    first, second = union(one), union(other)
    both, alone = common(first, second), without(first, second)
    assert samples(both) == samples(one) & samples(other)
    assert samples(alone) == samples(one) - samples(other)
    assert total(both) + total(alone) == total(first)


@given(lengths=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=10))
def test_what_is_appended_in_order_stays_tidy(lengths: list[tuple[int, int]]) -> None:
    """Stretches that touch become one."""
    intervals: list[Interval] = []
    expected: set[int] = set()
    at = 0
    for gap, length in lengths:
        append(intervals, (at + gap, at + gap + length))
        expected |= set(range(at + gap, at + gap + length))
        at += gap + length
    assert is_tidy(intervals)
    assert samples(intervals) == expected
