"""Chords to accompaniment: bass, chord and drum patterns in several styles.

Works in beats (quarter notes) and returns rows ``(onset, duration, pitch, velocity)``. Knows nothing of seconds,
melodies or instruments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoder.training.harmony import Chord

Row = tuple[float, float, float, float]
"""Onset and duration in beats, MIDI pitch, velocity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChordSpan:
    """A chord that holds from `start` for `length` beats."""

    start: float
    length: float
    chord: Chord


Step = tuple[float, str, float]
"""Place in the bar (fraction), what sounds, length (fraction of the bar)."""

CHORD_STYLES: dict[str, tuple[Step, ...]] = {
    "block": ((0.0, "all", 1.0),),
    "half": ((0.0, "all", 0.5), (0.5, "all", 0.5)),
    "pulse": tuple((i / 4, "all", 0.22) for i in range(4)),
    "eighths": tuple((i / 8, "all", 0.11) for i in range(8)),
    "offbeat": tuple(((i + 0.5) / 4, "all", 0.10) for i in range(4)),
    "strum": ((0.0, "all", 0.24), (0.25, "all", 0.12), (0.375, "all", 0.12), (0.625, "all", 0.12), (0.75, "all", 0.2)),
    "charleston": ((0.0, "all", 0.3), (0.375, "all", 0.2)),
    "alberti": tuple((i / 8, n, 0.13) for i, n in enumerate(("0", "2", "1", "2") * 2)),
    "arpeggio": tuple((i / 8, n, 0.3) for i, n in enumerate("01234321")),
    "sixteenths": tuple((i / 16, n, 0.08) for i, n in enumerate("0123" * 4)),
    "folk": tuple((i / 8, n, 0.25) for i, n in enumerate("02132132")),
    "oompah": ((0.25, "all", 0.15), (0.75, "all", 0.15)),
    "waltz": ((1 / 3, "all", 0.25), (2 / 3, "all", 0.25)),
    "waltz arpeggio": tuple((i / 6, n, 0.3) for i, n in enumerate("012321")),
    "jig": tuple((i / 6, n, 0.12) for i, n in enumerate("012012")),
    "jig chop": ((0.0, "all", 0.2), (1 / 3, "all", 0.1), (0.5, "all", 0.2), (5 / 6, "all", 0.1)),
}
TRIPLE_STYLES = ("waltz", "waltz arpeggio", "jig", "jig chop", "block")
DUPLE_STYLES = tuple(name for name in CHORD_STYLES if name not in TRIPLE_STYLES or name == "block")

BASS_STYLES: dict[str, tuple[Step, ...]] = {
    "root": ((0.0, "R", 0.95),),
    "two": ((0.0, "R", 0.4), (0.5, "F", 0.4)),
    "rock": tuple((i / 8, "R", 0.11) for i in range(8)),
    "pop": ((0.0, "R", 0.3), (0.375, "R", 0.12), (0.5, "R", 0.3), (0.875, "F", 0.12)),
    "walk": ((0.0, "R", 0.24), (0.25, "3", 0.24), (0.5, "F", 0.24), (0.75, "A", 0.24)),
    "octaves": tuple((i / 8, "R" if i % 2 == 0 else "O", 0.1) for i in range(8)),
    "three": ((0.0, "R", 0.32), (2 / 3, "F", 0.3)),
}
TRIPLE_BASS = ("root", "three")
DUPLE_BASS = ("root", "two", "rock", "pop", "walk", "octaves")

KICK, SNARE, HAT, OPEN_HAT, RIDE, STICK, SHAKER, CRASH = 36, 38, 42, 46, 51, 37, 70, 49
Hits = tuple[tuple[float, int, int], ...]
DRUM_STYLES: dict[str, Hits] = {
    "rock": (
        *((i / 8, HAT, 70) for i in range(8)),
        (0, KICK, 105),
        (0.5, KICK, 95),
        (0.25, SNARE, 100),
        (0.75, SNARE, 100),
    ),
    "pop": (
        *((i / 8, HAT, 60 + 15 * (i % 2 == 0)) for i in range(8)),
        (0, KICK, 105),
        (0.375, KICK, 90),
        (0.625, KICK, 90),
        (0.25, SNARE, 95),
        (0.75, SNARE, 95),
    ),
    "disco": (
        *(((i + 0.5) / 4, OPEN_HAT, 75) for i in range(4)),
        *((i / 4, KICK, 105) for i in range(4)),
        (0.25, SNARE, 90),
        (0.75, SNARE, 90),
    ),
    "ballad": ((0, KICK, 85), (0.5, STICK, 75), *((i / 8, RIDE, 45) for i in range(8))),
    "swing": (
        (0, RIDE, 75),
        (0.25, RIDE, 80),
        (0.4167, RIDE, 60),
        (0.5, RIDE, 75),
        (0.75, RIDE, 80),
        (0.9167, RIDE, 60),
        (0.25, 44, 60),
        (0.75, 44, 60),
    ),
    "latin": (
        *((i / 16, SHAKER, 50 + 20 * (i % 4 == 0)) for i in range(16)),
        (0, KICK, 85),
        (0.375, KICK, 75),
        (0.1875, STICK, 80),
        (0.5, STICK, 80),
        (0.75, STICK, 80),
    ),
    "train": tuple((i / 8, SNARE, 80 if i % 2 else 50) for i in range(8)),
    "waltz": ((0, KICK, 90), (1 / 3, HAT, 65), (2 / 3, HAT, 65)),
    "jig": (*((i / 6, HAT, 75 if i % 3 == 0 else 50) for i in range(6)), (0, KICK, 90), (0.5, SNARE, 70)),
}
TRIPLE_DRUMS = ("waltz", "jig")
DUPLE_DRUMS = ("rock", "pop", "disco", "ballad", "swing", "latin", "train")


