"""What is fitted is what the numbers hold, and what is checked is checked by hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest

from stream_monitor.calibration import (
    expected_calibration_error,
    false_play_rate,
    fit_confidence,
    fit_null,
    reliability,
    threshold_at,
)
from stream_monitor.confidence import FEATURES, PlayFeatures
from stream_monitor.errors import CalibrationError
from stream_monitor.window_score import WindowNull


def _plays(count: int, seed: int) -> tuple[list[PlayFeatures], np.ndarray]:
    """Plays whose truth follows a known logistic of two features."""
    rng = np.random.default_rng(seed)
    value_nF = rng.normal(2.0, 1.5, (count, len(FEATURES)))
    logit_n = 1.5 * value_nF[:, 0] + 0.8 * value_nF[:, 3] - 5.0
    right_n = rng.random(count) < 1.0 / (1.0 + np.exp(-logit_n))
    return [PlayFeatures(**dict(zip(FEATURES, row, strict=True))) for row in value_nF.tolist()], right_n


def test_the_fit_finds_the_logistic_that_made_the_labels() -> None:
    """Weights, intercept and probabilities come out, and other plays find them calibrated."""
    features, right_n = _plays(4000, 1)
    fitted = fit_confidence(features, right_n, fitted_on="made up", null=WindowNull())
    assert fitted.weights[0] == pytest.approx(1.5, abs=0.2)
    assert fitted.weights[3] == pytest.approx(0.8, abs=0.2)
    assert fitted.label == "calibrated"
    others, truth_n = _plays(4000, 2)
    confidence_n = [fitted.confidence(play) for play in others]
    assert expected_calibration_error(reliability(confidence_n, truth_n)) < 0.03


def test_more_evidence_never_lowers_the_confidence() -> None:
    """A feature that goes the wrong way in the data gets no weight instead of a wrong sign."""
    features, right_n = _plays(1000, 3)
    turned = [
        PlayFeatures(
            ordered=-play.ordered,
            margin=play.margin,
            chunks=play.chunks,
            strength=play.strength,
            density=play.density,
            recording=play.recording,
            catalogue=play.catalogue,
        )
        for play in features
    ]
    assert fit_confidence(turned, right_n, fitted_on="made up", null=WindowNull()).weights[0] == 0.0


def test_what_cannot_be_fitted_says_so() -> None:
    """Too few plays, only right ones, or labels that do not match are errors with the numbers in them."""
    features, right_n = _plays(30, 4)
    with pytest.raises(CalibrationError, match="got 5"):
        fit_confidence(features[:5], right_n[:5], fitted_on="x", null=WindowNull())
    with pytest.raises(CalibrationError, match="right and wrong"):
        fit_confidence(features, np.ones(30), fitted_on="x", null=WindowNull())
    with pytest.raises(CalibrationError, match="30 plays, but 29"):
        fit_confidence(features, right_n[:29], fitted_on="x", null=WindowNull())
    with pytest.raises(CalibrationError, match="5 windows"):
        fit_null([np.zeros(100)] * 4)


def test_the_null_is_mean_and_deviation_of_each_window() -> None:
    """Five windows, each with its own mean and deviation."""
    rng = np.random.default_rng(0)
    null = fit_null([rng.normal(0.1 - 0.02 * m, 0.05, 5000) for m in range(5)])
    assert null.mean == pytest.approx((0.1, 0.08, 0.06, 0.04, 0.02), abs=0.005)
    assert null.deviation == pytest.approx((0.05,) * 5, abs=0.005)


def test_reliability_counts_right_plays_in_each_bin() -> None:
    """Two bins of hand-made plays give their shares and the error between them."""
    curve = reliability([0.1, 0.2, 0.8, 1.0], [0, 0, 1, 0], bins=2)
    assert [part.plays for part in curve] == [2, 2]
    assert [part.share_right for part in curve] == [0.0, 0.5]
    assert expected_calibration_error(curve) == pytest.approx(0.5 * 0.15 + 0.5 * 0.4)
    assert expected_calibration_error(()) == 0.0


def test_the_threshold_lets_through_what_is_allowed_and_no_more() -> None:
    """At one false play in 10 hours, 30 hours allow three; the interval is the exact Poisson one."""
    rate = threshold_at([0.9, 0.8, 0.7, 0.6, 0.5], 30.0)
    assert rate.false_plays == 3
    assert 0.6 < rate.threshold < 0.7
    assert rate.low_per_hour * 30 == pytest.approx(0.6187, abs=1e-3)
    assert rate.high_per_hour * 30 == pytest.approx(8.7673, abs=1e-3)
    assert threshold_at([0.9], 30.0).threshold == 0.0
    assert false_play_rate([], 100.0, 0.5).high_per_hour == pytest.approx(0.0369, abs=1e-4)
    with pytest.raises(CalibrationError, match="stream-hours"):
        false_play_rate([], 0.0, 0.5)
