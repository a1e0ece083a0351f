"""From hearings to a calibration: null scores, the logistic, the threshold. Knows nothing of audio or of files.

An example is a *candidacy*: one work on one station, weighed again and again while its window grows, told apart from
the next by a minute without it. It enters with what it looked like at its surest, because that is when it opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log

from stream_monitor.calibration import FalsePlayRate, fit_confidence, fit_null, threshold_at
from stream_monitor.confidence import FEATURES, Calibration, PlayFeatures
from stream_monitor.trial.hearing import Hearing, Weighed
from stream_monitor.window_score import WindowNull

APART_S = 60.0
"""Weighings of one work further apart than this are two candidacies."""
RIDGE = 0.3
HYSTERESIS = 0.1
"""A play that was opened is retracted when its confidence falls by more than this below the threshold."""
ROUNDS = 3
"""The surest moment depends on the weights and the weights on it: this often in turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidacy:
    """A candidacy at its surest."""

    station: str
    work_id: str
    features: PlayFeatures
    right: bool


def null_of(hearings: Sequence[Hearing]) -> WindowNull:
    """Null scores of windows of 1 to 5 chunks, from the best wrong work at each chunk."""
    windows = len(hearings[0].best_false)
    return fit_null([[s for hearing in hearings for s in hearing.best_false[m]] for m in range(windows)])


def candidacies(hearings: Sequence[Hearing], sureness: Callable[[PlayFeatures], float]) -> list[Candidacy]:
    """All candidacies, each at the moment at which `sureness` is highest."""
    found = []
    for hearing in hearings:
        ordered = sorted(hearing.weighed, key=lambda each: (each.work_id, each.now_s))
        for work_id, group in groupby(ordered, key=lambda each: each.work_id):
            for run in _runs(list(group)):
                surest = max(run, key=lambda each: sureness(each.features))
                found.append(
                    Candidacy(
                        station=hearing.station,
                        work_id=work_id,
                        features=surest.features,
                        right=any(each.right for each in run),
                    )
                )
    return found


def fit(
    hearings: Sequence[Hearing],
    null: WindowNull,
    *,
    fitted_on: str,
    per_hour: float,
    is_strange: Callable[[Hearing], bool],
) -> tuple[Calibration, FalsePlayRate]:
    """The calibration whose threshold lets `per_hour` false plays through on stations without enrolled works.

    Args:
        hearings: With everything weighed and nothing opened (`open_confidence` 1).
        null: Null scores that they were made with.
        fitted_on: For the record.
        per_hour: Allowed false plays in an hour.
        is_strange: Whether a station plays no enrolled work.

    Raises:
        CalibrationError: Too few examples.
    """
    calibration = Calibration.provisional()
    for _ in range(ROUNDS):
        examples = candidacies(hearings, calibration.logit)
        # A play has to be sure at its first chunk, not only at its best: else every one is told late.
        least_sure = candidacies(hearings, _reversed(calibration))
        examples += [each for each in least_sure if each.right]
        calibration = fit_confidence(
            [each.features for each in examples],
            [each.right for each in examples],
            fitted_on=fitted_on,
            null=null,
            ridge=RIDGE,
        )
        calibration = _scaled_by_catalogue(calibration, hearings)
    strange = [hearing for hearing in hearings if is_strange(hearing)]
    false = [calibration.confidence(each.features) for each in candidacies(strange, calibration.logit)]
    rate = threshold_at(false, sum(hearing.duration_s for hearing in strange) / 3600, per_hour=per_hour)
    opening = max(rate.threshold, 0.5)
    return calibration.model_copy(
        update={"open_confidence": round(opening, 6), "close_confidence": round(opening - HYSTERESIS, 6)}
    ), rate


def _scaled_by_catalogue(calibration: Calibration, hearings: Sequence[Hearing]) -> Calibration:
    """With the catalogue's weight as it follows from chance: ten times the tracks, ten times the wrong candidates.

    A trial has one catalogue, on which this weight cannot be fitted; at that size nothing changes.
    """
    place = FEATURES.index("catalogue")
    size = max(each.features.catalogue for hearing in hearings for each in hearing.weighed)
    weights = list(calibration.weights)
    moved = (weights[place] + log(10.0)) * size
    weights[place] = -log(10.0)
    return calibration.model_copy(
        update={"weights": tuple(round(each, 6) for each in weights), "intercept": calibration.intercept + moved}
    )


def _reversed(calibration: Calibration) -> Callable[[PlayFeatures], float]:
    return lambda features: -calibration.logit(features)


def _runs(weighed: Sequence[Weighed]) -> Iterator[list[Weighed]]:
    run: list[Weighed] = []
    for each in weighed:
        if run and each.now_s - run[-1].now_s > APART_S:
            yield run
            run = []
        run.append(each)
    if run:
        yield run
