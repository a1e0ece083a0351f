"""Confidence is a probability, its parameters travel with the weights, and unfitted ones are marked."""

from __future__ import annotations

import math

import pytest

from stream_monitor.confidence import Calibration, PlayFeatures
from stream_monitor.errors import CalibrationError


def _features(ordered: float = 3.0, embeddings: int = 10_000, recording: float = 0.0) -> PlayFeatures:
    return PlayFeatures.of(
        ordered=ordered, margin=1.0, chunks=2, strength=3.0, density=3.0, recording=recording, embeddings=embeddings
    )


def test_confidence_is_a_finite_probability_even_for_absurd_features() -> None:
    """Infinite scores and an empty catalogue still give a probability strictly between 0 and 1."""
    calibration = Calibration.provisional()
    for ordered in (-math.inf, -1e9, 0.0, 1e9, math.inf):
        value = calibration.confidence(_features(ordered, embeddings=0, recording=1e9))
        assert 0.0 < value < 1.0


def test_more_evidence_gives_more_confidence() -> None:
    """A better score and common peaks raise it, a larger catalogue does not."""
    calibration = Calibration.provisional()
    plain = calibration.confidence(_features())
    assert calibration.confidence(_features(ordered=6.0)) > plain
    assert calibration.confidence(_features(recording=20.0)) > plain
    assert calibration.confidence(_features(embeddings=10_000_000)) <= plain


def test_parameters_come_from_the_weights_or_are_marked_as_provisional() -> None:
    """Without fitted parameters events say so; with them they come back as they were written."""
    provisional = Calibration.of_encoder({})
    assert provisional == Calibration.provisional()
    assert provisional.label == "provisional-confidence"
    fitted = provisional.model_copy(update={"fitted_on": "validation stations", "intercept": -3.25})
    assert Calibration.of_encoder({"confidence": fitted.model_dump(mode="json")}) == fitted
    assert fitted.label == "calibrated"


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"features": ["score"]}, {"weights": [1.0]}, {"close_confidence": 0.99}, {"surprise": 1}]
)
def test_parameters_of_another_version_are_refused(change: dict[str, object]) -> None:
    """Parameters that do not fit are an error that says so, never a silent default."""
    wrong = Calibration.provisional().model_dump(mode="json") | change
    with pytest.raises(CalibrationError, match="does not fit this version"):
        Calibration.of_encoder({"confidence": wrong})
