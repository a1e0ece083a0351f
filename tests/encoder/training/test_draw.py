"""Drawn magnitudes against the real CQT of the same notes as sound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from encoder.cqt import ConstantQ
from encoder.grid import BINS, CHUNK_FRAMES, HOP, SAMPLE_RATE
from encoder.training.draw import (
    COLUMN_S,
    FRAMES_PER_COLUMN,
    HARMONICS,
    LEAKAGE,
    add_reverberation,
    average_columns,
    draw_power,
)

Array = NDArray[np.float32]
COLUMNS = CHUNK_FRAMES // FRAMES_PER_COLUMN


def _drawn(
    events: Sequence[tuple[float, ...]], instrument: tuple[float, ...], harmonics: Array, per_frame: int
) -> Array:
    power_FC = np.zeros((BINS, COLUMNS), np.float32)
    instruments = np.array([instrument], np.float32)
    draw_power(np.array(events, np.float32), instruments, harmonics[None], LEAKAGE, power_FC)
    out_FT = np.zeros((BINS, COLUMNS // per_frame), np.float32)
    average_columns(power_FC, per_frame, out_FT)
    return out_FT


def _heard(wave_S: Array, factor: int) -> Array:
    transform = ConstantQ()
    padded = np.pad(wave_S, transform.support_samples)
    frames_FT = transform(torch.from_numpy(padded)[None])[0, :, :CHUNK_FRAMES].numpy()
    kept = CHUNK_FRAMES // factor * factor
    mean_FT: Array = frames_FT[:, :kept].reshape(BINS, -1, factor).mean(axis=2)
    return mean_FT


@pytest.mark.parametrize("pitch", [31.0, 60.0, 60.3, 84.0, 100.0])
def test_a_steady_sine_is_drawn_as_it_is_heard(pitch: float) -> None:
    """A sine of amplitude 1 has 1/2 in its bin, at every pitch, and the same leakage beside it as in the real CQT."""
    one = np.zeros(HARMONICS, np.float32)
    one[0] = 1.0
    drawn = _drawn([(-1.0, 30.0, pitch, 1.0, 0.0)], (0.0, 0.05, 0.0, 0.0), one, 5)[:, 20]
    time_S = np.arange(CHUNK_FRAMES * HOP) / SAMPLE_RATE
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    heard = _heard(np.sin(2 * np.pi * frequency * time_S).astype(np.float32), 20)[:, 20]
    np.testing.assert_allclose(drawn, heard, atol=0.02)
    if pitch == round(pitch):
        assert drawn[int(pitch) - 24] == pytest.approx(0.5, abs=0.01)


def test_decaying_notes_with_harmonics_are_drawn_as_they_are_heard() -> None:
    """A melody of struck notes: drawn and computed spectra are alike to a few percent."""
    decay, release = 1.5, 0.05
    harmonics = (np.arange(1, HARMONICS + 1, dtype=np.float32) ** -1.2).astype(np.float32)
    rng = np.random.default_rng(2)
    onsets = 0.5 * np.arange(38)
    pitches = rng.integers(45, 80, size=38)
    events = [(float(t), 0.45, float(p), 0.3, 0.0) for t, p in zip(onsets, pitches, strict=True)]
    drawn = _drawn(events, (decay, release, 0.0, 0.0), harmonics, 5)
    wave_S = np.zeros(CHUNK_FRAMES * HOP, np.float64)
    for onset, duration, pitch, amplitude, _ in events:
        start = round(onset * SAMPLE_RATE)
        t = np.arange(min(len(wave_S) - start, round((duration + 6 * release) * SAMPLE_RATE))) / SAMPLE_RATE
        held = np.minimum(t, duration)
        for h in range(HARMONICS):
            faster, shorter = (1.0, 1.0) if h < 3 else (1.7, 0.7)
            envelope = np.exp(-faster * decay * held - np.maximum(t - duration, 0) / (shorter * release))
            frequency = 440.0 * 2 ** ((pitch - 69) / 12) * (h + 1)
            if frequency < SAMPLE_RATE / 2:
                phase = rng.uniform(0, 2 * np.pi)
                wave = amplitude * harmonics[h] * envelope * np.sin(2 * np.pi * frequency * t + phase)
                wave_S[start : start + len(t)] += wave
    heard = _heard(wave_S.astype(np.float32), 20)
    assert np.corrcoef(drawn.ravel(), heard.ravel())[0, 1] > 0.97
    assert np.linalg.norm(drawn - heard) / np.linalg.norm(heard) < 0.25
    assert drawn.sum() == pytest.approx(heard.sum(), rel=0.1)


def test_a_note_sounds_only_from_its_onset_to_its_release() -> None:
    """Columns before the onset and well after the release are empty."""
    one = np.zeros(HARMONICS, np.float32)
    one[0] = 1.0
    drawn = _drawn([(5.0, 1.0, 69.0, 1.0, 0.0)], (0.0, 0.05, 0.0, 0.0), one, 1)
    assert not drawn[:, : int(5.0 / COLUMN_S)].any()
    assert not drawn[:, int(6.4 / COLUMN_S) :].any()
    assert drawn[45, int(5.5 / COLUMN_S)] == pytest.approx(0.5, abs=1e-3)


def test_reverberation_falls_by_60_db_in_its_time() -> None:
    """An impulse leaves a tail whose power is a millionth after the reverberation time."""
    power_FC = np.zeros((BINS, COLUMNS), np.float32)
    power_FC[10, 0] = 1.0
    add_reverberation(power_FC, 1.0, 1.0)
    after = round(1.0 / COLUMN_S)
    assert power_FC[10, 1 + after] / power_FC[10, 1] == pytest.approx(1e-6, rel=0.5)
