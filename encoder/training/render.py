"""Arrangements to sound, by FluidSynth and a General MIDI soundfont; deterministic.

Knows nothing of how an arrangement came about, of streams or of file formats (`encode.py` writes files).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.grid import SAMPLE_RATE
from encoder.training.arrangement import Arrangement
from encoder.training.fluidsynth import Synth, find_soundfont
from encoder.training.notes import DURATION, ONSET, PITCH, VELOCITY

STEP_SAMPLES = 64
"""Events fall on this grid (FluidSynth's own block), 2.9 ms at 22,050 Hz."""

PERCUSSION_CHANNEL = 9
TAIL_S = 1.0
"""How long notes ring after the last one ends."""

PEAK = 0.95


def render(
    arrangement: Arrangement,
    *,
    soundfont: str | None = None,
    rate: int = SAMPLE_RATE,
    stereo: bool = False,
    room: float = 0.0,
    chorus: bool = False,
    tuning_cents: float = 0.0,
    level_dbfs: float | None = -18.0,
    tail_s: float = TAIL_S,
) -> NDArray[np.float32]:
    """Plays an arrangement.

    Args:
        arrangement: Who plays what.
        soundfont: File name or path of a soundfont; None takes the first that is installed.
        rate: Sample rate in Hz.
        stereo: Whether to keep left and right.
        room: Reverb, 0 (none, fastest) to 1.
        chorus: Whether the synthesiser's chorus is on.
        tuning_cents: How far all pitched parts are from concert pitch.
        level_dbfs: RMS level that the whole is brought to, peaks above 0.95 lowering it; None leaves the synthesiser's.
        tail_s: How long notes may ring after the last one ends.

    Returns:
        float32 ``[S]``, or ``[2, S]`` if `stereo`; sample 0 is the arrangement's time 0.

    Raises:
        TrainingDataError: If FluidSynth or the soundfont is not installed.
    """
    font = find_soundfont(soundfont)
    samples = int(np.ceil((arrangement.duration_s + tail_s) * rate / STEP_SAMPLES)) * STEP_SAMPLES
    wave_2S = np.zeros((2, samples), np.float32)
    events = _events(arrangement, rate)
    with Synth(Path(font), rate=rate, room=room, chorus=chorus) as synth:
        for part, channel in zip(arrangement.parts, _channels(arrangement), strict=True):
            synth.set_channel(channel, program=part.program, volume=part.volume, pan=part.pan)
            if tuning_cents and not part.percussion:
                synth.tune(channel, tuning_cents)
        at = 0
        for sample, velocity, channel, pitch in events.tolist():
            if sample > at:
                synth.write(wave_2S[:, at : min(sample, samples)])
                at = min(sample, samples)
            if velocity:
                synth.note_on(channel, pitch, velocity)
            else:
                synth.note_off(channel, pitch)
        if at < samples:
            synth.write(wave_2S[:, at:])
    wave = wave_2S if stereo else wave_2S.mean(0)
    return levelled(wave, level_dbfs) if level_dbfs is not None else wave


def levelled(wave: NDArray[np.float32], level_dbfs: float) -> NDArray[np.float32]:
    """Audio brought to an RMS level, lowered where its peak would pass `PEAK`; silence stays as it is."""
    power = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if wave.size else 0.0
    if power == 0.0:
        return wave
    gain = min(10 ** (level_dbfs / 20) / power, PEAK / float(np.abs(wave).max()))
    return (wave * np.float32(gain)).astype(np.float32)


def _channels(arrangement: Arrangement) -> list[int]:
    """MIDI channel of each part; percussion shares one, the others go round the remaining fifteen."""
    melodic = [channel for channel in range(16) if channel != PERCUSSION_CHANNEL]
    channels, used = [], 0
    for part in arrangement.parts:
        channels.append(PERCUSSION_CHANNEL if part.percussion else melodic[used % len(melodic)])
        used += not part.percussion
    return channels


def _events(arrangement: Arrangement, rate: int) -> NDArray[np.int64]:
    """Rows of sample, velocity (0 ends a note), channel and pitch, ordered in time, ends before beginnings."""
    tables = []
    for part, channel in zip(arrangement.parts, _channels(arrangement), strict=True):
        notes = part.notes_N5.astype(np.float64)
        for when, velocity in (
            (notes[:, ONSET], np.clip(np.rint(notes[:, VELOCITY]), 1, 127)),
            (notes[:, ONSET] + np.maximum(notes[:, DURATION], 0.02), np.zeros(len(notes))),
        ):
            sample = np.rint(when * rate / STEP_SAMPLES) * STEP_SAMPLES
            pitch = np.clip(np.rint(notes[:, PITCH]), 0, 127)
            tables.append(np.column_stack([sample, velocity, np.full(len(notes), channel), pitch]))
    table = np.concatenate(tables).astype(np.int64) if tables else np.zeros((0, 4), np.int64)
    return table[np.lexsort((table[:, 3], table[:, 2], table[:, 1] > 0, table[:, 0]))]
