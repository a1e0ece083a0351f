"""Where exactly a play lies: a stretch of stream placed on a catalogue track by its tonal features.

It works for every version of a work (other key, tempo, instruments); whether the version is the recording itself
is for `stream_monitor.recording` to say. Pure functions of arrays: this module knows nothing of catalogues, embeddings,
trackers or events. Positions are samples at 22,050 Hz, half-open, on the stream's and on the track's own clock.
Reasons and measurements: docs/decisions/0009-alignment.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from encoder.tonal import FEATURE_HOP_SAMPLES, PITCH_CLASSES, Features, feature_of, features, sample_of
from stream_monitor.local_alignment import advance, best_path, followed, scoreboard
from stream_monitor.similarity_band import Band, band_gain, blocks

__all__ = [
    "Alignment",
    "AlignmentConfig",
    "Anchor",
    "Features",
    "Stretch",
    "align",
    "features",
    "strength_of",
    "strengths",
]

LOWEST_TEMPO: Final = 0.7
HIGHEST_TEMPO: Final = 1.45
_RIVALS: Final = 3
"""Transpositions that `strength` is measured against; three tell other works apart a little better than one or all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignmentConfig:
    """Prices of the local alignment, in units of similarity (-1 to 1 a feature row); chosen on validation works."""

    threshold: float = 0.3
    """First guess: a place must be this much more similar than its row and column are on average to earn anything."""
    share: float = 0.55
    """Second guess: this part of the median of the path that the first one found; a close cover is held to more."""
    lowest_threshold: float = 0.3
    highest_threshold: float = 0.5
    floor: float = -0.4
    """The most that one place can cost."""
    bend: float = 0.1
    """Price of a step off the diagonal."""
    jump: float = 40.0
    """Price of going on at another place of the track."""
    wait: float = 0.05
    """Price of each feature row (0.19 s) that a jump leaves out."""
    turn: float = 4.0
    """Evidence that parts a gap from the music around it."""
    gap_samples: int = 4 * 22_050
    """Shorter gaps are not reported."""
    edge: float = 12.0
    """What a path earns that begins at the track's beginning, or ends at its end."""
    edge_samples: int = 5 * 22_050
    """Distance from the track's beginning or end at which nothing is left of it."""
    scan_rows: int = 2
    """Feature rows per row of the search over the twelve transpositions."""
    least_strength: float = 2.0
    """Below it nothing fits, and no path is looked for: other works reach 0 to 7, covers are told from 6."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """An expected place: stream sample and track sample that belong together, give or take `half_width_samples`.

    Away from it the band widens with the tempi that are possible, 0.7 to 1.45.
    """

    stream_sample: int
    track_sample: int
    half_width_samples: int = 220_500


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A piece of stream and the piece of track that it follows, without jump or gap."""

    stream_start_sample: int
    stream_end_sample: int
    track_start_sample: int
    track_end_sample: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """One appearance of a track in a stream."""

    stream_start_sample: int
    stream_end_sample: int
    track_start_sample: int
    """Where in the track the play begins: the first stretch's start (jumps may lead to earlier places)."""
    track_end_sample: int
    transposition_semitones: int
    """Stream relative to track, -6 to 5."""
    tempo_ratio: float
    """Above 1: the stream is faster."""
    score: float
    """Of the best path without jumps, over all stretches of the stream: grows with length and similarity."""
    strength: float
    """`score` less the mean score of the next three transpositions: what nothing but this work explains."""
    similarity: float
    """Mean of the matched places above the average of all places, about 0 to 1."""
    stretches: tuple[Stretch, ...]
    """Its parts in stream order, one or more."""
    gaps: tuple[tuple[int, int], ...]
    """Stretches of the stream (samples) inside the play that do not follow the track, 4 s and longer."""

    @property
    def matched_samples(self) -> int:
        """Stream time that follows the track."""
        return sum(part.stream_end_sample - part.stream_start_sample for part in self.stretches)


DEFAULT: Final = AlignmentConfig()


def align(
    stream: Features,
    track: Features,
    *,
    anchor: Anchor | None = None,
    transposition_semitones: int | None = None,
    config: AlignmentConfig = DEFAULT,
) -> Alignment | None:
    """Places a stretch of stream on a track.

    Args:
        stream: Features of some stretch of the stream, up to about 10 minutes.
        track: Features of the whole track.
        anchor: Where the two are believed to meet; makes it cheaper and keeps it from other repeats.
        transposition_semitones: Use this one (then `strength` still compares it with the others).
        config: Prices.

    Returns:
        The best local alignment; None where nothing fits (`least_strength`). A result says where the best place is,
        and `strength` how far to believe it.
    """
    if len(stream.tonal_NCP) < 8 or len(track.tonal_NCP) < 8:
        return None
    score_12 = strengths(stream, track, anchor=anchor, config=config)
    best = int(np.argmax(score_12)) if transposition_semitones is None else transposition_semitones % PITCH_CLASSES
    strength = strength_of(score_12, best)
    if score_12[best] <= 0.0 or strength < config.least_strength:
        return None
    band = _band(stream, track, anchor, 1)
    gain = band_gain(stream.tonal_NCP, track.tonal_NCP, band, best)
    limits = (gain.first_N, band.low_N, band.high_N, *_edges(track, config))
    prices = (config.floor, config.bend, config.jump, config.wait)
    threshold, path_P2 = config.threshold, np.empty((0, 2), np.int32)
    for _ in range(2):
        _, path_P2 = best_path(gain.gain_NW, *limits, threshold, *prices)
        if len(path_P2) < 2:
            return None
        gain_P = gain.of(path_P2)
        used = threshold
        threshold = float(np.clip(config.share * np.median(gain_P), config.lowest_threshold, config.highest_threshold))
    matched_P = followed(np.maximum(gain_P - np.float32(used), np.float32(config.floor)), config.turn)
    stretches = _stretches(path_P2, matched_P, stream.first, track.first)
    if not stretches:
        return None
    track_time = sum(part.track_end_sample - part.track_start_sample for part in stretches)
    stream_time = sum(part.stream_end_sample - part.stream_start_sample for part in stretches)
    gaps = tuple(
        (left.stream_end_sample, right.stream_start_sample)
        for left, right in pairwise(stretches)
        if right.stream_start_sample - left.stream_end_sample >= config.gap_samples
    )
    return Alignment(
        stream_start_sample=stretches[0].stream_start_sample,
        stream_end_sample=stretches[-1].stream_end_sample,
        track_start_sample=stretches[0].track_start_sample,
        track_end_sample=stretches[-1].track_end_sample,
        transposition_semitones=(best + 6) % PITCH_CLASSES - 6,
        tempo_ratio=track_time / stream_time,
        score=float(score_12[best]),
        strength=strength,
        similarity=float(gain_P[matched_P].mean()),
        stretches=tuple(stretches),
        gaps=gaps,
    )


