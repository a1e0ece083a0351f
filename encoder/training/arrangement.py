"""An arrangement: who plays which notes when, and where each moment lies in the original.

Plain values between `arrange.py`, which makes them, and `render.py`, which plays them. Knows nothing of how covers
are made or of sound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from encoder.training.notes import DURATION, ONSET, NotesN5, end_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One player.

    Attributes:
        role: melody, bridge, chords, bass, pad or drums.
        program: General MIDI program, 0 to 127 (for percussion: the kit, 0 is the standard one).
        percussion: Whether pitches are General MIDI percussion keys.
        volume: MIDI channel volume, 0 to 127.
        pan: MIDI pan, 0 left to 127 right.
        notes_N5: Notes in the arrangement's own seconds.
    """

    role: str
    program: int
    percussion: bool = False
    volume: int = 100
    pan: int = 64
    notes_N5: NotesN5


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeMap:
    """Ground truth: where each moment of an arrangement lies in the original, piecewise linear.

    Attributes:
        spans_K4: Rows of cover start, cover end, original start, original end (s), in order of the cover. Within a
            row time runs linearly; moments in no row (an added introduction) are in no place of the original.
    """

    spans_K4: NDArray[np.float64]

    @property
    def start_s(self) -> float:
        """Where the original's material begins in the cover."""
        return float(self.spans_K4[0, 0])

    @property
    def end_s(self) -> float:
        """Where the original's material ends in the cover."""
        return float(self.spans_K4[-1, 1])

    def original_s(self, cover_s: float) -> float | None:
        """Place in the original of a moment of the cover; None where the cover plays something else."""
        for cover_start, cover_end, start, end in self.spans_K4.tolist():
            if cover_start <= cover_s <= cover_end:
                return float(start + (cover_s - cover_start) * (end - start) / (cover_end - cover_start))
        return None

    def cut(self, start_s: float, end_s: float) -> TimeMap:
        """The map of the excerpt [start_s, end_s) of the cover, whose time begins at 0."""
        rows = []
        for cover_start, cover_end, start, end in self.spans_K4.tolist():
            low, high = max(cover_start, start_s), min(cover_end, end_s)
            if high > low:
                slope = (end - start) / (cover_end - cover_start)
                at = start + (low - cover_start) * slope
                rows.append((low - start_s, high - start_s, at, at + (high - low) * slope))
        return TimeMap(spans_K4=np.array(rows, np.float64).reshape(-1, 4))


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrangement:
    """A version of a work, ready to be played.

    Attributes:
        work_id: The work.
        parts: Players.
        time_map: Truth about where in the original the cover is.
        transposition_semitones: Cover relative to original.
        tempo_ratio: Mean tempo of the cover over the original's; above 1 is faster.
        description: What was done, one entry a decision, for logs and pictures.
    """

    work_id: str
    parts: tuple[Part, ...]
    time_map: TimeMap
    transposition_semitones: int
    tempo_ratio: float
    description: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """End of the last note of any player."""
        return max((end_s(part.notes_N5) for part in self.parts), default=0.0)

    @property
    def digest(self) -> str:
        """Twelve hex digits of who plays what, for the names of files."""
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(f"{part.role} {part.program} {part.volume}".encode() + part.notes_N5.tobytes())
        return digest.hexdigest()[:12]

    @property
    def first_note_s(self) -> float:
        """Onset of the first note that comes from the original: where a listener would say that the work begins."""
        onsets = [part.notes_N5[:, ONSET] for part in self.parts]
        heard = [float(onset[onset >= self.time_map.start_s - 0.05].min(initial=np.inf)) for onset in onsets]
        return min(heard, default=0.0)

    def at_tempo(self, ratio: float) -> Arrangement:
        """The same played `ratio` times as fast, at the same pitch."""

        def faster(part: Part) -> Part:
            notes_N5 = part.notes_N5.copy()
            notes_N5[:, [ONSET, DURATION]] /= ratio
            return replace(part, notes_N5=notes_N5)

        spans_K4 = self.time_map.spans_K4.copy()
        spans_K4[:, :2] /= ratio
        return replace(
            self,
            parts=tuple(faster(part) for part in self.parts),
            time_map=TimeMap(spans_K4=spans_K4),
            tempo_ratio=self.tempo_ratio * ratio,
        )

    def excerpt(self, start_s: float, stop_s: float) -> Arrangement:
        """The notes that start in [start_s, stop_s), cut at its end; time begins at 0."""
        parts = [replace(part, notes_N5=_cut(part.notes_N5, start_s, stop_s)) for part in self.parts]
        return replace(self, parts=tuple(parts), time_map=self.time_map.cut(start_s, stop_s))


def span_rows(original_knots_s: Sequence[float], cover_knots_s: Sequence[float]) -> NDArray[np.float64]:
    """Rows of a `TimeMap` between successive knots."""
    original, cover = np.asarray(original_knots_s), np.asarray(cover_knots_s)
    return np.column_stack([cover[:-1], cover[1:], original[:-1], original[1:]])


def _cut(notes_N5: NotesN5, start_s: float, stop_s: float) -> NotesN5:
    kept = notes_N5[(notes_N5[:, ONSET] >= start_s) & (notes_N5[:, ONSET] < stop_s)].copy()
    kept[:, DURATION] = np.minimum(kept[:, DURATION], stop_s - kept[:, ONSET])
    kept[:, ONSET] -= start_s
    return kept
