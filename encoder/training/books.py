"""Tunes to songs: a melody from a tune book gets a tempo, an accompaniment by rule and enough repeats to be a song.

Deterministic from the tune. Knows nothing of ABC text or of packed files.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from encoder.training.accompaniment import (
    DUPLE_BASS,
    DUPLE_STYLES,
    TRIPLE_BASS,
    TRIPLE_STYLES,
    ChordSpan,
    Row,
    bass_part,
    chord_part,
)
from encoder.training.harmony import CHORDS, harmonise, span_chroma
from encoder.training.notes import MELODY, PIANO, Song, sort_notes
from encoder.training.tunebook import Tune

TARGET_S = 80.0
"""A tune is played again until the song is about this long."""

MAX_TURNS = 4


def tune_song(tune: Tune, *, work_id: str, source: str) -> Song:
    """A tune as a song: played one to four times, each time accompanied a little differently."""
    rng = np.random.default_rng(zlib.crc32(work_id.encode()))
    quarter_s = _quarter_s(tune, rng)
    bars = whole_bars(tune)
    length = bars[-1]
    turns = int(np.clip(round(TARGET_S / (length * quarter_s)), 1, MAX_TURNS))
    spans = _chords(tune, bars, rng)
    triple = tune.compound or tune.beats_per_bar in (3.0, 1.5)
    styles, basses = (TRIPLE_STYLES, TRIPLE_BASS) if triple else (DUPLE_STYLES, DUPLE_BASS)
    bar = max(tune.beats_per_bar, 2.0) if not triple else tune.beats_per_bar
    lift = _lift(tune)
    rows: list[tuple[float, ...]] = []
    for turn in range(turns):
        at = turn * length
        loud = 84.0 + rng.normal(0, 4)
        rows += [(at + on, lasts, pitch + lift, loud + rng.normal(0, 5), MELODY) for on, lasts, pitch in tune.notes]
        style, bass = str(rng.choice(styles)), str(rng.choice(basses))
        played: list[Row] = chord_part(spans, style, bar=bar, centre=58, velocity=58, rng=rng)
        played += bass_part(spans, bass, bar=bar, velocity=70, rng=rng)
        rows += [(at + row[0], *row[1:], PIANO) for row in played]
    table = np.array(rows, np.float64)
    table[:, :2] *= quarter_s
    table[:, 3] = np.clip(table[:, 3], 20, 120)
    beat = 1.5 if tune.compound else 1.0
    return Song(
        work_id=work_id,
        source=source,
        notes_N5=sort_notes(table),
        beats_s=(np.arange(0, turns * length, beat) * quarter_s).astype(np.float32),
        title=tune.title,
    )


def whole_bars(tune: Tune) -> NDArray[np.float64]:
    """Bounds of bars in beats, with a strain's last bar and the next strain's upbeat joined to one."""
    bounds = [tune.bars[0]]
    for stop in tune.bars[1:]:
        previous = bounds[-2] if len(bounds) > 1 else -1e9
        partial = bounds[-1] - previous < tune.beats_per_bar - 1e-6
        if len(bounds) > 2 and partial and stop - previous <= tune.beats_per_bar + 1e-6:
            bounds[-1] = stop
        else:
            bounds.append(stop)
    return np.array(bounds)


def _chords(tune: Tune, bars: NDArray[np.float64], rng: np.random.Generator) -> list[ChordSpan]:
    melody_N5 = np.array([(on, lasts, pitch, 80, 0) for on, lasts, pitch in tune.notes], np.float32)
    halves = tune.beats_per_bar >= 4 and rng.random() < 0.6
    bounds = np.unique(np.concatenate([bars, (bars[:-1] + bars[1:]) / 2])) if halves else bars
    noise_KC = np.repeat(rng.normal(0, 0.10, (1, len(CHORDS))), len(bounds) - 1, axis=0)
    noise_KC += rng.normal(0, 0.04, noise_KC.shape)
    chords = harmonise(span_chroma(melody_N5, bounds), tonic=tune.tonic, minor=tune.minor, noise_KC=noise_KC)
    spans: list[ChordSpan] = []
    for start, stop, chord in zip(bounds[:-1], bounds[1:], chords, strict=True):
        spans.append(ChordSpan(start=float(start), length=float(stop - start), chord=chord))
    return spans


def _lift(tune: Tune) -> float:
    """Octaves that bring the melody near the middle of a voice's or fiddle's range."""
    middle = float(np.median([pitch for _, _, pitch in tune.notes]))
    return 12.0 * round((71.0 - middle) / 12)


def _quarter_s(tune: Tune, rng: np.random.Generator) -> float:
    """The marked tempo where it is usable, else one that gives the melody four to seven notes a second."""
    per_note = tune.bars[-1] / len(tune.notes)
    wanted = 1.0 / (rng.uniform(3.2, 6.0) * per_note)
    if tune.quarter_s is not None and 0.6 * wanted < tune.quarter_s < 1.7 * wanted:
        return tune.quarter_s
    return float(np.clip(wanted, 0.2, 1.2))
