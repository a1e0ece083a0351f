"""Trials: who is in them, and one small one rendered for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoder.training.split import group_of, works
from stream_monitor.trial.world import WorldConfig, build, cast, read_truth


@pytest.mark.parametrize("part", ["validation", "test"])
def test_unknown_works_are_never_enrolled(part: str) -> None:
    """Enrolled and unknown works are apart, all from the part; only enrolled works of the part are played."""
    members = cast(WorldConfig(part=part, tracks=700, enrolled=400))
    own = set(works(part))
    assert len(members.enrolled) == 700 and not set(members.enrolled) & set(members.unknown)
    assert set(members.unknown) <= own and set(members.played) <= own & set(members.enrolled)
    assert len(members.unknown) >= 500


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_tune_of_two_books_is_one_work(part: str) -> None:
    """No unknown work shares its melody with an enrolled one: hearing it would be no false play."""
    members = cast(WorldConfig(part=part, tracks=700, enrolled=400))
    enrolled = {group_of(work) for work in members.enrolled}
    assert not enrolled & {group_of(work) for work in members.unknown}
    assert len(members.enrolled) == 700


def test_a_small_trial_is_written_and_taken_up_again(tmp_path: Path) -> None:
    """Tracks, stations and their truth are written once; a second build finds them all there."""
    config = WorldConfig(
        part="validation", tracks=3, enrolled=3, strange_hours=0.01, mixed_hours=0.04, station_s=40.0, seed=5
    )
    names = list(build(config, tmp_path, workers=1))
    stations = [path for path in (tmp_path / "stations").iterdir() if path.suffix != ".json"]
    stamps = {path: path.stat().st_mtime_ns for path in stations}
    assert len(names) == 3 + len(stations) == 3 + 1 + 4
    for station in stations:
        duration_s, truth = read_truth(station)
        assert duration_s >= 40.0
        assert station.name.startswith("mixed") or truth == []
        assert all(0.0 <= real.start_s < real.end_s <= duration_s + 0.1 for real in truth)
    assert list(build(config, tmp_path, workers=1)) == names
    assert stamps == {path: path.stat().st_mtime_ns for path in stations}
