"""Plays of a simulated station are those that were aired, told in good time and in lawful revisions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.grid import SAMPLE_RATE
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_config import TrackerConfig
from tests.fakes.listening import Listening, listen, seconds
from tests.fakes.world import Aired, World


@cache
def _world() -> World:
    """Eighty works of two to four minutes."""
    return World(80, seed=1)


def _recording(work: int, start_s: float, length_s: float, *, track_start_s: float = 0.0) -> Aired:
    return Aired(start_s=start_s, end_s=start_s + length_s, work=work, track_key=work, track_start_s=track_start_s)


def test_a_recording_is_told_early_and_ends_once() -> None:
    """A play is told within 20 s, updated at most every 30 s, and final with its true boundaries."""
    heard = listen(_world(), [_recording(5, 43, 100)], 240)
    assert [change.status for change in heard.changes] == ["provisional", "updated", "updated", "updated", "final"]
    first, last = heard.changes[0], heard.changes[-1]
    assert first.decided_sample / SAMPLE_RATE - 43 <= 20
    assert seconds(last) == pytest.approx((43, 143), abs=2)
    assert last.track.track_id == "t5"
    assert last.match_type == "recording"
    assert last.track_start_sample is not None
    assert last.track_start_sample / SAMPLE_RATE == pytest.approx(0, abs=2)
    assert last.tempo_ratio == pytest.approx(1.0)


def test_a_cover_at_another_tempo_is_a_version() -> None:
    """A cover is told with its tempo, and the place in the track follows it."""
    play = Aired(start_s=60, end_s=150, work=9, track_key=9, tempo=1.15, cover=1.2)
    heard = listen(_world(), [play], 240)
    assert [change.track.track_id for change in heard.final] == ["t9"]
    last = heard.final[0]
    assert last.match_type == "version"
    assert last.tempo_ratio == pytest.approx(1.15)
    assert seconds(last) == pytest.approx((60, 150), abs=5)
    assert last.track_end_sample is not None
    assert last.track_end_sample / SAMPLE_RATE == pytest.approx(90 * 1.15, abs=6)


def test_music_that_nobody_enrolled_gives_no_play() -> None:
    """Half an hour of unknown works of the same styles gives nothing."""
    assert listen(_world(), [], 1800).changes == []


def test_first_events_come_in_time() -> None:
    """Over a day's worth of plays: recordings at median 20 s and p95 30 s, covers at 30 s and 50 s."""
    world, late = _world(), {True: [], False: []}  # type: dict[bool, list[float]]
    rng = np.random.default_rng(2)
    for seed in range(6):
        aired, now = [], 20
        for _ in range(5):
            work, length, cover = int(rng.integers(80)), int(rng.integers(60, 110)), float(rng.choice([0.0, 1.2]))
            aired.append(Aired(start_s=now, end_s=now + length, work=work, track_key=work, cover=cover))
            now += length + int(rng.integers(20, 50))
        heard = listen(world, aired, now + 20, seed=seed)
        for play in aired:
            told = [c for c in heard.changes if c.track.track_key == play.track_key and c.revision == 0]
            late[play.cover > 0].append(min(c.decided_sample / SAMPLE_RATE for c in told) - play.start_s)
    assert np.median(late[False]) <= 20
    assert np.percentile(late[False], 95) <= 30
    assert np.median(late[True]) <= 30
    assert np.percentile(late[True], 95) <= 50


def test_the_same_track_twice_in_a_row_is_two_plays() -> None:
    """Where the place in the track jumps back to the beginning, one play ends and another one begins."""
    heard = listen(_world(), [_recording(7, 30, 70), _recording(7, 100, 70)], 220)
    assert [change.track.track_id for change in heard.final] == ["t7", "t7"]
    assert seconds(heard.final[0]) == pytest.approx((30, 100), abs=5)
    assert seconds(heard.final[1]) == pytest.approx((100, 170), abs=5)


