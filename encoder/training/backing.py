"""What a new accompaniment of an existing song needs: its beat grid, its chords in beats, substitutions.

Knows nothing of instruments, keys or the cover's tempo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.training.accompaniment import ChordSpan, Row
from encoder.training.harmony import Chord, estimate_chords
from encoder.training.notes import NotesN5, Song, sort_notes

DEFAULT_BEAT_S = 0.5
SUBSTITUTES: dict[str, tuple[tuple[int, str], ...]] = {
    "maj": ((0, "maj7"), (0, "7"), (0, "sus4"), (9, "min7"), (4, "min7")),
    "min": ((0, "min7"), (3, "maj"), (3, "maj7"), (8, "maj7")),
    "7": ((0, "maj"), (0, "sus4"), (6, "7"), (2, "min7")),
    "maj7": ((0, "maj"), (9, "min7"), (4, "min")),
    "min7": ((0, "min"), (3, "maj"), (5, "7")),
    "dim": ((0, "min"), (8, "7")),
    "sus4": ((0, "maj"), (0, "7")),
}
"""For a chord's quality: how far its substitute's root lies above, and the substitute's quality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Beats of a song: their times, the median beat in seconds, and beats in a bar (3 or 4)."""

    beats_s: NDArray[np.float64]
    beat_s: float
    bar: int

    def seconds(self, beats: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times of places given in beats, interpolated."""
        return np.asarray(np.interp(beats, np.arange(len(self.beats_s)), self.beats_s), np.float64)


def beat_grid(song: Song) -> Grid:
    """The song's beats carried on 16 beats beyond its end; half a second a beat where they are not known."""
    beats = song.beats_s
    if beats is None or len(beats) < 2:
        beats = np.arange(0, song.duration_s, DEFAULT_BEAT_S).astype(np.float32)
    steps = np.diff(beats.astype(np.float64))
    beat_s = float(np.median(steps))
    count = 16 + max(0, int((song.duration_s - float(beats[-1])) / beat_s) + 1)
    beats_s = np.concatenate([beats.astype(np.float64), beats[-1] + beat_s * np.arange(1, count + 1)])
    rough = _spans(song, beats_s)
    lengths = np.array([span.length for span in rough])
    triple = float(lengths[np.isin(lengths, (3, 6, 9))].sum()) > 0.5 * float(lengths.sum())
    return Grid(beats_s=beats_s, beat_s=beat_s, bar=3 if triple else 4)


def chord_spans(song: Song, grid: Grid) -> list[ChordSpan]:
    """Chords that the song's notes imply, each at most a bar long, in beats."""
    spans: list[ChordSpan] = []
    for span in _spans(song, grid.beats_s):
        at = span.start
        while at < span.start + span.length:
            length = min(float(grid.bar), span.start + span.length - at)
            spans.append(ChordSpan(start=at, length=length, chord=span.chord))
            at += length
    return spans


def _spans(song: Song, beats_s: NDArray[np.float64]) -> list[ChordSpan]:
    first = max(0, int(np.searchsorted(beats_s, song.notes_N5[0, 0], side="right")) - 1)
    last = int(np.searchsorted(beats_s, song.duration_s))
    bounds = beats_s[first : last + 1]
    chords = estimate_chords(song.notes_N5, bounds)
    spans: list[ChordSpan] = []
    for offset, chord in enumerate(chords):
        if spans and spans[-1].chord == chord:
            spans[-1] = ChordSpan(start=spans[-1].start, length=spans[-1].length + 1, chord=chord)
        else:
            spans.append(ChordSpan(start=float(first + offset), length=1.0, chord=chord))
    return spans


def substitute(spans: Sequence[ChordSpan], chance: float, rng: np.random.Generator) -> list[ChordSpan]:
    """Some chords replaced by relatives; most occurrences of a chord get the same substitute."""
    habit: dict[Chord, Chord] = {}
    for chord in sorted({span.chord for span in spans}, key=lambda c: (c.root, c.quality)):
        habit[chord] = _relative(chord, rng) if rng.random() < chance else chord
    replaced = []
    for span in spans:
        chord = _relative(span.chord, rng) if rng.random() < chance / 2 else habit[span.chord]
        replaced.append(ChordSpan(start=span.start, length=span.length, chord=chord))
    return replaced


def to_seconds(rows: Sequence[Row], grid: Grid, which_stem: int) -> NotesN5:
    """Rows in beats as a note array in seconds."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    onset_s, stop_s = grid.seconds(table[:, 0]), grid.seconds(table[:, 0] + table[:, 1])
    velocity = np.clip(table[:, 3], 15, 127)
    stems = np.full(len(table), which_stem)
    return sort_notes(np.column_stack([onset_s, np.maximum(stop_s - onset_s, 0.03), table[:, 2], velocity, stems]))


def _relative(chord: Chord, rng: np.random.Generator) -> Chord:
    options = SUBSTITUTES[chord.quality]
    step, quality = options[int(rng.integers(len(options)))]
    return Chord(root=(chord.root + step) % 12, quality=quality)
