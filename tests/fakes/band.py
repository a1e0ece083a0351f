"""A small band: melodies as audio, drawn from a seed, so that recordings differ and copies are alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from encoder.grid import SAMPLE_RATE

_HARMONICS = (1.0, 0.5, 0.3, 0.2)


def song(seed: int, seconds: float) -> npt.NDArray[np.float32]:
    """Mono float32 audio at 22,050 Hz: a melody over a bass, about three notes a second, peak 0.5."""
    rng = np.random.default_rng(seed)
    total = round(seconds * SAMPLE_RATE)
    wave_S = np.zeros(total + SAMPLE_RATE, np.float64)
    for low, high, length_s in ((60, 84, 0.35), (36, 50, 0.9)):
        at = 0
        while at < total:
            samples = round(length_s * rng.choice((1, 1, 2)) * SAMPLE_RATE)
            time_s = np.arange(samples) / SAMPLE_RATE
            hertz = 440.0 * 2.0 ** ((rng.integers(low, high) - 69) / 12)
            tone_S = sum(a * np.sin(2 * np.pi * hertz * (n + 1) * time_s) for n, a in enumerate(_HARMONICS))
            end = min(at + samples, len(wave_S))
            wave_S[at:end] += (tone_S * np.exp(-2.0 * time_s))[: end - at]
            at += samples
    wave_S = wave_S[:total]
    return (0.5 * wave_S / np.abs(wave_S).max()).astype(np.float32)
