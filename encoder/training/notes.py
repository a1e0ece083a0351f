"""Note arrays: what a song is before it is sound.

A note array is float32 of shape ``[n, 5]`` with the columns onset (s), duration (s), pitch (MIDI number), velocity
(0 to 127) and stem, sorted by onset. This module knows nothing of files, splits, instruments or audio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ONSET, DURATION, PITCH, VELOCITY, STEM = range(5)
"""Columns of a note array."""

MELODY, BRIDGE, PIANO = 0, 1, 2
"""Stems: the sung line, the second line (counter-melody), everything that accompanies."""

NotesN5 = NDArray[np.float32]
"""A note array, ``[n, 5]``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Song:
    """One work as notes.

    Attributes:
        work_id: Name of the work, e.g. ``pop909-001``.
        source: Collection that it comes from (``pop909``, ``oneill``, ``ryan``, ``aird``, ``composed``).
        notes_N5: Note array, sorted by onset.
        beats_s: Times of the beats (quarter notes) in seconds, or None where they are not known.
        title: Title as the collection gives it, may be empty.
    """

    work_id: str
    source: str
    notes_N5: NotesN5
    beats_s: NDArray[np.float32] | None
    title: str

    @property
    def duration_s(self) -> float:
        """End of the last note in seconds; 0 without notes."""
        return end_s(self.notes_N5)


def sort_notes(notes_N5: NDArray[np.floating]) -> NotesN5:
    """Notes as float32, ordered by onset, then stem, then pitch."""
    order = np.lexsort((notes_N5[:, PITCH], notes_N5[:, STEM], notes_N5[:, ONSET]))
    return np.ascontiguousarray(notes_N5[order], dtype=np.float32)


def end_s(notes_N5: NotesN5) -> float:
    """End of the last note in seconds; 0 without notes."""
    return float((notes_N5[:, ONSET] + notes_N5[:, DURATION]).max()) if len(notes_N5) else 0.0


def stem(notes_N5: NotesN5, which: int) -> NotesN5:
    """Notes of one stem."""
    return np.ascontiguousarray(notes_N5[notes_N5[:, STEM] == which])
