"""Plays whose beginning or end is hidden by talk."""

from __future__ import annotations

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from encoder.tonal import FEATURE_HOP_SAMPLES, Features
from stream_monitor.evidence import MatchType, Verification
from stream_monitor.hidden_edges import with_hidden_edges

TRACK_S = 100.0


def track() -> Features:
    rows = round(TRACK_S * SAMPLE_RATE / FEATURE_HOP_SAMPLES)
    return Features(first=0, tonal_NCP=np.full((rows, 8, 12), 0.1, np.float32))


def met(stream: tuple[float, float], place: tuple[float, float], kind: MatchType = "recording") -> Verification:
    s, e, a, b = (round(value * SAMPLE_RATE) for value in (*stream, *place))
    return Verification(
        stream_start_sample=s, stream_end_sample=e, track_start_sample=a, track_end_sample=b,
        transposition_semitones=0, tempo_ratio=1.0, strength=20.0, recording=100.0, match_type=kind, gaps=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "place", "looked", "expected"),
    [
        ((57.0, 150.0), (7.0, 100.0), (20.0, 160.0), (50.0, 150.0)),
        ((50.0, 143.0), (0.0, 93.0), (20.0, 160.0), (50.0, 150.0)),
        ((70.0, 150.0), (20.0, 100.0), (20.0, 160.0), (70.0, 150.0)),
        ((57.0, 150.0), (7.0, 100.0), (55.0, 160.0), (57.0, 150.0)),
        ((50.0, 143.0), (0.0, 93.0), (20.0, 145.0), (50.0, 143.0)),
    ],
    ids=["talk over the beginning", "talk over the end", "begins later", "looked no further back", "still playing"],
)
def test_a_hidden_edge_is_added_only_near_the_tracks_own(
    stream: tuple[float, float], place: tuple[float, float], looked: tuple[float, float], expected: tuple[float, float]
) -> None:
    """At most ten seconds at the track's own beginning or end are added, never beyond what was looked at."""
    span = (round(looked[0] * SAMPLE_RATE), round(looked[1] * SAMPLE_RATE))
    found = with_hidden_edges(met(stream, place), track(), span)
    assert found is not None
    seconds = (found.stream_start_sample / SAMPLE_RATE, found.stream_end_sample / SAMPLE_RATE)
    assert seconds == pytest.approx(expected, abs=0.3)


def test_less_is_hidden_of_a_version() -> None:
    """A version is extended by at most eight seconds: what is missing may not have been played."""
    near, far = met((57.0, 150.0), (7.0, 100.0), "version"), met((59.0, 150.0), (9.0, 100.0), "version")
    extended = with_hidden_edges(near, track(), (0, 10**8))
    assert extended is not None and extended.stream_start_sample < 51 * SAMPLE_RATE
    assert with_hidden_edges(far, track(), (0, 10**8)) == far
