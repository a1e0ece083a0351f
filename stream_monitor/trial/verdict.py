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

SEPARATION_PER_HOUR = 0.1
"""False plays an hour at which separation is told: one in ten stream-hours."""
LONG_S = {"recording": 20.0, "version": 60.0}
"""Appearances of this length and more that separation counts."""


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
        "separation": separation(hearings),
        "right_of_true_and_extra": _rate(mixed),
        **trust(hearings),
    }


def separation(hearings: Sequence[Hearing], per_hour: float = SEPARATION_PER_HOUR) -> dict[str, Any] | None:
    """Which true plays stand out where so many false ones are let through.

    Args:
        hearings: Run with a threshold that lets more through than `per_hour`; if it lets fewer through, all plays count
            and `false_plays` says how many those were.
        per_hour: False plays in an hour of the stations without enrolled works.

    Returns:
        The confidence above which plays count, the false plays among them, and of recordings of 20 s and more and of
        versions of 60 s and more how many there were and were found; None without such stations.
    """
    strange = [hearing for hearing in hearings if not hearing.truth]
    if not strange:
        return None
    wrong = sorted((play.confidence or 1.0 for hearing in strange for play in hearing.appearances()), reverse=True)
    allowed = int(per_hour * _hours(strange))
    # The first that is one too many stays out, and so does all that is no surer.
    barrier = wrong[allowed] if len(wrong) > allowed else -1.0
    counts = {how: {"true": 0, "found": 0} for how in LONG_S}
    for hearing in hearings:
        kept = [play for play in hearing.appearances() if (play.confidence or 1.0) > barrier]
        for verdict in compare(hearing.truth, kept):
            if verdict.truth is None or verdict.truth.end_s - verdict.truth.start_s < LONG_S[verdict.truth.how]:
                continue
            counts[verdict.truth.how]["true"] += 1
            counts[verdict.truth.how]["found"] += verdict.play is not None
    return {
        "above": max(0.0, barrier),
        "false_plays": sum(confidence > barrier for confidence in wrong),
        "hours": round(_hours(strange), 2),
        **counts,
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
