"""Alignment of covers: place, key, tempo, gaps and strength, on played bands."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from encoder.grid import SAMPLE_RATE
from encoder.sketch import sketch
from stream_monitor.alignment import AlignmentConfig, Anchor, Features, align, features, strengths
from tests.stream_monitor import band

TRACK_S = 60.0


@cache
def track(seed: int) -> Features:
    return features(sketch(band.frames(band.play(band.work(seed, 120), seed=seed))))


def cover(seed: int, *, beat_s: float, semitones: int) -> npt.NDArray[np.float32]:
    return band.play(
        band.work(seed, 120), beat_s=beat_s, semitones=semitones, melody=band.BRIGHT, chords=band.WARM, seed=seed + 50
    )


def heard(*pieces: npt.NDArray[np.float32]) -> Features:
    return features(sketch(band.frames(np.concatenate(pieces))))


def seconds(sample: int) -> float:
    return sample / SAMPLE_RATE


@pytest.mark.parametrize(("beat_s", "semitones"), [(0.5, 0), (0.42, 5), (0.62, -4)])
def test_a_cover_is_placed_within_two_seconds(beat_s: float, semitones: int) -> None:
    """Another key, tempo and band, with talk before and another work behind: place, key and tempo come out right."""
    music_S = cover(1, beat_s=beat_s, semitones=semitones)
    found = align(heard(band.talk(3, 15.0), music_S, band.play(band.work(9, 50), seed=9)), track(1))
    assert found is not None
    assert seconds(found.stream_start_sample) == pytest.approx(15.0, abs=2.0)
    assert seconds(found.stream_end_sample) == pytest.approx(15.0 + 120 * beat_s, abs=2.0)
    assert seconds(found.track_start_sample) == pytest.approx(0.0, abs=2.0)
    assert seconds(found.track_end_sample) == pytest.approx(TRACK_S, abs=2.0)
    assert found.transposition_semitones == semitones
    assert found.tempo_ratio == pytest.approx(0.5 / beat_s, rel=0.03)
    assert found.gaps == ()


def test_an_excerpt_is_placed_inside_the_track() -> None:
    """Twenty seconds from the middle are found where they come from."""
    music_S = cover(2, beat_s=0.5, semitones=3)[20 * SAMPLE_RATE : 40 * SAMPLE_RATE]
    found = align(heard(music_S), track(2))
    assert found is not None
    assert seconds(found.track_start_sample) == pytest.approx(20.0, abs=2.0)
    assert seconds(found.track_end_sample) == pytest.approx(40.0, abs=2.0)


def test_a_true_cover_is_stronger_than_other_works() -> None:
    """The strength of the right track is several times that of each other one."""
    stream = heard(cover(1, beat_s=0.45, semitones=2)[: 40 * SAMPLE_RATE])
    right = align(stream, track(1))
    assert right is not None
    for seed in range(2, 7):
        wrong = align(stream, track(seed))
        assert wrong is None or wrong.strength < right.strength / 3


def test_talk_in_the_middle_is_a_gap_and_no_end() -> None:
    """Eight seconds of talk instead of the music leave one play with one gap."""
    music_S = cover(3, beat_s=0.5, semitones=-2).copy()
    music_S[25 * SAMPLE_RATE : 33 * SAMPLE_RATE] = band.talk(5, 8.0)
    found = align(heard(music_S), track(3))
    assert found is not None
    assert seconds(found.stream_start_sample) == pytest.approx(0.0, abs=2.0)
    assert seconds(found.stream_end_sample) == pytest.approx(60.0, abs=2.0)
    assert len(found.gaps) == 1
    assert seconds(found.gaps[0][0]) == pytest.approx(25.0, abs=2.5)
    assert seconds(found.gaps[0][1]) == pytest.approx(33.0, abs=2.5)


def test_a_left_out_verse_is_one_play() -> None:
    """A cover without its third quarter is one alignment of two stretches, whose second lies later in the track."""
    music_S = cover(4, beat_s=0.5, semitones=1)
    found = align(heard(music_S[: 30 * SAMPLE_RATE], music_S[45 * SAMPLE_RATE :]), track(4))
    assert found is not None
    assert seconds(found.stream_end_sample - found.stream_start_sample) == pytest.approx(45.0, abs=3.0)
    assert seconds(found.track_end_sample) == pytest.approx(TRACK_S, abs=2.0)


def test_an_anchor_keeps_to_its_place() -> None:
    """Where a work comes twice, the anchor says which one is meant."""
    music_S = cover(5, beat_s=0.5, semitones=0)
    part_S = music_S[10 * SAMPLE_RATE : 35 * SAMPLE_RATE]
    stream = heard(part_S, band.talk(1, 20.0), part_S)
    for stream_s in (10.0, 55.0):
        anchor = Anchor(
            stream_sample=round(stream_s * SAMPLE_RATE),
            track_sample=20 * SAMPLE_RATE,
            half_width_samples=3 * SAMPLE_RATE,
        )
        found = align(stream, track(5), anchor=anchor)
        assert found is not None
        assert found.stream_start_sample <= anchor.stream_sample <= found.stream_end_sample


def test_a_stream_that_begins_late_keeps_its_own_clock() -> None:
    """A sketch from row 1000 on gives the same place, 1000 rows later."""
    rows_NF = sketch(band.frames(cover(1, beat_s=0.5, semitones=0)[: 30 * SAMPLE_RATE]))
    early, late = align(features(rows_NF), track(1)), align(features(rows_NF, 1000), track(1))
    assert early is not None
    assert late is not None
    assert late.stream_end_sample - early.stream_end_sample == 1000 * 2048
    assert late.track_end_sample == early.track_end_sample


def test_silence_and_scraps_have_no_place() -> None:
    """Nothing sounding, or less than two seconds, gives no alignment."""
    assert align(features(np.zeros((400, 84), np.uint8)), track(1)) is None
    assert align(heard(cover(1, beat_s=0.5, semitones=0)[:SAMPLE_RATE]), track(1)) is None


def test_below_the_least_strength_nothing_fits() -> None:
    """What another transposition explains nearly as well has no place, however high it scores."""
    stream = heard(cover(1, beat_s=0.5, semitones=0)[: 20 * SAMPLE_RATE])
    found = align(stream, track(1))
    assert found is not None
    assert align(stream, track(1), config=AlignmentConfig(least_strength=found.strength - 0.01)) is not None
    assert align(stream, track(1), config=AlignmentConfig(least_strength=found.strength + 0.01)) is None


def test_an_anchors_band_is_the_whole_where_it_is_wide() -> None:
    """Cropping to a band changes no score: one that covers the track gives those of no anchor at all."""
    stream = heard(cover(2, beat_s=0.45, semitones=4)[10 * SAMPLE_RATE : 40 * SAMPLE_RATE])
    wide = Anchor(stream_sample=0, track_sample=0, half_width_samples=200 * SAMPLE_RATE)
    np.testing.assert_allclose(strengths(stream, track(2), anchor=wide), strengths(stream, track(2)), atol=1e-3)
    near = Anchor(stream_sample=0, track_sample=10 * SAMPLE_RATE, half_width_samples=2 * SAMPLE_RATE)
    np.testing.assert_array_less(strengths(stream, track(2), anchor=near) - 1e-3, strengths(stream, track(2)))