def strengths(
    stream: Features, track: Features, *, anchor: Anchor | None = None, config: AlignmentConfig = DEFAULT
) -> NDArray[np.float64]:
    """Scores [12] of the best path without jumps for each transposition of the stream, 0 to 11 semitones up."""
    step = config.scan_rows
    stream_NCP, track_NCP = stream.tonal_NCP[::step], track.tonal_NCP[::step]
    band = _band(stream, track, anchor, step)
    total_S3C, gain_S2C, best_SM = scoreboard(PITCH_CLASSES, len(track_NCP), config.floor)
    for block in blocks(stream_NCP, track_NCP, band, range(PITCH_CLASSES)):
        advance(
            block.gain_nSW, block.first_row, block.first_column, band.low_N, band.high_N,
            config.threshold, config.floor, config.bend, total_S3C, gain_S2C, best_SM,
        )  # fmt: skip
    score_S: NDArray[np.float64] = best_SM.max(axis=1).astype(np.float64)
    return score_S


def strength_of(score_12: NDArray[np.float64], best: int | None = None) -> float:
    """Score of the best transposition (or of `best`) less the mean of the next three."""
    best = int(np.argmax(score_12)) if best is None else best
    return float(score_12[best] - np.sort(np.delete(score_12, best))[-_RIVALS:].mean())


def _band(stream: Features, track: Features, anchor: Anchor | None, step: int) -> Band:
    """Where a path may go, in steps of `step` feature rows."""
    rows = -(-len(stream.tonal_NCP) // step)
    columns = -(-len(track.tonal_NCP) // step)
    if anchor is None:
        return Band(low_N=np.zeros(rows, np.int32), high_N=np.full(rows, columns, np.int32))
    distance_N = np.arange(rows) - (feature_of(anchor.stream_sample) - stream.first) / step
    centre = (feature_of(anchor.track_sample) - track.first) / step
    half = anchor.half_width_samples / FEATURE_HOP_SAMPLES / step
    slow_N, fast_N = distance_N * LOWEST_TEMPO, distance_N * HIGHEST_TEMPO
    low_N = np.floor(centre - half + np.minimum(slow_N, fast_N))
    high_N = np.ceil(centre + half + np.maximum(slow_N, fast_N)) + 1
    return Band(low_N=np.clip(low_N, 0, columns).astype(np.int32), high_N=np.clip(high_N, 0, columns).astype(np.int32))


def _edges(track: Features, config: AlignmentConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a path earns in each track row by beginning or by ending there."""
    sounding = np.flatnonzero(track.tonal_NCP.any(axis=(1, 2)))
    row_M = np.arange(len(track.tonal_NCP), dtype=np.float32)
    if not len(sounding):
        return np.zeros_like(row_M), np.zeros_like(row_M)
    reach = np.float32(config.edge_samples / FEATURE_HOP_SAMPLES)
    edge = np.float32(config.edge)
    entry_M = edge * np.clip(1.0 - (row_M - sounding[0]) / reach, 0.0, 1.0)
    exit_M = edge * np.clip(1.0 - (sounding[-1] - row_M) / reach, 0.0, 1.0)
    return entry_M.astype(np.float32), exit_M.astype(np.float32)


def _stretches(
    path_P2: NDArray[np.int32], matched_P: NDArray[np.bool_], stream_first: int, track_first: int
) -> list[Stretch]:
    """Cuts the matched cells of a path at gaps and jumps."""
    found = []
    step_Q2 = np.diff(path_P2, axis=0)
    cut_P = np.ones(len(path_P2) + 1, np.bool_)
    cut_P[1:-1] = (np.abs(step_Q2).max(axis=1) > 2) | (step_Q2[:, 1] < 0) | (matched_P[1:] != matched_P[:-1])
    edges = np.flatnonzero(cut_P)
    for begin, end in pairwise(edges):
        if not matched_P[begin]:
            continue
        first_2, last_2 = path_P2[begin], path_P2[end - 1]
        found.append(
            Stretch(
                stream_start_sample=max(0, sample_of(stream_first + int(first_2[0]) - 0.5)),
                stream_end_sample=sample_of(stream_first + int(last_2[0]) + 0.5),
                track_start_sample=max(0, sample_of(track_first + int(first_2[1]) - 0.5)),
                track_end_sample=sample_of(track_first + int(last_2[1]) + 0.5),
            )
        )
    return found
