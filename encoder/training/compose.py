"""Songs composed by rule: a form of verses and choruses, chords, melody from motifs, second line, bass.

`compose(seed)` is deterministic and takes a few milliseconds. Knows nothing of the split (which seeds are for what),
of packed data or of sound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from encoder.training.accompaniment import ChordSpan, Row, bass_part, chord_part
from encoder.training.harmony import Chord
from encoder.training.melody import counter_line, section_motifs, sing
from encoder.training.notes import BRIDGE, MELODY, PIANO, Song, sort_notes
from encoder.training.styles import (
    ADJECTIVES,
    FOLLOWS,
    FORMS,
    MAJOR_CHORDS,
    MAJOR_LOOPS,
    MINOR_CHORDS,
    MINOR_LOOPS,
    NOUNS,
    STYLES,
    Style,
)

VERSION = 1
"""Part of every seed: raise it when the rules change, and no composed work is mistaken for an older one."""


def work_id(seed: int) -> str:
    """Name of the work that `compose(seed)` gives."""
    return f"composed-{seed:06d}"


def compose(seed: int) -> Song:
    """The song of a seed, 70 to 220 s long, with melody, second line and piano (chords and bass)."""
    rng = np.random.default_rng([909, VERSION, seed])
    style = STYLES[int(rng.integers(len(STYLES)))]
    scale = str(rng.choice(style.scales))
    minor = scale in ("minor", "dorian", "minor pentatonic", "harmonic minor")
    tonic = int(rng.integers(12))
    beat_s = 60.0 / rng.uniform(*style.tempo)
    form = str(rng.choice(FORMS))
    centre = float(rng.integers(66, 75))
    parts: dict[str, list[tuple[float, ...]]] = {}
    lengths: dict[str, float] = {}
    rows: list[tuple[float, ...]] = []
    at = 0.0
    for name in form:
        if name not in parts:
            parts[name], lengths[name] = _section(name, style, scale, minor, tonic, centre, rng)
        rows += [(at + row[0], *row[1:]) for row in parts[name]]
        at += lengths[name]
        if at * beat_s > 200:
            break
    rows += _ending(at, style, Chord(root=tonic, quality="min" if minor else "maj"), rng)
    table = np.array(rows, np.float64)
    if style.name == "swing":
        table[:, 0] = _swing(table[:, 0])
    table[:, :2] *= beat_s
    table[:, 3] = np.clip(table[:, 3], 20, 120)
    words = np.random.default_rng([17, seed])
    return Song(
        work_id=work_id(seed),
        source="composed",
        notes_N5=sort_notes(table),
        beats_s=(np.arange(0, at + style.bar) * beat_s).astype(np.float32),
        title=f"{words.choice(ADJECTIVES)} {words.choice(NOUNS)}",
    )


def _section(
    name: str, style: Style, scale: str, minor: bool, tonic: int, centre: float, rng: np.random.Generator
) -> tuple[list[tuple[float, ...]], float]:
    """Rows (onset, duration, pitch, velocity, stem) of a section in beats, and its length."""
    bars = 4 if name == "i" else int(rng.choice([8, 8, 8, 16])) if style.tempo[0] > 85 else 8
    loop = _progression(minor, rng)
    per_chord = style.bar if rng.random() < 0.75 or style.bar == 3 else style.bar / 2
    count = round(bars * style.bar / per_chord)
    spans = [
        ChordSpan(start=i * per_chord, length=per_chord, chord=_chord(loop[i % len(loop)], minor, tonic, rng))
        for i in range(count)
    ]
    spans = _same_each_round(spans, len(loop))
    chorus = name in "cb"
    density = float(rng.uniform(*style.density))
    melody: list[Row] = []
    if name != "i" or rng.random() < 0.5:
        motifs = section_motifs(rng, bars=bars, bar=style.bar, grid=style.grid, density=density, leap=style.leap)
        melody = sing(
            motifs, spans, tonic=tonic, scale=scale, centre=centre + (3 if chorus else 0), bar=style.bar, rng=rng
        )
    lift = 6.0 if chorus else 0.0
    chords = chord_part(
        spans, str(rng.choice(style.chords)), bar=style.bar, centre=57 + rng.uniform(-3, 4), velocity=58 + lift, rng=rng
    )
    bass = bass_part(spans, str(rng.choice(style.bass)), bar=style.bar, velocity=72 + lift, rng=rng)
    second = counter_line(melody, spans, low=64, rng=rng) if chorus or name == "i" or rng.random() < 0.3 else []
    rows: list[tuple[float, ...]] = [(*row, MELODY) for row in melody]
    rows += [(*row, BRIDGE) for row in second]
    rows += [(*row, PIANO) for row in [*chords, *bass]]
    return rows, bars * style.bar


def _progression(minor: bool, rng: np.random.Generator) -> list[str]:
    """Degrees of a loop: half of them well known, half a walk of four or eight steps."""
    if rng.random() < 0.5:
        return str(rng.choice(MINOR_LOOPS if minor else MAJOR_LOOPS)).split()
    walk = [str(rng.choice(list("1146")))]
    while len(walk) < rng.choice([4, 8]):
        walk.append(str(rng.choice(list(FOLLOWS[walk[-1]]))))
    return walk


def _chord(degree: str, minor: bool, tonic: int, rng: np.random.Generator) -> Chord:
    step, quality = (MINOR_CHORDS if minor else MAJOR_CHORDS)[degree]
    if rng.random() < 0.12:
        quality = {"maj": "7" if step == 7 else "maj7", "min": "min7"}.get(quality, quality)
    return Chord(root=(tonic + step) % 12, quality=quality)


def _same_each_round(spans: Sequence[ChordSpan], loop: int) -> list[ChordSpan]:
    """The loop's chords with the qualities that its first round drew."""
    return [
        ChordSpan(start=span.start, length=span.length, chord=spans[i % loop].chord) for i, span in enumerate(spans)
    ]


def _ending(at: float, style: Style, home: Chord, rng: np.random.Generator) -> list[tuple[float, ...]]:
    span = [ChordSpan(start=at, length=style.bar, chord=home)]
    rows = chord_part(span, "block", bar=style.bar, centre=57, velocity=60, rng=rng)
    return [(*row, PIANO) for row in [*rows, *bass_part(span, "root", bar=style.bar, velocity=70, rng=rng)]]


def _swing(onset_beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moves the second half of each beat from one half to two thirds."""
    whole = np.floor(onset_beats)
    part = onset_beats - whole
    swung = whole + np.where(part <= 0.5, part * 4 / 3, 2 / 3 + (part - 0.5) * 2 / 3)
    return swung.astype(np.float64)
