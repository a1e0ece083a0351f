"""Finds how far music is from concert pitch, and moves its spectrum there. Knows nothing of networks. Compiled.

A bin is a semitone wide. Music tuned near the middle between two semitones shows each note in two bins, and what a
network has learnt of notes in one bin is of no use there: at 50 cents the embedding of equal notes keeps a cosine of
.4 to .6, after this step .99 (docs/decisions/0012-tuning.md). Uploads at a changed speed have any tuning.

The shape that a steady sine has over the bins is known (a Hann kernel's main lobe), so the place of a peak between the
bins follows from its neighbours, and the values between the bins from a few taps.

Shapes: F pitch bins, T frames, K steps of the deviation.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float32]

STEPS: Final = 40
"""Steps of a semitone that the spectrum is moved by: 2.5 cents."""
_HALF_TAPS: Final = 3
_LOWEST_BIN: Final = 12
"""Bins below have kernels so long that melodies blur in them."""
_QUIETEST: Final = 0.03
"""Peaks below this share of their frame's largest are left out."""
_PRIOR: Final = 0.05
"""Weight of concert pitch against all peaks: decides for sounds without a pitch."""


def hann_response(semitones: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude of a bin's Hann kernel for a steady sine so many semitones above the bin, 1 at its centre.

    For a periodic Hann window the response at d DFT bins from the centre is sinc(d) / (1 − d²); one bin of distance is
    1/Q of the frequency, Q = 1 / (2^(1/12) − 1).
    """
    quality = 1 / (2 ** (1 / 12) - 1)
    d = np.abs(quality * (2 ** (semitones / 12) - 1))
    near_one = np.abs(d - 1) < 1e-4
    response: NDArray[np.float64] = np.abs(np.where(near_one, 0.5, np.sinc(d) / np.where(near_one, 1.0, 1 - d * d)))
    return response


def _taps() -> Array:
    """Taps [K, 7] that give a spectrum's value `step / STEPS` − ½ semitones above a bin, best for single sines."""
    x = np.linspace(-4.0, 4.0, 801)
    around = np.stack([hann_response(x - k) for k in range(-_HALF_TAPS, _HALF_TAPS + 1)], axis=1)
    # The small ridge keeps the taps short, so that noise is not amplified.
    gram = around.T @ around / len(x) + 1e-3 * np.eye(around.shape[1])
    wanted = np.stack([hann_response(x - (step / STEPS - 0.5)) for step in range(STEPS + 1)], axis=1)
    return np.ascontiguousarray(np.linalg.solve(gram, around.T @ wanted / len(x)).T, np.float32)


_TAPS_K7: Final = _taps()


@njit(cache=True, nogil=True)
def deviation(magnitude_FT: Array) -> float:
    """How far the pitches of a spectrum lie above the nearest semitones, −½ to ½; 0 where nothing has a pitch.

    Args:
        magnitude_FT: Linear magnitudes, 12 bins an octave, at any gain.

    Returns:
        Circular mean of the deviations of all spectral peaks, weighted by the root of their magnitude.
    """
    bins, frames = magnitude_FT.shape
    cosine, sine, weight = 0.0, 0.0, 1e-12
    for t in range(frames):
        top = 0.0
        for b in range(bins):
            top = max(top, magnitude_FT[b, t])
        least = max(_QUIETEST * top, 1e-12)
        for b in range(_LOWEST_BIN, bins - 1):
            middle = magnitude_FT[b, t]
            below, above = magnitude_FT[b - 1, t], magnitude_FT[b + 1, t]
            if middle <= least or middle < below or middle <= above:
                continue
            # The logarithm of the lobe is nearly a parabola.
            low, high = math.log(max(below, 1e-12) / middle), math.log(max(above, 1e-12) / middle)
            angle = 2 * math.pi * 0.5 * (high - low) / max(1e-3, -low - high)
            share = math.sqrt(middle)
            cosine += share * math.cos(angle)
            sine += share * math.sin(angle)
            weight += share
    return math.atan2(sine / weight, cosine / weight + _PRIOR) / (2 * math.pi)


@njit(cache=True, nogil=True)
def _moved(magnitude_FT: Array, taps_7: Array) -> Array:
    bins, frames = magnitude_FT.shape
    half = len(taps_7) // 2
    out_FT = np.zeros((bins, frames), np.float32)
    for b in range(bins):
        for k in range(len(taps_7)):
            source = b + k - half
            if 0 <= source < bins:
                for t in range(frames):
                    out_FT[b, t] += taps_7[k] * magnitude_FT[source, t]
        for t in range(frames):
            out_FT[b, t] = max(out_FT[b, t], np.float32(0.0))
    return out_FT


def moved(magnitude_FT: Array, semitones: float) -> Array:
    """The spectrum as if the music were so many semitones (−½ to ½) lower: [F, T], not below 0."""
    step = min(STEPS, max(0, round((semitones + 0.5) * STEPS)))
    return magnitude_FT if step == STEPS // 2 else _moved(magnitude_FT, _TAPS_K7[step])


def at_concert_pitch(magnitude_FT: Array) -> Array:
    """A chunk's spectrum, its pitches moved to the nearest semitones: [F, T]."""
    return moved(magnitude_FT, deviation(magnitude_FT))