def test_a_cut_inside_a_track_is_one_play() -> None:
    """An edit that leaves out a part of the track jumps forward in it: still one play, to its end, within 10 s."""
    aired = [_recording(7, 30, 50), _recording(7, 80, 50, track_start_s=85)]
    heard = Listening(world=_world(), aired=[Aired(start_s=30, end_s=130, work=7, track_key=7)])
    heard.hear(_world().stream_seconds(aired, 200))
    heard.check()
    assert len(heard.final) == 1
    assert seconds(heard.final[0]) == pytest.approx((30, 130), abs=10)


def test_a_short_silence_is_a_gap_of_one_play() -> None:
    """Silence inside a play is listed as its gap, as the alignment places it."""
    play = replace(_recording(11, 20, 110), gaps_s=((70.0, 95.0),))
    heard = Listening(world=_world(), aired=[play])
    second_SD = _world().stream_seconds([play], 200)
    second_SD[70:95] = 0.0
    heard.hear(second_SD)
    heard.check()
    assert len(heard.final) == 1
    assert len(heard.final[0].gaps) == 1
    start, end = heard.final[0].gaps[0]
    assert (start / SAMPLE_RATE, end / SAMPLE_RATE) == pytest.approx((70, 95), abs=1)


def test_chunks_alone_place_a_gap_within_some_seconds() -> None:
    """Where alignment says nothing about it, a gap is where the chunks fail."""
    play = replace(_recording(11, 20, 110), cover=0.3)
    heard = Listening(world=_world(), aired=[play], config=TrackerConfig(boundary_strength=100.0))
    second_SD = _world().stream_seconds([play], 200)
    second_SD[70:95] = 0.0
    heard.hear(second_SD)
    heard.check()
    start, end = heard.final[0].gaps[0]
    assert (start / SAMPLE_RATE, end / SAMPLE_RATE) == pytest.approx((70, 95), abs=10)


def test_two_plays_apart_are_two_plays() -> None:
    """The same track again after two minutes of other music is another play with another first chunk."""
    heard = listen(_world(), [_recording(11, 20, 60), _recording(11, 200, 60)], 320)
    assert len(heard.final) == 2
    assert len({change.first_chunk for change in heard.final}) == 2


def test_another_recording_of_the_work_is_an_alternative() -> None:
    """Two recordings of a work that both match are one play; the one that is not played is its alternative."""
    world = World(40, seed=4)
    world.enrol(1000, 3, differs=0.6)
    heard = listen(world, [_recording(3, 40, 90)], 200)
    assert [change.track.track_id for change in heard.final] == ["t3"]
    assert [other.track_id for other in heard.final[0].alternatives] == ["t1000"]
    assert any("another recording" in d.reason for step in heard.steps for d in step.decisions)


def test_a_look_alike_is_suppressed_with_a_reason() -> None:
    """Another work almost like the one that plays does not open beside it, and the step says why."""
    world = World(40, seed=4)
    world.enrol(1000, 3, differs=0.6)
    world.tracks[1000] = replace(world.tracks[1000], work_id="look-alike")
    heard = listen(world, [_recording(3, 40, 90)], 200)
    assert [change.track.track_id for change in heard.final] == ["t3"]
    reasons = {d.reason for step in heard.steps for d in step.decisions if d.track_key == 1000}
    assert reasons
    assert all(reason for reason in reasons)


def test_two_recordings_at_once_are_two_plays() -> None:
    """A long overlap of two recordings, each proven by its peaks, gives both."""
    world = _world()
    aired = [_recording(21, 20, 120), _recording(33, 60, 120)]
    second_SD = world.stream_seconds(aired, 240)
    second_SD[60:140] = (world.path[21][40:120] + world.path[33][0:80]) / 1.4
    heard = Listening(world=world, aired=aired)
    heard.hear(second_SD)
    heard.check()
    assert {change.track.track_id for change in heard.final} == {"t21", "t33"}


def test_the_end_of_the_stream_ends_all_plays() -> None:
    """What is open at the end of a stream gets its final event there, with the reason that was given."""
    heard = listen(_world(), [_recording(13, 50, 100)], 120)
    assert heard.final[0].reason == "end of stream"
    assert heard.final[0].end_sample / SAMPLE_RATE == pytest.approx(120, abs=2)
    assert heard.tracker.open_tracks == frozenset()


