"""Tuning: the deviation of known sounds, and spectra moved to concert pitch."""

from __future__ import annotations

import numpy as np
import pytest

from encoder.training.draw import LEAKAGE
from encoder.tuning import at_concert_pitch, deviation, hann_response, moved


def chords(cents: float, frames: int = 43) -> np.ndarray:
    """Chords of four notes with five harmonics each, a new one in each frame, so far from concert pitch."""
    rng = np.random.default_rng(3)
    bins = np.arange(84)
    power_FT = np.zeros((84, frames))
    for t in range(frames):
        for pitch in rng.choice(np.arange(14, 50), 4, replace=False):
            for h in range(1, 6):
                place = pitch + cents / 100 + 12 * np.log2(h)
                power_FT[:, t] += (0.5 / h * hann_response(place - bins)) ** 2
    return np.sqrt(power_FT).astype(np.float32)


@pytest.mark.parametrize("cents", [-45, -30, -10, 0, 10, 25, 40])
def test_the_deviation_of_chords_is_found(cents: float) -> None:
    """To 5 cents, although their notes overlap and the fifth harmonic is 14 cents flat."""
    assert deviation(chords(cents)) == pytest.approx(cents / 100, abs=0.05)


def test_half_a_semitone_may_be_either() -> None:
    """50 cents above one semitone is 50 cents below the next."""
    assert abs(deviation(chords(50))) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("cents", [-50, -35, -20, 20, 35, 50])
def test_detuned_chords_are_moved_to_those_in_tune(cents: float) -> None:
    """What is moved is far nearer to the chords at concert pitch (or a semitone beside it) than what is not."""
    plain_FT = at_concert_pitch(chords(0))

    def likeness(spectrum_FT: np.ndarray) -> float:
        shifted = (np.roll(spectrum_FT, k, axis=0) for k in (-1, 0, 1))
        return max(float(np.corrcoef(each.ravel(), plain_FT.ravel())[0, 1]) for each in shifted)

    assert likeness(at_concert_pitch(chords(cents))) > 0.99
    if abs(cents) == 50:
        assert likeness(chords(cents)) < 0.95


def test_gain_changes_nothing() -> None:
    """80 dB quieter has the same deviation."""
    assert deviation(1e-4 * chords(33)) == pytest.approx(deviation(chords(33)), abs=1e-4)


def test_what_has_no_pitch_stays() -> None:
    """Silence and a single flat spectrum are at concert pitch; silence stays silence."""
    silence_FT = np.zeros((84, 43), np.float32)
    assert deviation(silence_FT) == 0.0
    assert deviation(np.ones((84, 43), np.float32)) == 0.0
    np.testing.assert_array_equal(at_concert_pitch(silence_FT), silence_FT)


def test_moving_by_nothing_is_the_identity() -> None:
    """Less than half a step moves nothing; a whole step something, and never below 0."""
    spectrum_FT = chords(0)
    assert moved(spectrum_FT, 0.01) is spectrum_FT
    assert moved(spectrum_FT, 0.3).min() >= 0.0


def test_drawing_and_tuning_share_one_lobe() -> None:
    """The drawn spectra that the network learns from have the lobe that tuning assumes."""
    distance = np.arange(-220, 221) / 100
    np.testing.assert_allclose(LEAKAGE, hann_response(distance), atol=1e-6)
