"""The same recording several times in a row is as many plays, however short it is."""

from __future__ import annotations

from functools import cache

import pytest

from stream_monitor.evidence import Verification
from stream_monitor.plays import TrackerStep
from tests.fakes.listening import Listening, listen, seconds
from tests.fakes.world import Aired, World, WorldVerifier


@cache
def _world(seconds: tuple[int, int] = (120, 240)) -> World:
    return World(80, seed=1, seconds=seconds)


def _again(work: int, lead_s: int, length_s: int, times: int, *, cover: float = 0.0) -> list[Aired]:
    """A work so many times in a row, without a pause."""
    return [
        Aired(start_s=start, end_s=start + length_s, work=work, track_key=work, cover=cover)
        for start in range(lead_s, lead_s + times * length_s, length_s)
    ]


def _check(heard: Listening, aired: list[Aired]) -> None:
    assert [change.track.track_key for change in heard.final] == [play.track_key for play in aired]
    assert len({change.first_chunk for change in heard.final}) == len(aired)
    for change, play in zip(heard.final, aired, strict=True):
        assert seconds(change) == pytest.approx((play.start_s, play.end_s), abs=5)


@pytest.mark.parametrize("lead_s", [0, 7, 28])
@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("length_s", [30, 45, 60])
def test_the_beginning_of_a_track_again_at_once_is_another_play(length_s: int, times: int, lead_s: int) -> None:
    """The first seconds of a long track, twice or three times without a pause: as many plays, no id twice."""
    aired = _again(0, lead_s, length_s, times)
    _check(listen(_world(), aired, lead_s + times * length_s + 30), aired)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("length_s", [30, 37, 45])
def test_a_whole_short_track_again_at_once_is_another_play(length_s: int, times: int) -> None:
    """Tracks of half a minute: each time they are played is a play of its own."""
    aired = _again(5, 14, length_s, times)
    _check(listen(_world((length_s, length_s + 1)), aired, 14 + times * length_s + 40), aired)


def test_plays_in_a_row_are_told_at_the_end_of_the_stream() -> None:
    """A stream that ends with the second of two short plays tells both."""
    aired = _again(7, 7, 37, 2)
    heard = listen(_world(), aired, 81)
    _check(heard, aired)
    assert heard.final[-1].reason == "end of stream"


def test_a_version_without_a_pause_goes_on_as_one_play() -> None:
    """Versions may repeat their whole form, so a cover twice without a pause is one play."""
    aired = _again(9, 20, 70, 2, cover=1.2)
    heard = listen(_world(), aired, 220)
    assert [change.match_type for change in heard.final] == ["version"]
    assert seconds(heard.final[0]) == pytest.approx((20, 160), abs=12)


@pytest.mark.parametrize(("length_s", "times", "cover"), [(80, 1, 0.0), (80, 2, 0.0), (90, 1, 1.2), (37, 3, 0.0)])
def test_no_stretch_is_aligned_twice_for_one_question(
    length_s: int, times: int, cover: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a play goes on and where it ends rest on one alignment of the whole play, also when it ends."""
    questions: list[tuple[object, ...]] = []
    verify, take = WorldVerifier.verify, Listening.take

    def counted(
        verifier: WorldVerifier, track: int, start: int, end: int, *, anchor: tuple[int, int] | None = None
    ) -> Verification | None:
        questions.append((track, start, end, anchor))
        return verify(verifier, track, start, end, anchor=anchor)

    def taken(heard: Listening, step: TrackerStep) -> None:
        assert len(set(questions)) == len(questions)
        questions.clear()
        take(heard, step)

    monkeypatch.setattr(WorldVerifier, "verify", counted)
    monkeypatch.setattr(Listening, "take", taken)
    aired = _again(3, 10, length_s, times, cover=cover)
    assert listen(_world(), aired, 10 + times * length_s + 90).final