def test_a_removed_tracks_play_is_retracted_and_others_stay() -> None:
    """Removing a track retracts its play with the reason and touches no other one."""
    world = _world()
    aired = [_recording(21, 20, 120), _recording(33, 60, 120)]
    second_SD = world.stream_seconds(aired, 130)
    second_SD[60:130] = (world.path[21][40:110] + world.path[33][0:70]) / 1.4
    heard = Listening(world=world, aired=aired)
    heard.hear(second_SD, finish=False)
    assert heard.tracker.open_tracks == {21, 33}
    heard.take(heard.tracker.remove_track(21))
    assert (heard.changes[-1].status, heard.changes[-1].reason) == ("retracted", "track removed from the catalogue")
    assert heard.tracker.open_tracks == {33}
    assert heard.tracker.remove_track(55).changes == ()


def test_a_play_goes_on_in_a_new_epoch() -> None:
    """After a reconnect a play keeps the epoch, the start and the clock in which it opened."""
    world = _world()
    play = _recording(17, 30, 110)
    second_SD = world.stream_seconds([play], 200)
    heard = Listening(world=world, aired=[play])
    heard.hear(second_SD[:80], finish=False)
    later = StreamKey(kind="broadcast", stream_id="fm-1", epoch=80_000)
    heard.tracker.continue_as(later, 80 * SAMPLE_RATE)
    heard.stream = later
    heard.tracker._placing.verifier.aired = [replace(play, start_s=-50, end_s=60)]  # type: ignore[attr-defined]
    heard.hear(second_SD[80:], finish=True)
    heard.check()
    last = heard.final[0]
    assert len(heard.final) == 1
    assert last.stream.epoch == 0
    assert seconds(last) == pytest.approx((30, 140), abs=6)


def test_short_plays_are_retracted() -> None:
    """A play under `min_play_s` ends retracted, and says so."""
    heard = listen(_world(), [_recording(13, 60, 25)], 160, config=TrackerConfig(min_play_s=40.0))
    assert heard.final == []
    assert heard.changes[-1].status == "retracted"
    assert "shorter than 40 s" in heard.changes[-1].reason


def test_every_decision_has_a_reason() -> None:
    """Each change and each thing kept or rejected says why."""
    heard = listen(_world(), [_recording(13, 60, 80)], 200)
    assert all(change.reason for change in heard.changes)
    decisions = [decision for step in heard.steps for decision in step.decisions]
    assert {decision.outcome for decision in decisions} >= {"kept"}
    assert all(decision.reason for decision in decisions)


timelines = st.lists(
    st.tuples(st.integers(0, 79), st.integers(30, 110), st.sampled_from([0, 0, 12, 40, 75])), min_size=1, max_size=4
)


@settings(max_examples=25, deadline=None)
@given(timeline=timelines, lead=st.integers(0, 60), restarts=st.frozensets(st.integers(0, 50), max_size=3))
def test_plays_are_the_timeline_whatever_the_restarts(
    timeline: list[tuple[int, int, int]], lead: int, restarts: frozenset[int]
) -> None:
    """Any programme of recordings gives just its plays within 5 s, and restarts from snapshots change nothing."""
    aired, now = [], lead
    for work, length, pause in timeline:
        aired.append(_recording(work, now, length))
        now += length + pause
    second_SD = _world().stream_seconds(aired, now + 30)
    straight, restarted = Listening(world=_world(), aired=aired), Listening(world=_world(), aired=aired)
    straight.hear(second_SD)
    straight.check()
    restarted.hear(second_SD, restart_at=restarts)
    assert restarted.changes == straight.changes
    assert [change.track.track_key for change in straight.final] == [play.work for play in aired]
    for change, play in zip(straight.final, aired, strict=True):
        assert seconds(change) == pytest.approx((play.start_s, play.end_s), abs=5)
