"""Melodies by rule: motifs of rhythm and contour, repeated, varied and fitted to chords.

Works in beats and MIDI pitches. Knows nothing of forms, styles, instruments or seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoder.training.accompaniment import ChordSpan, Row

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
PHRASES = ("abac", "aaba", "abab", "aabc", "abcb", "aaab", "abcd")


@dataclass(frozen=True, kw_only=True, slots=True)
class Motif:
    """A bar's idea: places and lengths in beats, and steps along the scale from one note to the next."""

    rhythm: tuple[tuple[float, float], ...]
    steps: tuple[int, ...]


def make_motif(rng: np.random.Generator, *, bar: float, grid: float, density: float, leap: float) -> Motif:
    """A random motif.

    Args:
        rng: Source of randomness.
        bar: Length of the bar in beats.
        grid: Smallest step in beats.
        density: Share of the grid's places that carry a note, 0 to 1.
        leap: Chance that a step is larger than two scale steps.
    """
    places = round(bar / grid)
    strong = np.array([1.0 if i % 2 == 0 else 0.55 for i in range(places)]) * density
    strong[0] = 0.85
    starts = [place * grid for place in range(places) if rng.random() < strong[place]] or [0.0]
    stops = [*starts[1:], bar]
    rhythm = []
    for start, stop in zip(starts, stops, strict=True):
        length = stop - start
        rhythm.append((start, length if rng.random() < 0.75 else min(length, max(grid, length / 2))))
    steps = []
    for _ in rhythm:
        size = int(rng.integers(3, 6)) if rng.random() < leap else int(rng.choice([0, 1, 1, 1, 2, 2]))
        steps.append(size * int(rng.choice([-1, 1])))
    return Motif(rhythm=tuple(rhythm), steps=tuple(steps))


def vary(motif: Motif, rng: np.random.Generator) -> Motif:
    """The motif with its last steps drawn anew."""
    steps = list(motif.steps)
    for index in range(max(0, len(steps) - 2), len(steps)):
        steps[index] = int(rng.integers(-2, 3))
    return Motif(rhythm=motif.rhythm, steps=tuple(steps))


def section_motifs(
    rng: np.random.Generator, *, bars: int, bar: float, grid: float, density: float, leap: float
) -> list[Motif]:
    """One motif for each bar of a section: two-bar ideas in a phrase pattern such as ``abac``."""
    pattern = str(rng.choice(PHRASES))
    ideas = {
        name: [make_motif(rng, bar=bar, grid=grid, density=density, leap=leap) for _ in range(2)]
        for name in sorted(set(pattern))
    }
    motifs: list[Motif] = []
    heard: set[str] = set()
    for name in pattern * (1 + bars // (2 * len(pattern))):
        for motif in ideas[name]:
            motifs.append(vary(motif, rng) if name in heard and rng.random() < 0.3 else motif)
        heard.add(name)
    return motifs[:bars]


def sing(
    motifs: Sequence[Motif],
    spans: Sequence[ChordSpan],
    *,
    tonic: int,
    scale: str,
    centre: float,
    bar: float,
    rng: np.random.Generator,
) -> list[Row]:
    """Motifs as notes: chord tones on strong places, scale tones between, within a tenth around `centre`."""
    ladder = [pitch for pitch in range(128) if (pitch - tonic) % 12 in SCALES[scale]]
    place = int(np.argmin([abs(pitch - centre) for pitch in ladder]))
    rows: list[Row] = []
    span_at = 0
    for index, motif in enumerate(motifs):
        for (start, length), step in zip(motif.rhythm, motif.steps, strict=True):
            onset = index * bar + start
            while span_at + 1 < len(spans) and spans[span_at + 1].start <= onset + 1e-6:
                span_at += 1
            place = int(np.clip(place + step, 0, len(ladder) - 1))
            if abs(ladder[place] - centre) > 8:
                place += 2 if ladder[place] < centre else -2
            pitch = ladder[place]
            if start % 1.0 < 1e-6 and length >= 0.5:
                classes = spans[span_at].chord.pitch_classes
                pitch = min(range(pitch - 4, pitch + 5), key=lambda p: (p % 12 not in classes, abs(p - pitch), p))
                place = int(np.argmin([abs(rung - pitch) for rung in ladder]))
            rows.append((onset, length * 0.95, float(pitch), 88 + (6 if start == 0 else 0) + float(rng.normal(0, 4))))
    if rows:  # The last note of a section rests on a chord tone and is held.
        onset, length, last, loud = rows[-1]
        classes = spans[-1].chord.pitch_classes
        near = [p for p in range(int(last) - 6, int(last) + 7) if p % 12 in classes]
        final = float(min(near, key=lambda p: abs(p - last)))
        rows[-1] = (onset, max(length, len(motifs) * bar - onset - 0.25), final, loud)
    return rows


def counter_line(
    melody: Sequence[Row], spans: Sequence[ChordSpan], *, low: float, rng: np.random.Generator
) -> list[Row]:
    """A second line: answers in the melody's gaps, long chord tones elsewhere."""
    rows: list[Row] = []
    held = low
    for span in spans:
        busy = any(row[0] < span.start + span.length / 2 and row[0] + row[1] > span.start for row in melody)
        tones = [p for p in range(int(held) - 6, int(held) + 7) if p % 12 in span.chord.pitch_classes]
        held = float(np.clip(min(tones, key=lambda p: (abs(p - held), p)), low - 7, low + 9))
        if busy or span.length < 2:
            rows.append((span.start, span.length * 0.95, held, 66 + float(rng.normal(0, 4))))
            continue
        run = rng.choice(tones, 4)
        rows.extend((span.start + i * span.length / 4, span.length / 4, float(p), 72.0) for i, p in enumerate(run))
    return rows
