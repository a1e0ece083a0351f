"""Chords: which ones the notes of a song imply, and which would suit a bare melody.

Both are one search for the best path (Viterbi) over major, minor, seventh and other chords, given how long each
pitch class sounds in each span. Knows nothing of rhythm, instruments or songs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.training.notes import DURATION, ONSET, PITCH, VELOCITY, NotesN5

QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "dim": (0, 3, 6),
    "sus4": (0, 5, 7),
}
MAJOR_DEGREES = {0: "maj", 2: "min", 4: "min", 5: "maj", 7: "maj", 9: "min"}
MINOR_DEGREES = {0: "min", 3: "maj", 5: "min", 7: "min", 8: "maj", 10: "maj"}
LIKELY = {0: 0.30, 5: 0.16, 7: 0.20, 9: 0.06, 2: 0.04, 4: 0.0, 3: 0.06, 8: 0.06, 10: 0.12}
"""How much a degree (semitones above the tonic) is preferred when a melody alone is harmonised."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chord:
    """A chord: `root` pitch class (0 is C) and a `quality` out of `QUALITIES`."""

    root: int
    quality: str

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes, root first."""
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality])

    def transposed(self, semitones: int) -> Chord:
        """The chord moved by `semitones`."""
        return Chord(root=(self.root + semitones) % 12, quality=self.quality)


CHORDS = tuple(Chord(root=root, quality=quality) for quality in QUALITIES for root in range(12))
_MEMBER_CP = np.zeros((len(CHORDS), 12))
for _index, _chord in enumerate(CHORDS):
    _MEMBER_CP[_index, list(_chord.pitch_classes)] = 1.0
_ROOT_CP = np.eye(12)[[chord.root for chord in CHORDS]]
_SIZE_C = _MEMBER_CP.sum(1)


def span_chroma(notes_N5: NotesN5, bounds_K: NDArray[np.floating]) -> NDArray[np.float64]:
    """How long each pitch class sounds in each span, weighted by velocity.

    Args:
        notes_N5: Notes, in seconds or in any other unit that `bounds_K` shares.
        bounds_K: K rising bounds; span k is [bounds_K[k], bounds_K[k + 1]).

    Returns:
        ``[K - 1, 12]``, each row summing to 1 or all zero.
    """
    chroma = np.zeros((len(bounds_K) - 1, 12))
    onset, stop = notes_N5[:, ONSET], notes_N5[:, ONSET] + notes_N5[:, DURATION]
    pitch_class = notes_N5[:, PITCH].astype(np.int64) % 12
    first = np.clip(np.searchsorted(bounds_K, onset, side="right") - 1, 0, len(chroma) - 1)
    for step in range(4):
        span = np.minimum(first + step, len(chroma) - 1)
        overlap = np.minimum(stop, bounds_K[span + 1]) - np.maximum(onset, bounds_K[span])
        weight = np.where((first + step < len(chroma)) & (overlap > 0), overlap * notes_N5[:, VELOCITY], 0.0)
        np.add.at(chroma, (span, pitch_class), weight)
    total = chroma.sum(1, keepdims=True)
    return chroma / np.where(total > 0, total, 1.0)


def estimate_chords(notes_N5: NotesN5, bounds_K: NDArray[np.floating]) -> list[Chord]:
    """Chord of each span of a song with an accompaniment.

    Low notes (under MIDI 52) count as a hint of the root.
    """
    chroma_KP = span_chroma(notes_N5, bounds_K)
    bass_KP = span_chroma(notes_N5[notes_N5[:, PITCH] < 52], bounds_K)
    fit_KC = chroma_KP @ (_MEMBER_CP * 1.4 - 0.7).T + 0.35 * bass_KP @ _ROOT_CP.T
    fit_KC -= 0.05 * (_SIZE_C - 3) + 0.10 * np.array([chord.quality in ("dim", "sus4") for chord in CHORDS])
    stay = np.full((len(CHORDS), len(CHORDS)), -0.25)
    np.fill_diagonal(stay, 0.0)
    return [CHORDS[index] for index in _best_path(fit_KC, stay)]


def harmonise(
    chroma_KP: NDArray[np.floating], *, tonic: int, minor: bool, noise_KC: NDArray[np.floating] | None = None
) -> list[Chord]:
    """Chords that suit a bare melody, one a span, ending on the tonic.

    Args:
        chroma_KP: Pitch classes of the melody in each span, ``[K, 12]``.
        tonic: Pitch class of the key.
        minor: Whether to take the degrees of the minor mode.
        noise_KC: Random preferences over `CHORDS` that make one harmonisation differ from the next, ``[K, C]``.
    """
    degrees = MINOR_DEGREES if minor else MAJOR_DEGREES
    allowed = {(degree + tonic) % 12: quality for degree, quality in degrees.items()}
    bias_C = np.array(
        [LIKELY.get((c.root - tonic) % 12, 0.0) if allowed.get(c.root) == c.quality else -9.0 for c in CHORDS]
    )
    if minor:
        bias_C[[c.root == (tonic + 7) % 12 and c.quality == "maj" for c in CHORDS]] = 0.05
    else:
        # A flat seventh in the melody (mixolydian fiddle tunes) asks for the chord on it.
        bias_C[[c.root == (tonic + 10) % 12 and c.quality == "maj" for c in CHORDS]] = -0.25
    fit_KC = chroma_KP @ (_MEMBER_CP * 1.6 - 0.8).T + bias_C
    if noise_KC is not None:
        fit_KC = fit_KC + noise_KC
    move = np.full((len(CHORDS), len(CHORDS)), -0.08)
    for before, first in enumerate(CHORDS):
        for after, second in enumerate(CHORDS):
            if (second.root - first.root) % 12 == 5:
                move[before, after] = 0.08
    np.fill_diagonal(move, 0.0)
    home = next(i for i, c in enumerate(CHORDS) if c.root == tonic and c.quality == ("min" if minor else "maj"))
    fit_KC[-1, home] += 3.0
    return [CHORDS[index] for index in _best_path(fit_KC, move)]


def _best_path(fit_KC: NDArray[np.floating], move_CC: NDArray[np.floating]) -> list[int]:
    score_C = fit_KC[0].copy()
    came = np.zeros(fit_KC.shape, np.int64)
    for span in range(1, len(fit_KC)):
        through_CC = score_C[:, None] + move_CC
        came[span] = through_CC.argmax(0)
        score_C = through_CC[came[span], np.arange(len(score_C))] + fit_KC[span]
    path = [int(score_C.argmax())]
    for span in range(len(fit_KC) - 1, 0, -1):
        path.append(int(came[span, path[-1]]))
    return path[::-1]