def voicing(chord: Chord, centre: float, previous: Sequence[float] = ()) -> list[float]:
    """Pitches of a chord near `centre`, moving as little as may be from the `previous` voicing."""
    target = float(np.mean(previous)) if len(previous) else centre
    target = 0.7 * target + 0.3 * centre
    best: list[float] = []
    for turn in range(len(chord.pitch_classes)):
        classes = chord.pitch_classes[turn:] + chord.pitch_classes[:turn]
        pitch = target - 5 + (classes[0] - (target - 5)) % 12
        shape = [pitch]
        for pitch_class in classes[1:]:
            shape.append(shape[-1] + ((pitch_class - shape[-1]) % 12))
        if not best or abs(np.mean(shape) - target) < abs(np.mean(best) - target):
            best = shape
    return [float(round(pitch)) for pitch in best]


def chord_part(
    spans: Sequence[ChordSpan], style: str, *, bar: float, centre: float, velocity: float, rng: np.random.Generator
) -> list[Row]:
    """Rows of the chord pattern `style`; `bar` is the bar's length in beats, `centre` the register's MIDI pitch."""
    rows: list[Row] = []
    previous: list[float] = []
    for span in spans:
        previous = voicing(span.chord, centre, previous)
        ladder = [*previous, *(pitch + 12 for pitch in previous)]
        for place, what, length in CHORD_STYLES[style]:
            onset = place * bar
            if onset >= span.length - 1e-6:
                continue
            pitches = previous if what == "all" else [ladder[int(what) % len(ladder)]]
            lasts = min(length * bar, span.length - onset)
            loud = velocity + (8 if place == 0 else 0) + float(rng.normal(0, 4))
            rows.extend((span.start + onset, lasts, pitch, loud) for pitch in pitches)
    return rows


def bass_part(
    spans: Sequence[ChordSpan], style: str, *, bar: float, velocity: float, rng: np.random.Generator
) -> list[Row]:
    """Rows of a bass line between MIDI 28 and 52."""
    rows: list[Row] = []
    for index, span in enumerate(spans):
        root = 28.0 + (span.chord.root - 28) % 12
        root += 12 if root < 33 else 0
        classes = span.chord.pitch_classes
        coming = spans[min(index + 1, len(spans) - 1)].chord.root
        pitches = {
            "R": root,
            "F": root + (classes[2] - root) % 12 - (12 if root > 40 else 0),
            "3": root + (classes[1] - root) % 12,
            "A": root + ((coming - root + 6) % 12 - 6) - (1 if coming >= span.chord.root else -1),
            "O": root + 12,
        }
        for place, what, length in BASS_STYLES[style]:
            onset = place * bar
            if onset < span.length - 1e-6:
                lasts = min(length * bar, span.length - onset)
                rows.append((span.start + onset, lasts, pitches[what], velocity + float(rng.normal(0, 4))))
    return rows


def drum_part(start: float, stop: float, style: str, *, bar: float, rng: np.random.Generator) -> list[Row]:
    """Rows of drum hits (General MIDI percussion keys) for the bars from `start` to `stop`, with fills and crashes."""
    rows: list[Row] = []
    hits = DRUM_STYLES[style]
    for index, at in enumerate(np.arange(start, stop - bar / 2, bar)):
        fill = index % 8 == 7 and rng.random() < 0.7
        if index % 8 == 0 and index and rng.random() < 0.5:
            rows.append((float(at), 0.2, CRASH, 85))
        for place, key, loud in hits:
            if not (fill and place >= 0.5):
                rows.append((float(at) + place * bar, 0.1, key, loud + float(rng.normal(0, 5))))
        if fill:
            toms = rng.choice([41, 43, 45, 47, 48, SNARE], 6)
            rows.extend((float(at) + (0.5 + i / 12) * bar, 0.1, float(tom), 85) for i, tom in enumerate(toms))
    return rows
