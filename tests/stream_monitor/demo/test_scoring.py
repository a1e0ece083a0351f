"""Scoring of plays against a hand-worked truth."""

from __future__ import annotations

import pytest

from stream_monitor.demo.scoring import Appearance, compare, score


def item(work: str, start_s: float, end_s: float) -> Appearance:
    return Appearance(work_id=work, start_s=start_s, end_s=end_s, how="version")


@pytest.mark.parametrize(
    ("plays", "words", "rate"),
    [
        ([item("a", 12.0, 98.0)], ["right"], 1.0),
        ([item("a", 15.1, 98.0)], ["inexact"], 0.0),
        ([item("b", 10.0, 100.0)], ["missed", "extra"], 0.0),
        ([item("a", 10.0, 50.0), item("a", 52.0, 100.0)], ["inexact", "extra"], 0.0),
        ([item("a", 10.0, 100.0), item("b", 10.0, 100.0)], ["right", "extra"], 0.5),
        ([], ["missed"], 0.0),
    ],
)
def test_one_true_appearance_from_10_to_100_s(plays: list[Appearance], words: list[str], rate: float) -> None:
    """Right needs the work and both ends within 5 s; a second play of the same stretch is one too many."""
    verdicts = compare([item("a", 10.0, 100.0)], plays)
    assert [verdict.word for verdict in verdicts] == words and score(verdicts).rate == rate


def test_the_same_work_twice_is_paired_by_overlap() -> None:
    """Two appearances of one work are each paired with the play that overlaps them."""
    verdicts = compare([item("a", 0.0, 60.0), item("a", 60.0, 120.0)], [item("a", 61.0, 119.0), item("a", 1.0, 61.0)])
    assert [verdict.word for verdict in verdicts] == ["right", "right"]


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    """A silent station with no plays scores 1."""
    assert score(compare([], [])).rate == 1.0
