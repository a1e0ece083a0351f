"""The cover's form and time: which stretches of the original it plays in what order, and how fast.

Knows nothing of notes' pitches or of instruments.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from encoder.training.arrangement import TimeMap
from encoder.training.notes import Song

Section = tuple[float, float]
"""Start and end in the original, in seconds."""

PHRASE_BEATS = 16


def restructure(song: Song, beats_s: NDArray[np.float64], rng: np.random.Generator) -> tuple[list[Section], float]:
    """Sections of the original in the cover's order, on phrase bounds, and the length of an added introduction.

    Sixteen-beat phrases; the beginning or end may be cut, one stretch left out or played twice. At least half of the
    original stays.
    """
    phrases = _phrases(song, beats_s)
    order = list(range(len(phrases)))
    if len(order) >= 6:
        change = str(rng.choice(["start", "end", "leave out", "repeat", "none"]))
        size = int(rng.integers(1, max(2, len(order) // 4)))
        at = int(rng.integers(1, len(order) - size))
        if change == "start":
            order = order[size:]
        elif change == "end":
            order = order[:-size]
        elif change == "leave out":
            order = order[:at] + order[at + size :]
        elif change == "repeat":
            order = order[: at + size] + order[at:]
    sections = _joined([phrases[index] for index in order])
    beat_s = float(np.median(np.diff(beats_s)))
    intro_s = float(rng.choice([0, 0, 8, 16])) * beat_s
    return sections, intro_s


def reorder(
    song: Song, beats_s: NDArray[np.float64], longest_s: float, rng: np.random.Generator
) -> tuple[list[Section], float]:
    """Sections in an order of the cover's own, and the length of an added introduction.

    The cover begins with one of the first three phrases and plays `longest_s` of the original at most; then one phrase
    may be left out, one played twice, and two neighbouring blocks may change places, where there are enough.
    """
    phrases = _phrases(song, beats_s)
    if len(phrases) >= 6:
        phrases = phrases[int(rng.integers(0, 3)) :]
    total_s = np.cumsum([end - start for start, end in phrases])
    phrases = phrases[: max(1, int(np.searchsorted(total_s, longest_s, side="right")))]
    if len(phrases) >= 6 and rng.random() < 0.4:
        del phrases[int(rng.integers(1, len(phrases) - 1))]
    if len(phrases) >= 5 and rng.random() < 0.4:
        at = int(rng.integers(0, len(phrases) - 1))
        phrases = [*phrases[: at + 1], *phrases[at:]]
    if len(phrases) >= 5 and rng.random() < 0.4:
        low, middle, high = sorted(int(at) for at in rng.choice(len(phrases) + 1, 3, replace=False))
        phrases = [*phrases[:low], *phrases[middle:high], *phrases[low:middle], *phrases[high:]]
    beat_s = float(np.median(np.diff(beats_s)))
    return _joined(phrases), float(rng.choice([0, 0, 8, 16])) * beat_s


def warp(
    sections: Sequence[Section],
    beats_s: NDArray[np.float64],
    *,
    ratio: float,
    rubato: float,
    lead_s: float,
    rng: np.random.Generator,
) -> TimeMap:
    """The cover's time: sections behind each other, after `lead_s`, at tempo `ratio` with slow rubato.

    The tempo wanders smoothly: a new deviation of up to `rubato` every eight beats, as a random walk drawn to 0.
    """
    rows: list[tuple[float, float, float, float]] = []
    at, deviation = lead_s, 0.0
    for start, end in sections:
        knots = [start, *(float(t) for t in beats_s[::8] if start + 1.0 < t < end - 1.0), end]
        for low, high in pairwise(knots):
            deviation = float(np.clip(0.6 * deviation + rng.normal(0, rubato / 2), -rubato, rubato))
            length = (high - low) / (ratio * (1 + deviation))
            rows.append((at, at + length, low, high))
            at += length
    return TimeMap(spans_K4=np.array(rows, np.float64))


def _phrases(song: Song, beats_s: NDArray[np.float64]) -> list[Section]:
    """The song from its first note to its end, in phrases of sixteen beats."""
    end = song.duration_s
    first = float(song.notes_N5[0, 0])
    start_beat = max(0, int(np.searchsorted(beats_s, first, side="right")) - 1)
    bounds = [float(at) for at in beats_s[start_beat::PHRASE_BEATS] if at < end - 4.0]
    return list(pairwise([*bounds, end]))


def _joined(phrases: Sequence[Section]) -> list[Section]:
    """Phrases that follow each other in the original as one section."""
    sections: list[Section] = []
    for start, stop in phrases:
        if sections and abs(sections[-1][1] - start) < 1e-6:
            sections[-1] = (sections[-1][0], stop)
        else:
            sections.append((start, stop))
    return sections
