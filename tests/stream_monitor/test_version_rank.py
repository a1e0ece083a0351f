"""Ranks of candidates by alignment: who is looked at, how closely, and who stays behind."""

from __future__ import annotations

import numpy as np
import pytest

from encoder.tonal import Features
from stream_monitor.version_rank import LEAST, WHOLE_ROWS, best_versions, scan_score, thinned, version_score

TRACKS = 40
RIGHT = 33


def track(seed: int, rows: int = 4 * WHOLE_ROWS) -> Features:
    """Features that wander, so that a place is like its neighbours and like no other."""
    rng = np.random.default_rng(seed)
    steps_NV = rng.normal(size=(rows // 8 + 2, 96))
    wave_NV = np.repeat(steps_NV, 8, axis=0)[:rows] + 0.3 * rng.normal(size=(rows, 96))
    unit_NV = wave_NV / np.linalg.norm(wave_NV, axis=1, keepdims=True)
    return Features(first=0, tonal_NCP=unit_NV.astype(np.float32).reshape(rows, 8, 12))


def excerpt(whole: Features, transposition: int) -> Features:
    """20 s from the middle, some semitones up."""
    return Features(first=0, tonal_NCP=np.roll(whole.tonal_NCP[WHOLE_ROWS : 2 * WHOLE_ROWS], transposition, axis=2))


@pytest.fixture(scope="module")
def tracks() -> list[Features]:
    """A catalogue."""
    return [track(seed) for seed in range(TRACKS)]


def ranked(tracks: list[Features], *, scanned: int, checked: int) -> list[int]:
    """Of an excerpt of `RIGHT`, which MaxMean puts almost last."""
    similarity = {key: 1.0 - key / 100 for key in range(TRACKS)}
    heard = excerpt(tracks[RIGHT], 5)
    thin = [thinned(each) for each in tracks]
    return best_versions(similarity, heard, thin.__getitem__, tracks.__getitem__, scanned=scanned, checked=checked)


def test_a_scan_finds_the_version_that_maxmean_leaves_behind(tracks: list[Features]) -> None:
    """It comes first, and every candidate has its rank."""
    found = ranked(tracks, scanned=TRACKS, checked=LEAST)
    assert found[0] == RIGHT
    assert sorted(found) == list(range(TRACKS))


def test_what_is_not_looked_at_stays_in_the_order_of_maxmean(tracks: list[Features]) -> None:
    """Of 20 scanned tracks none is right: the 20 others follow as they were."""
    assert ranked(tracks, scanned=20, checked=LEAST)[20:] == list(range(20, TRACKS))


def test_a_scan_weighs_as_the_alignment_does(tracks: list[Features]) -> None:
    """Both are a similarity and a strength per second: for the right track much the same, for others both low."""
    heard = excerpt(tracks[RIGHT], 5)
    close, thin = version_score(0.5, heard, tracks[RIGHT]), scan_score(0.5, thinned(heard), thinned(tracks[RIGHT]))
    assert thin == pytest.approx(close, rel=0.35)
    assert scan_score(0.5, thinned(heard), thinned(tracks[0])) < 0.5 * thin


def test_a_piece_without_features_is_ranked_by_maxmean(tracks: list[Features]) -> None:
    """Nothing to align."""
    nothing = Features(first=0, tonal_NCP=np.zeros((0, 8, 12), np.float32))
    found = best_versions(
        {0: 0.2, 1: 0.9}, nothing, tracks.__getitem__, tracks.__getitem__, scanned=TRACKS, checked=TRACKS
    )
    assert found == [1, 0]
