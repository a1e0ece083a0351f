"""From a sketch to pitch-class features that alignment compares: what sounds, in three registers, five times a second.

Each row is whitened along pitch (only what stands out of its neighbouring semitones counts, so drums, noise and an
equaliser fade away and gain cancels), folded to twelve pitch classes once for the whole range, once for the melody's
octaves and once for the bass, and smoothed over time. It knows nothing of alignment or of catalogues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, uniform_filter1d

from encoder.grid import BINS, HOP
from encoder.sketch import SKETCH_FRAMES, SKETCH_STEP_DB

PITCH_CLASSES: Final = 12
FEATURE_ROWS: Final = 2
"""Rows of the sketch per feature row; feature i sits on the stream's row 2i, whatever row a sketch begins with."""
FEATURE_HOP_SAMPLES: Final = FEATURE_ROWS * SKETCH_FRAMES * HOP

_REGISTERS: Final = ((0.4, 3.2, 1.6), (0.4, 4.0, 1.0), (0.2, 1.5, 1.0))
"""Weight, centre (octaves above C1) and width (octaves) of each register."""
_WHITENING_BINS: Final = 19
_RANGE_DB: Final = 50.0
_FADE_DB: Final = 20.0
_QUIET_DB: Final = 20.0
"""A row whose loudest bin is lower than this above the sketch's floor counts as if it were that loud."""
_SMOOTHING_ROWS: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """What `align` needs of one sketch; made once per track and worth keeping.

    Attributes:
        first: Place of the first feature row; row n sits on sample `FEATURE_HOP_SAMPLES` × (first + n) + 768.
        chroma_NGP: float32 [n, 3 registers, 12], each register centred, of unit norm, times the root of its weight;
            zeros where nothing sounds.
    """

    first: int
    chroma_NGP: NDArray[np.float32]  # noqa: N815  (the shape suffix of the house style)


def sample_of(feature: float) -> int:
    """Sample at the middle of feature row `feature` of the grid (may be fractional)."""
    return round(feature * FEATURE_HOP_SAMPLES + (SKETCH_FRAMES - 1) * HOP / 2)


def feature_of(sample: int) -> float:
    """Place on the feature grid of `sample`; the inverse of `sample_of`."""
    return (sample - (SKETCH_FRAMES - 1) * HOP / 2) / FEATURE_HOP_SAMPLES


def features(sketch_NF: NDArray[np.uint8], first_row: int = 0) -> Features:
    """Chroma features of a sketch.

    Args:
        sketch_NF: Levels [n, 84] as `encoder.sketch` makes them.
        first_row: Place of the first row on the stream's row grid.

    Returns:
        One feature row for every second row of the sketch.
    """
    level_NF = sketch_NF.astype(np.float32) * np.float32(SKETCH_STEP_DB)
    if len(level_NF) == 0:
        return Features(
            first=-(-first_row // FEATURE_ROWS),
            chroma_NGP=np.zeros((0, len(_REGISTERS), PITCH_CLASSES), np.float32),
        )
    top_N1 = np.maximum(level_NF.max(axis=1, keepdims=True), _QUIET_DB)
    level_NF = np.maximum(level_NF, top_N1 - (_RANGE_DB + _FADE_DB))
    salience_NF = np.maximum(0.0, level_NF - uniform_filter1d(level_NF, _WHITENING_BINS, axis=1, mode="nearest"))
    salience_NF *= np.clip((level_NF - (top_N1 - _RANGE_DB)) / _FADE_DB, 0.0, 1.0)
    octave_F = np.arange(BINS) / PITCH_CLASSES
    window = np.hanning(_SMOOTHING_ROWS + 2)[1:-1].astype(np.float32)
    skip = -first_row % FEATURE_ROWS
    registers = []
    for weight, centre, width in _REGISTERS:
        gain_F = np.exp(-0.5 * ((octave_F - centre) / width) ** 2).astype(np.float32)
        chroma_NP = (salience_NF * gain_F).reshape(len(salience_NF), -1, PITCH_CLASSES).sum(axis=1)
        chroma_NP = convolve1d(chroma_NP, window / window.sum(), axis=0, mode="nearest")[skip::FEATURE_ROWS]
        chroma_NP = chroma_NP - chroma_NP.mean(axis=1, keepdims=True)
        norm_N1 = np.linalg.norm(chroma_NP, axis=1, keepdims=True)
        registers.append(np.sqrt(weight) * chroma_NP / np.maximum(norm_N1, 1e-2))
    return Features(
        first=(first_row + skip) // FEATURE_ROWS,
        chroma_NGP=np.ascontiguousarray(np.stack(registers, axis=1), np.float32),
    )
