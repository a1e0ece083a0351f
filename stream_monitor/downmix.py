"""Decoded samples of any format and channel count to finite float32 mono.

It knows nothing of codecs or files. Mono is the plain mean of all channels, for stereo and 5.1 alike, so that the
catalogue and every stream agree. Samples that are no sound (NaN, Inf, or more than 120 dB over full scale, which only
garbage reaches) become zeros and are counted: one such sample would otherwise spoil whole blocks of spectrum.

C channels, S samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LOUDEST = 1e6
"""Amplitude (full scale is 1) above which a sample is garbage."""


def to_mono(samples: npt.NDArray[Any], channels: int) -> tuple[npt.NDArray[np.float32], int]:
    """Mean of the channels, in float32 with full scale 1.

    Args:
        samples: Planar [C, S], or packed [1, S * C]; unsigned 8-bit, signed 16, 32 or 64-bit, float32 or float64.
        channels: C.

    Returns:
        Mono samples [S], and how many of all samples were no sound and were replaced by zeros.
    """
    planar_CS = samples if samples.shape[0] == channels else samples.reshape(-1, channels).T
    match samples.dtype.kind:
        case "f":
            return _mean_of_floats(planar_CS)
        case "u":
            half = float(1 << (8 * samples.dtype.itemsize - 1))
            return (planar_CS.mean(axis=0, dtype=np.float64) / half - 1.0).astype(np.float32), 0
        case "i":
            full_scale = float(1 << (8 * samples.dtype.itemsize - 1))
            return _mean_of_integers(planar_CS, full_scale), 0
        case other:
            raise TypeError(f"samples of kind {other!r} ({samples.dtype}) cannot be mixed")


def _mean_of_integers(planar_CS: npt.NDArray[Any], full_scale: float) -> npt.NDArray[np.float32]:
    if planar_CS.dtype.itemsize == 2:
        # The sum of up to 256 channels of 16 bits is exact in float32.
        mono_S: npt.NDArray[np.float32] = planar_CS[0].astype(np.float32)
        for channel_S in planar_CS[1:]:
            mono_S += channel_S
        mono_S *= np.float32(1.0 / (full_scale * len(planar_CS)))
        return mono_S
    mean_S: npt.NDArray[np.float32] = (planar_CS.mean(axis=0, dtype=np.float64) / full_scale).astype(np.float32)
    return mean_S


def _mean_of_floats(planar_CS: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], int]:
    # One NaN or Inf anywhere makes the extremes NaN or Inf; comparisons with NaN are false.
    replaced = 0
    if planar_CS.size and not (planar_CS.max() <= LOUDEST and planar_CS.min() >= -LOUDEST):
        sound_CS = np.abs(planar_CS) <= LOUDEST
        replaced = int(planar_CS.size - np.count_nonzero(sound_CS))
        planar_CS = np.where(sound_CS, planar_CS, 0)
    mono_S: npt.NDArray[np.float32] = planar_CS[0].astype(np.float32)
    for channel_CS in planar_CS[1:]:
        mono_S += channel_CS.astype(np.float32, copy=False)
    mono_S *= np.float32(1.0 / len(planar_CS))
    return mono_S, replaced
