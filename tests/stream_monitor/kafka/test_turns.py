"""Turns by time: sides that wait together get the same, whatever their jobs take; nothing is lost or out of order."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.kafka.turns import Turns

seconds = st.lists(st.sampled_from((0.25, 1.0, 64.0)), max_size=30)


@given(st.fixed_dictionaries({"a": seconds, "b": seconds, "c": seconds}), st.integers(1, 4))
def test_sides_that_wait_together_get_the_same_time(wanted: dict[str, list[float]], workers: int) -> None:
    """Of one worker or of several: they are never further apart than their longest jobs, and each side's are in order.

    Workers are free at moments that follow from what they took.
    """
    turns: Turns[tuple[int, float]] = Turns()
    for whose, jobs in wanted.items():
        for job in enumerate(jobs):
            turns.put(whose, job)
    got = dict.fromkeys(wanted, 0.0)
    next_of = dict.fromkeys(wanted, 0)
    busy: list[tuple[float, int, str, float]] = []
    now_s = 0.0
    for taken in range(sum(map(len, wanted.values()))):
        if len(busy) == workers:
            now_s, _, whose, took_s = heapq.heappop(busy)
            turns.done(whose, took_s)
        whose, (place, takes_s) = turns.take()
        assert place == next_of[whose]
        next_of[whose] += 1
        got[whose] += takes_s
        heapq.heappush(busy, (now_s + takes_s, taken, whose, takes_s))
        waits = [each for each, jobs in wanted.items() if next_of[each] < len(jobs)]
        assert all(got[each] >= got[whose] - 3 * 64.0 for each in waits)
    assert next_of == {whose: len(jobs) for whose, jobs in wanted.items()}
    with pytest.raises(LookupError, match="no job waits"):
        turns.take()


def test_one_side_never_has_all_workers_while_another_waits() -> None:
    """Its jobs have taken no time as long as they run."""
    turns: Turns[int] = Turns()
    for job in range(4):
        turns.put("slow", job)
    for job in range(4):
        turns.put("swift", job)
    assert {turns.take()[0] for _ in range(2)} == {"slow", "swift"}
    turns.done("swift", 0.001)
    assert turns.take()[0] == "swift"


def test_who_was_away_has_saved_nothing_up() -> None:
    """A side that comes back does not take all turns until it has had as much as the others."""
    turns: Turns[int] = Turns()
    for job in range(20):
        turns.put("here", job)
    for _ in range(10):
        turns.done(turns.take()[0], 1.0)
    for job in range(10):
        turns.put("back", job)
    order = []
    for _ in range(6):
        whose, _ = turns.take()
        order.append(whose)
        turns.done(whose, 1.0)
    assert order.count("here") >= 2


def test_what_waits_can_be_left() -> None:
    """Each job is given back once, and none is taken any more."""
    turns: Turns[int] = Turns()
    for job in range(3):
        turns.put("one", job)
    assert turns.take() == ("one", 0)
    assert turns.clear() == [1, 2]
    with pytest.raises(LookupError):
        turns.take()
