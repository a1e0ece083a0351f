"""Small bands that play melodies over chords, as samples: works, their covers and talk, made without a synthesiser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from encoder.cqt import ConstantQ
from encoder.grid import HOP, SAMPLE_RATE

Wave = npt.NDArray[np.float32]
Work = list[tuple[float, float, tuple[int, ...], int]]
"""Moments of a work: start and length in beats, pitches, and 0 for the melody or 1 for the chord."""

WARM = (1.0, 0.5, 0.25, 0.12, 0.06)
BRIGHT = (0.6, 1.0, 0.7, 0.6, 0.4, 0.3)
HOLLOW = (1.0, 0.0, 0.6, 0.0, 0.35)


def work(seed: int, beats: int) -> Work:
    """A melody in eighths, quarters and halves over a chord each two beats."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    moments: Work = []
    at, step = 0.0, int(rng.integers(7))
    while at < beats:
        length = float(rng.choice([0.5, 1.0, 1.0, 2.0]))
        step += int(rng.integers(-3, 4))
        moments.append((at, length, (67 + 12 * (step // 7 % 2) + int(scale[step % 7]),), 0))
        at += length
    for beat in range(0, beats, 2):
        root = int(rng.choice([0, 2, 3, 4, 5, 1]))
        moments.append((float(beat), 2.0, tuple(48 + int(scale[(root + k) % 7]) for k in (0, 2, 4)), 1))
    return moments


def play(
    moments: Work,
    *,
    beat_s: float = 0.5,
    semitones: int = 0,
    melody: Sequence[float] = WARM,
    chords: Sequence[float] = HOLLOW,
    decay: float = 2.0,
    seed: int = 0,
) -> Wave:
    """The work as samples at 22,050 Hz; `seed` decides the phases and a few hundredths of a second of timing."""
    rng = np.random.default_rng(seed)
    end = max(start + length for start, length, _, _ in moments) * beat_s
    wave_S = np.zeros(round((end + 0.5) * SAMPLE_RATE), np.float32)
    for start, length, pitches, voice in moments:
        begin = max(0, round((start * beat_s + rng.normal(0, 0.01)) * SAMPLE_RATE))
        time_S = np.arange(round(length * beat_s * 0.95 * SAMPLE_RATE)) / SAMPLE_RATE
        envelope_S = np.minimum(1.0, time_S / 0.01) * np.exp(-decay * time_S)
        for pitch in pitches:
            hertz = 440.0 * 2.0 ** ((pitch + semitones - 69) / 12)
            for number, gain in enumerate(melody if voice == 0 else chords, start=1):
                if hertz * number < 9000 and gain:
                    tone_S = np.sin(2 * np.pi * hertz * number * time_S + rng.uniform(0, 2 * np.pi))
                    wave_S[begin : begin + len(time_S)] += (gain * envelope_S * tone_S)[: len(wave_S) - begin]
    return (wave_S * np.float32(0.1 / np.sqrt(np.mean(wave_S**2)))).astype(np.float32)


def talk(seed: int, duration_s: float) -> Wave:
    """Something like a voice: gliding harmonics in syllables, with breaths of noise between them."""
    rng = np.random.default_rng(seed)
    samples = round(duration_s * SAMPLE_RATE)
    time_S = np.arange(samples) / SAMPLE_RATE
    knots = np.arange(0.0, duration_s + 1.0, 0.18)
    hertz_S = np.interp(time_S, knots, 110.0 * 2.0 ** rng.uniform(-0.4, 0.6, len(knots)))
    loud_S = np.interp(time_S, knots, rng.uniform(0.0, 1.0, len(knots)) ** 1.5)
    phase_S = 2 * np.pi * np.cumsum(hertz_S) / SAMPLE_RATE
    voice_S = sum(np.sin(k * phase_S) * rng.uniform(0.2, 1.0) / k**0.5 for k in range(1, 25))
    wave_S = loud_S * voice_S + 0.1 * rng.normal(size=samples)
    return (wave_S * (0.1 / np.sqrt(np.mean(wave_S**2)))).astype(np.float32)


def frames(wave_S: Wave) -> npt.NDArray[np.float32]:
    """CQT magnitudes [84, T] of samples that begin a stream."""
    front = ConstantQ()
    count = (len(wave_S) - 1) // HOP + 1
    window = np.zeros((count - 1) * HOP + 1 + 2 * front.support_samples, np.float32)
    kept = min(len(wave_S), len(window) - front.support_samples)
    window[front.support_samples : front.support_samples + kept] = wave_S[:kept]
    return np.asarray(front(torch.from_numpy(window[None]))[0].numpy(), np.float32)
