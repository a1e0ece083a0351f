"""The sketch: a small, log-quantised copy of the CQT that alignment works on; about 10.77 rows of 84 bytes a second.

Row i is the mean of frames 4i to 4i + 3 of the stream's own frame grid, so a row never depends on how the audio was
cut. A byte is a level in half-decibel steps: 255 is full scale (a sine of amplitude 1, which the CQT shows as 0.5),
255 - 2n is n dB below it, 0 is 127 dB and more below it, or digital silence. Levels are compared with a fixed table
and never computed by a logarithm, so equal frames give equal bytes on every machine. A gain moves all bytes of a row
by the same number, which alignment removes. It knows nothing of notes, chroma or catalogues.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from encoder.errors import AudioShapeError
from encoder.grid import BINS, HOP

SKETCH_FRAMES: Final = 4
"""Frames of the stream's grid in one row."""

SKETCH_STEP_DB: Final = 0.5
"""Decibels from one byte to the next."""

FULL_SCALE_MAGNITUDE: Final = 0.5
"""Magnitude of the CQT for a sine of amplitude 1: byte 255."""

_THRESHOLDS: Final[NDArray[np.float32]] = (
    FULL_SCALE_MAGNITUDE * 10.0 ** ((np.arange(1, 256) - 255.5) * SKETCH_STEP_DB / 20.0)
).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class SketchRows:
    """Rows `first_row`, `first_row` + 1, … of a stream's sketch."""

    first_row: int
    rows_NF: NDArray[np.uint8]
    """Levels [n, 84]."""


def _quantised(magnitude_FT: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[84, 4n] magnitudes to [n, 84] bytes; the sum's order is fixed, so that equal frames give equal bytes."""
    parts = [magnitude_FT[:, i::SKETCH_FRAMES] for i in range(SKETCH_FRAMES)]
    mean_FN = ((parts[0] + parts[1]) + (parts[2] + parts[3])) * np.float32(0.25)
    levels_FN = np.searchsorted(_THRESHOLDS, mean_FN, side="right")
    return np.ascontiguousarray(levels_FN.T.astype(np.uint8))


def sketch(magnitude_FT: NDArray[np.float32], first_frame: int = 0) -> NDArray[np.uint8]:
    """Sketch of the frames that start at `first_frame` of a stream.

    Args:
        magnitude_FT: CQT magnitudes [84, T].
        first_frame: place of the first frame on the stream's grid, 0 or more.

    Returns:
        Levels [n, 84]: the rows whose four frames are all there. The first is row ceil(first_frame / 4).

    Raises:
        AudioShapeError: the frames are not [84, T].
    """
    if magnitude_FT.ndim != 2 or magnitude_FT.shape[0] != BINS:
        raise AudioShapeError(f"a sketch is made of frames [{BINS}, T], not {list(magnitude_FT.shape)}")
    skip = -first_frame % SKETCH_FRAMES
    whole = max(0, magnitude_FT.shape[1] - skip) // SKETCH_FRAMES * SKETCH_FRAMES
    return _quantised(magnitude_FT[:, skip : skip + whole])


class SketchBuilder:
    """Makes the sketch of one stream while its frames arrive; pieces join to what `sketch` gives at once.

    Frames that were pushed before are ignored (neighbouring blocks may share one). After a hole in the frames the
    rows start anew behind it, and the row that the hole cut is dropped.
    """

    def __init__(self) -> None:
        self._pending_FT: NDArray[np.float32] = np.empty((BINS, 0), np.float32)
        self._next_frame: int | None = None

    def push(self, magnitude_FT: NDArray[np.float32], first_frame: int) -> SketchRows:
        """Takes frames [84, T] from `first_frame` on; returns the rows that became whole (often not all frames')."""
        if self._next_frame is None or first_frame > self._next_frame:
            self._pending_FT = np.empty((BINS, 0), np.float32)
            self._next_frame = first_frame
        fresh_FT = magnitude_FT[:, self._next_frame - first_frame :]
        joined_FT = np.concatenate((self._pending_FT, fresh_FT), axis=1)
        joined_first = self._next_frame - self._pending_FT.shape[1]
        rows_NF = sketch(joined_FT, joined_first)
        first_row = -(-joined_first // SKETCH_FRAMES)
        self._next_frame += fresh_FT.shape[1]
        used = (first_row + len(rows_NF)) * SKETCH_FRAMES - joined_first if len(rows_NF) else 0
        self._pending_FT = joined_FT[:, used:].copy()
        return SketchRows(first_row=first_row, rows_NF=rows_NF)


def row_sample(row: int) -> int:
    """Sample at the middle of row `row` (between the centres of its second and third frame)."""
    return (row * SKETCH_FRAMES) * HOP + (SKETCH_FRAMES - 1) * HOP // 2
