"""What is told about trials, on hearings made by hand."""

from __future__ import annotations

import pytest

from encoder.grid import SAMPLE_RATE
from stream_monitor.confidence import PlayFeatures
from stream_monitor.demo.scoring import Appearance
from stream_monitor.plays import PlayChange, PlayedTrack
from stream_monitor.segments import StreamKey
from stream_monitor.trial.hearing import Hearing
from stream_monitor.trial.picture import curves
from stream_monitor.trial.verdict import judge, separation, trust


def hearing(station: str, *plays: tuple[str, float], truth: str | None = None) -> Hearing:
    """An hour; plays are (work, confidence), each 100 s long, and `truth` is the work that is on the air."""
    heard = Hearing(station=station, duration_s=3600.0, truth=[])
    for number, (work, confidence) in enumerate(plays):
        start_s = 200.0 * number
        if work == truth:
            heard.truth.append(Appearance(work_id=work, start_s=start_s, end_s=start_s + 100.0, how="recording"))
        heard.plays[number, 0] = PlayChange(
            stream=StreamKey(kind="upload", stream_id=station),
            track=PlayedTrack(track_key=number, track_id=work, work_id=work, duration_samples=200 * SAMPLE_RATE),
            first_chunk=0,
            revision=1,
            status="final",
            reason="test",
            confidence=confidence,
            features=PlayFeatures.of(
                ordered=1.0, margin=1.0, chunks=3, strength=3.0, density=3.0, recording=0.0, embeddings=1000
            ),
            score=0.5,
            match_type="recording",
            start_sample=round(start_s * SAMPLE_RATE),
            end_sample=round((start_s + 100.0) * SAMPLE_RATE),
            track_start_sample=0,
            track_end_sample=100 * SAMPLE_RATE,
            transposition_semitones=0,
            tempo_ratio=1.0,
            gaps=(),
            alternatives=(),
            decided_sample=0,
        )
    return heard


SMALL = [hearing("a", ("w", 0.9), ("w", 0.8), truth="w"), hearing("b")]
LARGE = [hearing("c", ("w", 0.9), truth="w"), hearing("d", ("v", 0.6))]


def test_a_trial_is_judged_by_its_plays() -> None:
    """False plays are counted over the hours without enrolled works and over all; right ones make the share."""
    told = judge(LARGE, 0.5)
    assert told["strange"]["false_plays"] == told["all"]["false_plays"] == 1
    assert (told["strange"]["hours"], told["all"]["hours"]) == (1.0, 2.0)
    assert (told["plays"], told["right_share"]) == (2, 0.5)
    assert told["ece"] == pytest.approx((0.1 + 0.6) / 2)


def test_trust_pools_the_plays_of_trials() -> None:
    """Share and calibration error of several trials are those of all their plays, not means of means."""
    pooled = trust([*SMALL, *LARGE])
    assert pooled["plays"] == sum(part["plays"] for part in pooled["reliability"]) == 4
    assert pooled["right_share"] == 0.75
    assert pooled["ece"] == pytest.approx((0.1 + 0.2 + 0.1 + 0.6) / 4)


def test_without_plays_nothing_is_said_of_trust() -> None:
    """No plays: no share, no curve."""
    assert trust([hearing("b")]) == {"plays": 0, "right_share": None, "ece": 0.0, "reliability": []}


def test_every_trial_has_a_curve_of_its_own() -> None:
    """Curves are named by the size of the catalogue, also where two have one size; one trial needs no second curve."""
    worlds = [{"tracks": tracks, "reliability": [{"plays": plays}]} for tracks, plays in [(10, 1), (10, 2), (100, 3)]]
    pooled = {"reliability": [{"plays": 6}]}
    assert {name: curve[0]["plays"] for name, curve in curves(worlds, pooled).items()} == {
        "10 tracks": 1,
        "10 tracks, trial 2": 2,
        "100 tracks": 3,
        "all": 6,
    }
    assert list(curves(worlds[2:], pooled)) == ["100 tracks"]


def test_separation_counts_what_is_surer_than_the_false_plays_let_through() -> None:
    """One false play in ten hours: of two in twenty hours the surer is let through, plays up to the other are not."""
    quiet = [hearing(f"quiet {n}") for n in range(8)]
    wrong = [hearing("x", ("v", 0.7)), hearing("y", ("v", 0.6))]
    true = hearing("z", ("w", 0.9), ("w", 0.65), ("w", 0.6), truth="w")
    told = separation([*quiet, *wrong, true])
    assert told is not None
    assert (told["above"], told["false_plays"], told["hours"]) == (0.6, 1, 10.0)
    assert told["recording"] == {"true": 3, "found": 2}
    assert separation([true]) is None
