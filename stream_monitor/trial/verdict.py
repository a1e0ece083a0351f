"""What a trial says of the monitor: false plays in an hour, plays found, delays, reliability of the confidence.

Knows nothing of audio; works on hearings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from stream_monitor.calibration import expected_calibration_error, false_play_rate, reliability
from stream_monitor.demo.scoring import Appearance, compare, score
from stream_monitor.trial.hearing import Hearing


def judge(hearings: Sequence[Hearing], threshold: float) -> dict[str, Any]:
    """Figures of a trial as plain numbers.

    Args:
        hearings: Of all stations, run with the calibration that is judged.
        threshold: Its opening confidence.
    """
    strange = [hearing for hearing in hearings if not hearing.truth]
    mixed = [hearing for hearing in hearings if hearing.truth]
    false = [play.confidence or 1.0 for hearing in strange for play in hearing.appearances()]
    return {
        "threshold": threshold,
        "strange": {
            "stations": len(strange),
            **asdict(false_play_rate(false, _hours(strange), 0.0)),
        }
        if strange
        else None,
        "all": {
            "false_plays": sum(not _really_there(play, hearing.truth) for hearing, play in _plays(hearings)),
            "hours": round(_hours(hearings), 2),
        },
        "found": {how: _found(mixed, how) for how in ("recording", "version")},
        "right_of_true_and_extra": _rate(mixed),
        **trust(hearings),
    }


def trust(hearings: Sequence[Hearing]) -> dict[str, Any]:
    """What the confidence is worth over all plays of one trial, or of several ones together.

    Args:
        hearings: Run with the calibration that is judged.

    Returns:
        plays, right_share (None without plays), ece and the reliability curve.
    """
    confidences = [play.confidence or 0.0 for _, play in _plays(hearings)]
    rights = [_really_there(play, hearing.truth) for hearing, play in _plays(hearings)]
    curve = reliability(confidences, rights) if confidences else ()
    return {
        "plays": len(confidences),
        "right_share": float(np.mean(rights)) if rights else None,
        "ece": expected_calibration_error(curve),
        "reliability": [asdict(part) for part in curve],
    }


def _plays(hearings: Sequence[Hearing]) -> list[tuple[Hearing, Appearance]]:
    return [(hearing, play) for hearing in hearings for play in hearing.appearances()]


def _hours(hearings: Sequence[Hearing]) -> float:
    return sum(hearing.duration_s for hearing in hearings) / 3600


def _really_there(play: Appearance, truth: Sequence[Appearance]) -> bool:
    """Right work, and at least half of the play lies where the work is on the air."""
    length = max(1e-9, play.end_s - play.start_s)
    same = sum(real.overlap_s(play) for real in truth if real.work_id == play.work_id)
    return same / length >= 0.5


def _found(hearings: Sequence[Hearing], how: str) -> dict[str, Any]:
    """Share found, boundary errors and delay of the first event, for recordings or versions."""
    true, found, exact = 0, 0, 0
    start_errors, end_errors, delays = [], [], []
    for hearing in hearings:
        for verdict in compare(hearing.truth, hearing.appearances()):
            if verdict.truth is None or verdict.truth.how != how:
                continue
            true += 1
            exact += verdict.right
            if verdict.play is None:
                continue
            found += 1
            start_errors.append(abs(verdict.play.start_s - verdict.truth.start_s))
            end_errors.append(abs(verdict.play.end_s - verdict.truth.end_s))
            told = [
                at
                for name, at in hearing.first_told_s.items()
                if hearing.plays[name].track.work_id == verdict.truth.work_id
                and verdict.truth.start_s < at <= verdict.truth.end_s + 30
                and hearing.plays[name].status != "retracted"
            ]
            if told:
                delays.append(min(told) - verdict.truth.start_s)
    return {
        "true": true,
        "found": found,
        "within_5_s": exact,
        "start_error_s": _spread(start_errors),
        "end_error_s": _spread(end_errors),
        "first_event_s": _spread(delays),
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(float(np.median(values)), 2), "p95": round(float(np.percentile(values, 95)), 2)}


def _rate(hearings: Sequence[Hearing]) -> float:
    verdicts = [verdict for hearing in hearings for verdict in compare(hearing.truth, hearing.appearances())]
    return round(score(verdicts).rate, 4)
