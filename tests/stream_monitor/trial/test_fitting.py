"""From hearings to a calibration, on hearings made by hand."""

from __future__ import annotations

import numpy as np

from stream_monitor.confidence import PlayFeatures
from stream_monitor.trial.fitting import candidacies, fit
from stream_monitor.trial.hearing import Hearing, Weighed
from stream_monitor.window_score import WindowNull


def features(ordered: float, strength: float = 3.0) -> PlayFeatures:
    return PlayFeatures.of(
        ordered=ordered, margin=1.0, chunks=3, strength=strength, density=strength, recording=0.0, embeddings=1000
    )


def weighed(work: str, now_s: float, ordered: float, right: bool, strength: float = 3.0) -> Weighed:
    return Weighed(work_id=work, now_s=now_s, features=features(ordered, strength), right=right)


def test_a_candidacy_is_one_work_without_a_break_at_its_surest() -> None:
    """Weighings of one work within a minute of each other are one example, the surest of them; later ones another."""
    hearing = Hearing(station="s", duration_s=600.0, truth=[])
    hearing.weighed = [
        weighed("a", 30.0, 1.0, False),
        weighed("b", 35.0, 2.0, False),
        weighed("a", 40.0, 3.0, True),
        weighed("a", 200.0, 2.0, False),
    ]
    found = candidacies([hearing], lambda each: each.ordered)
    assert [(each.work_id, each.features.ordered, each.right) for each in found] == [
        ("a", 3.0, True),
        ("a", 2.0, False),
        ("b", 2.0, False),
    ]


def test_the_threshold_lets_no_more_false_plays_through_than_asked() -> None:
    """On stations without enrolled works at most the allowed number of candidacies lies above the threshold."""
    rng = np.random.default_rng(1)
    hearings = []
    for number in range(40):
        hearing = Hearing(station=f"s{number}", duration_s=3600.0, truth=[])
        hearing.weighed = [
            weighed(f"w{i}", 100.0 * i, float(rng.normal(1.0, 1.0)), False, float(rng.exponential(2.0)))
            for i in range(10)
        ]
        if number % 2:
            hearing.weighed.append(weighed("true", 2000.0, float(rng.normal(4.0, 1.0)), True, 20.0))
        hearings.append(hearing)
    calibration, rate = fit(
        hearings, WindowNull(), fitted_on="test", per_hour=0.1, is_strange=lambda each: int(each.station[1:]) % 2 == 0
    )
    strange = [hearing for hearing in hearings if int(hearing.station[1:]) % 2 == 0]
    sure = [calibration.confidence(each.features) for each in candidacies(strange, calibration.logit)]
    assert rate.hours == 20.0 and sum(each >= calibration.open_confidence for each in sure) <= 2
    assert calibration.confidence(features(5.0, 20.0)) > calibration.open_confidence > calibration.close_confidence
