"""How well tracks explain a heard piece: MaxMean of its chunks, and how strongly their tonal features follow.

The stages of a search after the first two, which are the paper's (neighbours name candidates, MaxMean ranks them).
Embeddings of 20 s leave out the order and the key of the notes, and so miss half of the versions of a short piece:

    every track of a small catalogue, of a large one those that a wide first stage names
        -> scanned: aligned by every fourth row of features -> the best of them aligned by every second row
        -> expanded: the best two speak for the tracks that are like them, whole against whole

It knows nothing of catalogues. Measured on validation works, docs/experiments.md (2026-11-24 and 25).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from encoder.grid import SAMPLE_RATE
from encoder.tonal import FEATURE_HOP_SAMPLES
from stream_monitor.alignment import AlignmentConfig, Anchor, Features, strength_of, strengths
from stream_monitor.query_expansion import expanded

WEIGHT: Final = 3.0
"""Of the alignment's strength per second; from 1.5 to 6 the ranks are much the same."""
WHOLE_ROWS: Final = round(20 * SAMPLE_RATE / FEATURE_HOP_SAMPLES)
TRACK_ROWS: Final = round(100 * SAMPLE_RATE / FEATURE_HOP_SAMPLES)
LEAST: Final = 10
THIN_ROWS: Final = 4
"""Feature rows per row of a scan: a third of the cost, and among the best 50 are as many right ones."""
CONFIG: Final = AlignmentConfig()
THIN: Final = AlignmentConfig(scan_rows=1)


def worth_aligning(heard: Features, limit: int) -> int:
    """How many of the best candidates to look at: `limit` up to 20 s, then so many fewer that the cost stays."""
    return max(LEAST, round(limit * WHOLE_ROWS / max(WHOLE_ROWS, len(heard.tonal_NCP))))


def version_score(similarity: float, heard: Features, track: Features, anchor: Anchor | None = None) -> float:
    """MaxMean plus `WEIGHT` times the alignment's strength per second of the shorter side.

    Args:
        similarity: MaxMean.
        heard: Tonal features of the piece.
        track: Those of the track.
        anchor: Where the two are believed to meet; None looks everywhere.
    """
    return _score(similarity, heard, track, CONFIG, anchor)


def thinned(whole: Features) -> Features:
    """Every `THIN_ROWS`th row, for a scan."""
    return Features(first=0, tonal_NCP=whole.tonal_NCP[::THIN_ROWS])


def scan_score(similarity: float, heard: Features, track: Features) -> float:
    """As `version_score`, of thinned features; the strength of a row counts for as many seconds as it stands for."""
    return _score(similarity, heard, track, THIN, None, counted_rows=CONFIG.scan_rows)


def _score(
    similarity: float,
    heard: Features,
    track: Features,
    config: AlignmentConfig,
    anchor: Anchor | None,
    *,
    counted_rows: int = 1,
) -> float:
    """`counted_rows`: for how many a row counts, where the alignment scores every row and not one in `scan_rows`."""
    rows = min(len(heard.tonal_NCP), len(track.tonal_NCP))
    if rows == 0:
        return similarity
    strength = strength_of(strengths(heard, track, anchor=anchor, config=config))
    return similarity + WEIGHT * strength / (rows * counted_rows * FEATURE_HOP_SAMPLES / SAMPLE_RATE)


class Tracks(Protocol):
    """The tracks that are ranked, by key."""

    def whole(self, key: int) -> Features:
        """Tonal features."""
        ...

    def thin(self, key: int) -> Features:
        """The same, `thinned`."""
        ...

    def alike(self, key: int, others: Sequence[int]) -> Mapping[int, float]:
        """MaxMean of a track with others."""
        ...


def best_versions(
    similarity: Mapping[int, float], heard: Features, tracks: Tracks, *, scanned: int, checked: int, related: int
) -> list[int]:
    """All candidates, best first; those that were not looked at stay behind, by MaxMean.

    Args:
        similarity: MaxMean of each candidate.
        heard: Tonal features of the piece.
        tracks: The candidates.
        scanned: So many of the best by MaxMean are scanned, of a piece of 20 s.
        checked: So many of the best after that are aligned, of a piece of 20 s.
        related: With so many of those nearest to it by MaxMean is each of the best two compared, if it lasts up to
            100 s; 0: no expansion.
    """
    ranked = sorted(similarity, key=lambda key: (-similarity[key], key))
    count, most = worth_aligning(heard, checked), worth_aligning(heard, scanned)
    if most > count and len(ranked) > count:
        heard_thin = thinned(heard)
        ranked = _again(ranked, most, lambda key: scan_score(similarity[key], heard_thin, tracks.thin(key)))

    def score(key: int) -> float:
        return version_score(similarity[key], heard, tracks.whole(key))

    if not related or not len(heard.tonal_NCP):
        return _again(ranked, count, score)
    order = expanded(
        {key: score(key) for key in ranked[:count]}, lambda key: _links(key, ranked, tracks, related), score
    )
    looked_at = set(order)
    return order + [key for key in ranked[count:] if key not in looked_at]


def _links(key: int, candidates: Sequence[int], tracks: Tracks, related: int) -> dict[int, float]:
    """How a track follows those that are nearest to it by MaxMean, both whole."""
    alike = tracks.alike(key, [other for other in candidates if other != key])
    thin = tracks.thin(key)
    rows = THIN_ROWS * len(thin.tonal_NCP)
    count = max(LEAST, round(related * TRACK_ROWS / max(TRACK_ROWS, rows)))
    nearest = sorted(alike, key=lambda other: (-alike[other], other))[:count]
    return {other: scan_score(alike[other], thin, tracks.thin(other)) for other in nearest}


def _again(ranked: list[int], count: int, score: Callable[[int], float]) -> list[int]:
    """The first `count` in a new order."""
    scores = {key: score(key) for key in ranked[:count]}
    return [*sorted(scores, key=lambda key: (-scores[key], key)), *ranked[count:]]
