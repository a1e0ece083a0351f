"""Half-open intervals of samples, as lists in order: joined, cut with each other, counted. They know no audio."""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[int, int]


def append(intervals: list[Interval], new: Interval) -> None:
    """Adds an interval at the end of a list, joined with the last one where they touch."""
    if intervals and intervals[-1][1] >= new[0] >= intervals[-1][0]:
        intervals[-1] = (intervals[-1][0], max(intervals[-1][1], new[1]))
    else:
        intervals.append(new)


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same samples as disjoint intervals in order."""
    joined: list[Interval] = []
    for each in sorted(intervals):
        if each[1] > each[0]:
            append(joined, each)
    return joined


def common(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """Samples that are in both of two lists of disjoint intervals in order."""
    found: list[Interval] = []
    i = j = 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            found.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """Samples of `one` that are not in `other`, both disjoint and in order."""
    left: list[Interval] = []
    for start, end in one:
        for hole_start, hole_end in other:
            if hole_end <= start or hole_start >= end:
                continue
            if hole_start > start:
                left.append((start, hole_start))
            start = hole_end
        if start < end:
            left.append((start, end))
    return left


def total(intervals: Iterable[Interval]) -> int:
    """How many samples they hold."""
    return sum(end - start for start, end in intervals)
