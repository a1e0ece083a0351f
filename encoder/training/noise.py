"""Sounds that are neither music nor talk: hiss, hum, rain, applause, a crowd's murmur; deterministic.

Knows nothing of stations or of music.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.grid import SAMPLE_RATE
from encoder.training.render import levelled

KINDS = ("white", "pink", "brown", "hum", "rain", "applause", "crowd")


def noise(duration_s: float, seed: int, *, kind: str | None = None, level_dbfs: float = -26.0) -> NDArray[np.float32]:
    """Noise of exactly `duration_s` seconds at 22,050 Hz, mono.

    Args:
        duration_s: Length in seconds.
        seed: Decides everything that is random.
        kind: One of `KINDS`; None takes one by the seed.
        level_dbfs: RMS level.

    Raises:
        TrainingDataError: If there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise TrainingDataError(f"no noise named {kind!r}; there are {', '.join(KINDS)}")
    rng = np.random.default_rng([71, seed])
    samples = round(duration_s * SAMPLE_RATE)
    kind = kind or str(rng.choice(KINDS))
    if samples == 0:
        return np.zeros(0, np.float32)
    if kind == "hum":
        wave = _hum(samples, rng)
    elif kind == "applause":
        wave = _applause(samples, rng)
    elif kind == "rain":
        wave = _coloured(samples, rng, 0.3) + 0.5 * _bursts(samples, rng, per_second=120, length_s=0.004)
    elif kind == "crowd":
        wave = _band(_coloured(samples, rng, 0.8), 150, 1800) * _swell(samples, rng)
    else:
        wave = _coloured(samples, rng, {"white": 0.0, "pink": 1.0, "brown": 2.0}[kind])
    return levelled(wave.astype(np.float32), level_dbfs)


def _coloured(samples: int, rng: np.random.Generator, slope: float) -> NDArray[np.float64]:
    """Noise whose power falls as 1 / frequency ** slope, flat below 30 Hz."""
    spectrum = np.fft.rfft(rng.normal(0, 1, samples))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    return np.asarray(np.fft.irfft(spectrum * np.maximum(frequency, 30.0) ** (-slope / 2), samples), np.float64)


def _band(wave: NDArray[np.float64], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(wave)
    frequency = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    shape = 1 / (1 + (low_hz / np.maximum(frequency, 1.0)) ** 4) / (1 + (frequency / high_hz) ** 4)
    return np.asarray(np.fft.irfft(spectrum * shape, len(wave)), np.float64)


def _swell(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Loudness that wanders about 1, a new aim every two seconds."""
    aims = np.exp(rng.normal(0, 0.4, samples // (2 * SAMPLE_RATE) + 2))
    return np.asarray(np.interp(np.arange(samples) / (2 * SAMPLE_RATE), np.arange(len(aims)), aims), np.float64)


def _hum(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    mains_hz = float(rng.choice([50.0, 60.0]))
    time_s = np.arange(samples) / SAMPLE_RATE
    wave = np.zeros(samples)
    for harmonic in range(1, 9):
        phase = rng.uniform(0, 2 * np.pi)
        wave += rng.uniform(0.2, 1.0) / harmonic * np.sin(2 * np.pi * mains_hz * harmonic * time_s + phase)
    return wave + 0.05 * rng.normal(0, 1, samples)


def _bursts(samples: int, rng: np.random.Generator, *, per_second: float, length_s: float) -> NDArray[np.float64]:
    """Clicks of decaying noise at random moments."""
    wave = np.zeros(samples + SAMPLE_RATE)
    length = max(8, round(length_s * SAMPLE_RATE))
    shape = np.exp(-np.arange(length) / (length / 4))
    for at in rng.integers(0, samples, int(per_second * samples / SAMPLE_RATE)):
        wave[at : at + length] += rng.uniform(0.2, 1.0) * rng.normal(0, 1, length) * shape
    return wave[:samples]


def _applause(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Many hands: claps of 10 ms, band-limited, rising and dying away."""
    wave = _band(_bursts(samples, rng, per_second=float(rng.uniform(80, 250)), length_s=0.012), 500, 3500)
    edge = min(samples // 3, SAMPLE_RATE)
    shape = np.ones(samples)
    if edge:
        shape[:edge] = np.linspace(0.2, 1, edge)
        shape[-edge:] = np.linspace(1, 0.05, edge)
    return wave * shape * _swell(samples, rng)
