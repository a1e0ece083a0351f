"""What may happen to a recording's CQT and leave the work what it is: key, speed, equaliser, noise, talk, masks.

Knows nothing of notes, files or networks. Works on magnitudes of columns (means of two CQT frames), before averaging.

Shapes: F pitch bins (84), C columns, T averaged frames, N columns of talk.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encoder.grid import BINS
from encoder.training.config import AugmentConfig

Array = NDArray[np.float32]

FRAMES_PER_COLUMN = 2
MASK_BINS = 12
"""Most bins of a mask over pitch, as SpecAugment's F."""
MASK_TIME = 0.15
"""Most of the view that a mask over time takes."""
KNOTS = 8


def transposed(magnitude_FC: Array, semitones: int) -> Array:
    """Moved along pitch; what enters is zero, so treble never becomes bass."""
    moved_FC = np.zeros_like(magnitude_FC)
    if semitones >= 0:
        moved_FC[semitones:] = magnitude_FC[: BINS - semitones]
    else:
        moved_FC[:semitones] = magnitude_FC[-semitones:]
    return moved_FC


def averaged(magnitude_FC: Array, frames: int) -> Array:
    """Means over `frames` equal parts of the stretch, [84, frames]; parts need not be whole columns.

    A stretch that is longer or shorter than its frames' usual length is so played at another speed.
    """
    columns = magnitude_FC.shape[1]
    # The integral at any point, linear between columns: its differences are exact means of fractional parts.
    total_FC = np.concatenate((np.zeros((BINS, 1)), np.cumsum(magnitude_FC, axis=1, dtype=np.float64)), axis=1)
    edge_T = np.linspace(0.0, columns, frames + 1)
    left_T = np.minimum(edge_T.astype(np.int64), columns - 1)
    at_FT = total_FC[:, left_T] + (edge_T - left_T) * magnitude_FC[:, left_T]
    mean_FT: Array = (np.diff(at_FT, axis=1) / (columns / frames)).astype(np.float32)
    return mean_FT


def disturbed(
    mean_FT: Array, rng: np.random.Generator, augment: AugmentConfig, difficulty: float, speech_FN: Array
) -> Array:
    """A view through an equaliser, with noise and talk over it, each by its share; averaged magnitudes in and out."""
    frames = mean_FT.shape[1]
    knots_db = rng.normal(0.0, augment.equaliser_db * difficulty, KNOTS)
    gain_F = 10 ** (np.interp(np.linspace(0, KNOTS - 1, BINS), np.arange(KNOTS), knots_db) / 20)
    power_FT = np.square(mean_FT * gain_F[:, None].astype(np.float32))
    if rng.random() < augment.noise_share:
        floor = float(power_FT.max()) * 10 ** (-rng.uniform(40.0 - 30.0 * difficulty, 50.0) / 10)
        tilt_F = 2.0 ** (rng.uniform(-0.7, 0.7) * (np.arange(BINS) - BINS / 2) / 12)
        power_FT = power_FT + (floor * tilt_F)[:, None] * rng.uniform(0.5, 1.5, (BINS, frames))
    if speech_FN.shape[1] > frames and rng.random() < augment.speech_share:
        start = int(rng.integers(speech_FN.shape[1] - frames))
        talk_FT = np.square(speech_FN[:, start : start + frames])
        level = 10 ** (rng.uniform(-20.0, -8.0 + 14.0 * difficulty) / 10)
        power_FT = power_FT + talk_FT * (level * power_FT.sum() / max(1e-12, float(talk_FT.sum())))
    return np.sqrt(power_FT).astype(np.float32)


def masked(mean_FT: Array, rng: np.random.Generator, share: float) -> Array:
    """SpecAugment (Park et al., 2019): a band of pitches and a stretch of time silenced, in `share` of the views."""
    if share <= 0.0 or rng.random() >= share:
        return mean_FT
    out_FT = mean_FT.copy()
    band = int(rng.integers(1, MASK_BINS + 1))
    low = int(rng.integers(0, BINS - band))
    out_FT[low : low + band] = 0.0
    frames = mean_FT.shape[1]
    stretch = int(rng.integers(0, max(1, int(frames * MASK_TIME)) + 1))
    start = int(rng.integers(0, frames - stretch + 1))
    if stretch < frames:
        out_FT[:, start : start + stretch] = 0.0
    return out_FT
