"""The probability that a play is right: a logistic function of what is known about it.

Parameters are fitted on validation stations (`stream_monitor.calibration`) and ship with the weights; until they are
there, `Calibration.provisional()` holds values set by hand, and events say so. It knows nothing of how features come
about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from math import exp, log2, log10
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stream_monitor.errors import CalibrationError
from stream_monitor.window_score import WindowNull

CALIBRATION_KEY = "confidence"
"""Where `calibration.json` of the weights keeps it."""
FORMAT = 1
SMALLEST_CATALOGUE = 200
"""Embeddings below which a smaller catalogue makes nothing surer."""
CHANCE_RECORDING = 3.3
"""log2(1 + significance); wrong tracks stay below (6 at most in 288 pairs), recordings have 4.6 to 8."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayFeatures:
    """What the confidence of a play rests on; every number finite and of order 1 to 10."""

    ordered: float
    """Best ordered score, null deviations."""
    margin: float
    """Mean over the supporting chunks: ordered deviation above the best other work over the same window, -4 to 8."""
    chunks: float
    """log2 of the number of supporting chunks."""
    strength: float
    """log2(1 + best alignment's strength); 0.0 for none."""
    density: float
    """log2(1 + strength of that alignment for each 20 s that the play is said to last so far)."""
    recording: float
    """log2(1 + best -log10 chance of common peaks) above what songs of one style reach by chance; 0.0 for none."""
    catalogue: float
    """log10 of the live embeddings."""

    @classmethod
    def of(
        cls,
        *,
        ordered: float,
        margin: float,
        chunks: int,
        strength: float,
        density: float,
        recording: float,
        embeddings: int,
    ) -> PlayFeatures:
        """Clips and scales what was measured."""
        return cls(
            ordered=_clipped(ordered, -5.0, 20.0),
            margin=_clipped(margin, -4.0, 8.0),
            chunks=log2(max(1, chunks)),
            strength=log2(1.0 + _clipped(strength, 0.0, 1e3)),
            density=log2(1.0 + _clipped(density, 0.0, 1e3)),
            recording=max(0.0, log2(1.0 + _clipped(recording, 0.0, 1e3)) - CHANCE_RECORDING),
            catalogue=log10(max(SMALLEST_CATALOGUE, embeddings)),
        )

    def values(self) -> tuple[float, ...]:
        """The features in the order of FEATURES."""
        return astuple(self)


FEATURES: tuple[str, ...] = tuple(field.name for field in fields(PlayFeatures))


class Calibration(BaseModel):
    """Parameters of the confidence, and the confidences at which plays open, hold and close."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    features: tuple[str, ...] = FEATURES
    weights: tuple[float, ...]
    """Logit per unit of each feature."""
    intercept: float
    open_confidence: float = Field(ge=0.0, le=1.0)
    """A play opens from here on: the default threshold, at most one false play in 10 stream-hours."""
    close_confidence: float = Field(ge=0.0, le=1.0)
    """A play that falls below is retracted."""
    null: WindowNull = WindowNull()
    """Ordered scores of false tracks, which the matcher needs."""
    fitted_on: str | None = None
    """What it was fitted on; None: set by hand."""

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        if self.format != FORMAT:
            raise ValueError(f"format {self.format} is not {FORMAT}")
        if self.features != FEATURES or len(self.weights) != len(FEATURES):
            raise ValueError(f"made for features {list(self.features)}, this version has {list(FEATURES)}")
        if self.close_confidence > self.open_confidence:
            raise ValueError("close_confidence is above open_confidence")
        return self

    @classmethod
    def provisional(cls) -> Calibration:
        """Values set by hand on an hour of rendered validation stations; to be replaced by fitted ones."""
        return cls(
            weights=(0.9, 0.2, 0.3, 1.0, 1.5, 0.6, -0.3),
            intercept=-11.0,
            open_confidence=0.5,
            close_confidence=0.2,
        )

    @classmethod
    def of_encoder(cls, calibration: Mapping[str, Any]) -> Calibration:
        """What the weights' `calibration.json` holds, else the provisional one.

        Raises:
            CalibrationError: It holds one that this version cannot use.
        """
        if CALIBRATION_KEY not in calibration:
            return cls.provisional()
        try:
            return cls.model_validate(calibration[CALIBRATION_KEY])
        except ValidationError as error:
            first = error.errors()[0]
            raise CalibrationError(
                f"the weights' calibration does not fit this version ({first['msg']}): fit it again"
            ) from error

    @property
    def label(self) -> str:
        """For the events' `versions.config`: whether confidences are calibrated."""
        return "provisional-confidence" if self.fitted_on is None else "calibrated"

    def logit(self, features: PlayFeatures) -> float:
        """Log odds that the play is right."""
        weighted = zip(self.weights, features.values(), strict=True)
        return self.intercept + sum(weight * value for weight, value in weighted)

    def confidence(self, features: PlayFeatures) -> float:
        """Probability that the play is right, strictly between 0 and 1."""
        return 1.0 / (1.0 + exp(-_clipped(self.logit(features), -30.0, 30.0)))


def _clipped(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))
