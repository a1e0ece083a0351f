"""Changes to single notes: a singer's liberties with a melody, a pianist's with an accompaniment.

Works on note arrays in the original's time. Knows nothing of chords, bands or tempo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encoder.training.notes import DURATION, ONSET, PITCH, VELOCITY, NotesN5, sort_notes


def alter_melody(melody_N5: NotesN5, beat_s: float, difficulty: float, rng: np.random.Generator) -> NotesN5:
    """The melody as another singer has it: octave, dropped, split, delayed and ornamented notes, other lengths."""
    if not len(melody_N5):
        return melody_N5
    notes = melody_N5.astype(np.float64)
    middle = float(np.median(notes[:, PITCH]))
    octaves = [0.0] + [shift for shift in (-12.0, 12.0) if 50 <= middle + shift <= 84]
    notes[:, PITCH] += octaves[int(rng.integers(len(octaves)))] if rng.random() < 0.3 + 0.4 * difficulty else 0.0
    notes = notes[rng.random(len(notes)) >= 0.12 * difficulty * rng.random()]
    notes = _move_phrases(notes, beat_s, difficulty, rng)
    late = rng.random(len(notes)) < 0.15 * difficulty
    notes[late, ONSET] += rng.uniform(-0.12, 0.25, int(late.sum())) * beat_s
    notes[:, DURATION] *= np.exp(rng.normal(rng.uniform(-0.3, 0.15), 0.15 * difficulty, len(notes)))
    added = [*_split_notes(notes, beat_s, difficulty, rng), *_graces(notes, difficulty, rng)]
    if added:
        notes = np.concatenate([notes, np.array(added, np.float64)])
    notes[:, ONSET] = np.maximum(notes[:, ONSET], 0.0)
    notes[:, DURATION] = np.maximum(notes[:, DURATION], 0.05)
    return sort_notes(notes)


def thin_piano(piano_N5: NotesN5, difficulty: float, rng: np.random.Generator) -> NotesN5:
    """The accompaniment with notes left out, some moved by an octave, others longer or shorter."""
    notes = piano_N5.astype(np.float64)
    notes = notes[rng.random(len(notes)) >= rng.uniform(0, 0.35) * difficulty]
    moved = (rng.random(len(notes)) < 0.35 * difficulty) & (notes[:, PITCH] >= 52)
    notes[moved, PITCH] += rng.choice([-12.0, 12.0], int(moved.sum()))
    notes[:, DURATION] *= np.exp(rng.uniform(-0.5, 0.3) * difficulty)
    return sort_notes(notes)


def _move_phrases(
    notes: NDArray[np.float64], beat_s: float, difficulty: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Back-phrasing: whole phrases (between rests) sung a little early or late."""
    rest_s = notes[1:, ONSET] - (notes[:-1, ONSET] + notes[:-1, DURATION])
    phrase = np.concatenate([[0], np.cumsum(rest_s > beat_s)])
    shift = rng.normal(0, 0.08 * difficulty * beat_s, int(phrase[-1]) + 1 if len(phrase) else 0)
    notes[:, ONSET] += shift[phrase] if len(shift) else 0.0
    return notes


def _split_notes(
    notes: NDArray[np.float64], beat_s: float, difficulty: float, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Long notes struck again halfway, sometimes on a neighbour; shortens the first halves in `notes`."""
    added = []
    for index in np.flatnonzero((notes[:, DURATION] > 0.8 * beat_s) & (rng.random(len(notes)) < 0.2 * difficulty)):
        second = notes[index].copy()
        half = second[DURATION] / 2
        second[ONSET] += half
        second[DURATION] = half
        second[PITCH] += float(rng.choice([0, 0, 2, -2, -1]))
        notes[index, DURATION] = half
        added.append(second)
    return added


def _graces(notes: NDArray[np.float64], difficulty: float, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Short notes just before some notes, a step or two away."""
    added = []
    for index in np.flatnonzero(rng.random(len(notes)) < 0.12 * difficulty):
        grace = notes[index].copy()
        grace[ONSET] = max(0.0, grace[ONSET] - rng.uniform(0.05, 0.11))
        grace[DURATION] = 0.08
        grace[PITCH] += float(rng.choice([-2, -1, 1, 2]))
        grace[VELOCITY] *= 0.8
        added.append(grace)
    return added
