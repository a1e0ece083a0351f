"""Fits what the confidence goes by: null scores of windows, the logistic, the threshold; and checks it.

Numbers and labels in, parameters out, written by the caller into the weights' `calibration.json`. It knows nothing of
stations, audio or files. Fit on validation stations, check on others, never on test works.

Legend: n plays, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.stats import chi2

from stream_monitor.confidence import FEATURES, Calibration, PlayFeatures
from stream_monitor.errors import CalibrationError
from stream_monitor.evidence import WINDOW_CHUNKS
from stream_monitor.window_score import WindowNull

SIGNS: Mapping[str, int] = {name: -1 if name == "catalogue" else 1 for name in FEATURES}
"""More evidence never lowers the confidence; a larger catalogue never raises it."""
MIN_EXAMPLES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """One bar of a reliability curve: plays whose confidence lies in [low, high]."""

    low: float
    high: float
    plays: int
    mean_confidence: float
    share_right: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FalsePlayRate:
    """False plays at a threshold."""

    threshold: float
    false_plays: int
    hours: float
    per_hour: float
    low_per_hour: float
    high_per_hour: float
    """Bounds of the 95% interval (exact Poisson)."""


def fit_null(best_false_scores: Sequence[ArrayLike]) -> WindowNull:
    """Mean and deviation of the best false ordered score of a chunk, for windows of M = 1 … 5 chunks.

    Args:
        best_false_scores: For each M, the raw ordered scores (cosines) of the best wrong candidate of each chunk.

    Raises:
        CalibrationError: There are not five windows, or too few scores in one.
    """
    scores = [np.asarray(values, dtype=np.float64) for values in best_false_scores]
    if len(scores) != WINDOW_CHUNKS or min(len(values) for values in scores) < MIN_EXAMPLES:
        counts = [len(values) for values in scores]
        raise CalibrationError(f"need {MIN_EXAMPLES} scores for each of {WINDOW_CHUNKS} windows, got {counts}")
    mean = [round(float(values.mean()), 5) for values in scores]
    deviation = [max(1e-3, round(float(values.std()), 5)) for values in scores]
    return WindowNull.model_validate({"mean": mean, "deviation": deviation})


def fit_confidence(
    features: Sequence[PlayFeatures],
    right: ArrayLike,
    *,
    fitted_on: str,
    null: WindowNull,
    open_confidence: float = 0.5,
    close_confidence: float = 0.2,
    ridge: float = 1.0,
) -> Calibration:
    """A logistic with a sign for each feature, by penalised maximum likelihood.

    Args:
        features: Of each play, right or wrong, as they were when it was decided.
        right: Whether it was right [n].
        fitted_on: What they come from, for the record.
        null: Null scores that the features were made with.
        open_confidence: See `Calibration`; to be replaced by `threshold_at`.
        close_confidence: See `Calibration`.
        ridge: Penalty on the squared weights of standardised features.

    Raises:
        CalibrationError: Too few plays, or all right or all wrong.
    """
    value_nF = np.array([play.values() for play in features], dtype=np.float64).reshape(-1, len(FEATURES))
    right_n = np.asarray(right, dtype=np.float64)
    if len(value_nF) != len(right_n):
        raise CalibrationError(f"{len(value_nF)} plays, but {len(right_n)} labels")
    if len(right_n) < MIN_EXAMPLES or not 0.0 < right_n.mean() < 1.0:
        raise CalibrationError(
            f"need {MIN_EXAMPLES} plays, right and wrong ones, got {len(right_n)} with {int(right_n.sum())} right"
        )
    mean_F, scale_F = value_nF.mean(axis=0), value_nF.std(axis=0)
    scale_F[scale_F < 1e-9] = 1.0
    scaled_nF = (value_nF - mean_F) / scale_F

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight_F, intercept = parameters[:-1], parameters[-1]
        logit_n = scaled_nF @ weight_F + intercept
        # log(1 + exp(x)) - y x, without overflow.
        total = np.logaddexp(0.0, logit_n).sum() - (right_n * logit_n).sum() + 0.5 * ridge * (weight_F**2).sum()
        residual_n = 1.0 / (1.0 + np.exp(-np.clip(logit_n, -500, 500))) - right_n
        gradient = np.append(scaled_nF.T @ residual_n + ridge * weight_F, residual_n.sum())
        return float(total), gradient

    bounds = [(0.0, None) if SIGNS[name] > 0 else (None, 0.0) for name in FEATURES]
    found = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)])
    if not np.isfinite(found.x).all():
        raise CalibrationError(f"the fit did not converge: {found.message}")
    weight_F = found.x[:-1] / scale_F
    return Calibration(
        weights=tuple(round(float(weight), 6) for weight in weight_F),
        intercept=round(float(found.x[-1] - (weight_F * mean_F).sum()), 6),
        open_confidence=open_confidence,
        close_confidence=close_confidence,
        null=null,
        fitted_on=fitted_on,
    )


def reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Reliability curve in bins of about equally many plays; fewer bins where there are fewer plays."""
    confidence_n, right_n = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    order = np.argsort(confidence_n, kind="stable")
    return tuple(
        ReliabilityBin(
            low=float(confidence_n[part[0]]),
            high=float(confidence_n[part[-1]]),
            plays=len(part),
            mean_confidence=float(confidence_n[part].mean()),
            share_right=float(right_n[part].mean()),
        )
        for part in np.array_split(order, bins)
        if len(part)
    )


def expected_calibration_error(curve: Sequence[ReliabilityBin]) -> float:
    """Mean distance between confidence and share of right plays, weighted by plays; 0.0 without plays."""
    plays = sum(part.plays for part in curve)
    if not plays:
        return 0.0
    return sum(part.plays * abs(part.mean_confidence - part.share_right) for part in curve) / plays


def false_play_rate(false_confidences: ArrayLike, hours: float, threshold: float) -> FalsePlayRate:
    """Rate of false plays whose highest confidence reached `threshold`, with its exact 95% interval.

    Raises:
        CalibrationError: `hours` is not above 0.
    """
    if hours <= 0.0:
        raise CalibrationError(f"a rate needs stream-hours, got {hours}")
    count = int((np.asarray(false_confidences, np.float64) >= threshold).sum())
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return FalsePlayRate(
        threshold=threshold,
        false_plays=count,
        hours=hours,
        per_hour=count / hours,
        low_per_hour=low / hours,
        high_per_hour=float(chi2.ppf(0.975, 2 * count + 2)) / 2 / hours,
    )


def threshold_at(false_confidences: ArrayLike, hours: float, *, per_hour: float = 0.1) -> FalsePlayRate:
    """The lowest threshold with at most `per_hour` false plays an hour on streams where every play is false.

    Args:
        false_confidences: Highest confidence of each false candidate or play, told or not (run with a low threshold).
        hours: Stream-hours that they come from.
        per_hour: Allowed rate; 0.1 is one in 10 stream-hours.

    Raises:
        CalibrationError: `hours` is not above 0.
    """
    ranked = np.sort(np.asarray(false_confidences, np.float64))[::-1]
    allowed = int(np.floor(per_hour * hours))
    # Just above the first false play that is one too many.
    threshold = 0.0 if len(ranked) <= allowed else min(1.0, float(np.nextafter(ranked[allowed], 2.0)))
    return false_play_rate(ranked, hours, threshold)
