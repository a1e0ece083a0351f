"""Ranks of candidates by alignment: who is looked at, how closely, and who stays behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """As `version_rank.Tracks`; `like` says who is like whom by MaxMean, all others are at 0."""

    features: list[Features]
    like: dict[int, dict[int, float]] = field(default_factory=dict)

    def whole(self, key: int) -> Features:
        return self.features[key]

    def thin(self, key: int) -> Features:
        return thinned(self.features[key])

    def alike(self, key: int, others: Sequence[int]) -> Mapping[int, float]:
        return {other: self.like.get(key, {}).get(other, 0.0) for other in others}


@pytest.fixture(scope="module")
def tracks() -> list[Features]:
    """A catalogue."""
    return [track(seed) for seed in range(TRACKS)]


def ranked(tracks: list[Features], *, scanned: int, checked: int) -> list[int]:
    """Of an excerpt of `RIGHT`, which MaxMean puts almost last."""
    similarity = {key: 1.0 - key / 100 for key in range(TRACKS)}
    heard = excerpt(tracks[RIGHT], 5)
    return best_versions(similarity, heard, Tracks(features=tracks), scanned=scanned, checked=checked, related=0)


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
        {0: 0.2, 1: 0.9}, nothing, Tracks(features=tracks), scanned=TRACKS, checked=TRACKS, related=TRACKS
    )
    assert found == [1, 0]


def test_the_best_track_brings_in_its_other_version(tracks: list[Features]) -> None:
    """Another version of the work, which shares nothing with the cut itself, comes second; the first stays first."""
    other = 21
    version = tracks[RIGHT].tonal_NCP.copy()
    version[WHOLE_ROWS : 2 * WHOLE_ROWS] = track(99).tonal_NCP[:WHOLE_ROWS]  # the passage that is heard is another
    known = [Features(first=0, tonal_NCP=version) if key == other else each for key, each in enumerate(tracks)]
    like = {RIGHT: {other: 0.6}}
    similarity = {key: 1.0 - key / 100 for key in range(TRACKS)}
    heard = excerpt(tracks[RIGHT], 5)

    def found(related: int) -> list[int]:
        kept = Tracks(features=known, like=like)
        return best_versions(similarity, heard, kept, scanned=TRACKS, checked=LEAST, related=related)

    assert found(0)[0] == RIGHT
    assert found(0).index(other) > 5
    assert found(5)[:2] == [RIGHT, other]
    assert sorted(found(5)) == list(range(TRACKS))
