"""Draws sounding notes straight into constant-Q magnitudes, without any audio: about 0.2 ms for 20 s. Compiled.

It follows the convention of `encoder/cqt.py`: 84 bins from C1, Hann kernels normalised by their sum, so a steady sine
of amplitude A gives A/2 in its bin at every pitch, and half of that one semitone away. A drawn column is the mean of
four CQT frames (93 ms). Knows nothing of songs, of augmentation or of randomness.

Shapes: E events, I instruments, H harmonics (10), F bins (84), C columns.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from encoder.grid import BINS, HOP, SAMPLE_RATE
from encoder.tuning import hann_response

Array = NDArray[np.float32]

FRAMES_PER_COLUMN = 4
COLUMN_S = FRAMES_PER_COLUMN * HOP / SAMPLE_RATE
LOWEST_PITCH = 24
"""MIDI number of bin 0, C1."""
HARMONICS = 10
SPLIT = 3
"""Harmonics above this one decay faster, as those of struck and plucked strings do: ..."""
FASTER, SHORTER = 1.7, 0.7
"""... so much faster while the note is held, and in so much of the time when it is let go."""
RELEASES = 5.3
"""Release times after which a note has fallen by 46 dB and is over."""
REACH_SEMITONES = 2.2
"""Bins this far from a partial still hear it."""

# Columns of an event: onset and duration in seconds of the drawing, pitch in (fractional) MIDI numbers, amplitude of
# the fundamental, row of the instrument.
ONSET_S, DURATION_S, PITCH, AMPLITUDE, INSTRUMENT = range(5)
# Columns of an instrument: decay per second, release in seconds, attack in seconds, vibrato depth in semitones.
DECAY, RELEASE, ATTACK, VIBRATO = range(4)

AUDIBLE = 3e-4
"""Magnitude below which a partial is left out; notes are about 0.5, the noise of the augmentation is above it."""

STEPS_PER_SEMITONE = 100
SWINGS = (-0.9, -0.4, 0.4, 0.9)
"""Where a vibrato is looked at, in its depth."""


def leakage_table() -> Array:
    """Response of a bin's Hann kernel to a steady sine, by the sine's distance from the bin, −2.2 to 2.2 semitones."""
    steps = round(REACH_SEMITONES * STEPS_PER_SEMITONE)
    semitones = np.arange(-steps, steps + 1) / STEPS_PER_SEMITONE
    return hann_response(semitones).astype(np.float32)


LEAKAGE = leakage_table()


@njit(cache=True, nogil=True, fastmath=True)
def _profile(
    onset: float, duration: float, decay: float, release: float, attack: float, out_C: Array
) -> tuple[int, int]:
    """Mean envelope per column into `out_C`; returns the half-open range of columns that it fills."""
    columns = len(out_C)
    off = onset + duration
    level_off = math.exp(-decay * duration)
    stop = off + RELEASES * release
    first = max(0, math.floor(onset / COLUMN_S))
    last = min(columns, math.floor(stop / COLUMN_S) + 1)
    for c in range(first, last):
        left = c * COLUMN_S
        right = left + COLUMN_S
        total = 0.0
        a, b = max(left, onset), min(right, off)
        if b > a:
            if decay > 1e-3:
                total += (math.exp(-decay * (a - onset)) - math.exp(-decay * (b - onset))) / decay
            else:
                total += b - a
            if attack > 0.0 and a - onset < attack:
                total *= min(1.0, ((a + b) / 2 - onset) / attack)
        a, b = max(left, off), min(right, stop)
        if b > a:
            total += level_off * release * (math.exp(-(a - off) / release) - math.exp(-(b - off) / release))
        out_C[c] = total / COLUMN_S
    return first, last


@njit(cache=True, nogil=True, fastmath=True)
def _response(distance: float, vibrato: float, leakage: Array) -> float:
    """Magnitude response at a distance in semitones, averaged over the swing of a vibrato."""
    centre = len(leakage) // 2
    if vibrato <= 0.0:
        i = round(distance * STEPS_PER_SEMITONE) + centre
        return leakage[i] if 0 <= i < len(leakage) else 0.0
    total = 0.0
    for swing in SWINGS:
        i = round((distance + swing * vibrato) * STEPS_PER_SEMITONE) + centre
        if 0 <= i < len(leakage):
            total += leakage[i]
    return total / 4


@njit(cache=True, nogil=True, fastmath=True)
def draw_power(events_E5: Array, instruments_I4: Array, harmonics_IH: Array, leakage: Array, power_FC: Array) -> None:
    """Adds the power of all events to `power_FC` (magnitude squared; partials in one bin add as strangers in phase).

    Args:
        events_E5: Onset s, duration s, pitch, amplitude, instrument.
        instruments_I4: Decay per s, release s, attack s, vibrato semitones.
        harmonics_IH: Amplitude of each harmonic relative to the event's amplitude.
        leakage: `LEAKAGE`.
        power_FC: Accumulator, [84, C], changed in place.
    """
    columns = power_FC.shape[1]
    low = np.zeros(columns, np.float32)
    high = np.zeros(columns, np.float32)
    for e in range(len(events_E5)):
        onset, duration = events_E5[e, ONSET_S], events_E5[e, DURATION_S]
        if onset >= columns * COLUMN_S or onset + duration < -1.0:
            continue
        instrument = int(events_E5[e, INSTRUMENT])
        decay, release = instruments_I4[instrument, DECAY], instruments_I4[instrument, RELEASE]
        attack, vibrato = instruments_I4[instrument, ATTACK], instruments_I4[instrument, VIBRATO]
        first, last = _profile(onset, duration, decay, release, attack, low)
        if last <= first:
            continue
        high[first:last] = 0.0  # it ends sooner than the low partials, and the event before wrote here
        _profile(onset, duration, FASTER * decay, SHORTER * release, attack, high)
        for h in range(harmonics_IH.shape[1]):
            position = events_E5[e, PITCH] - LOWEST_PITCH + 12.0 * math.log2(h + 1.0)
            if position > BINS + 1:
                break
            # A sine of amplitude A has magnitude A / 2.
            amplitude = 0.5 * events_E5[e, AMPLITUDE] * harmonics_IH[instrument, h]
            if amplitude < AUDIBLE:
                continue
            profile = low if h < SPLIT else high
            for b in range(
                max(0, math.ceil(position - REACH_SEMITONES)), min(BINS - 1, math.floor(position + REACH_SEMITONES)) + 1
            ):
                gain = amplitude * _response(position - b, vibrato, leakage)
                if gain > AUDIBLE:
                    gain *= gain
                    for c in range(first, last):
                        power_FC[b, c] += gain * profile[c] * profile[c]


@njit(cache=True, nogil=True, fastmath=True)
def smear_low_octaves(power_FC: Array) -> None:
    """Spreads the two lowest octaves over time as their kernels do (0.5 s at C1, 0.25 s at C2), in place."""
    columns = power_FC.shape[1]
    for b in range(24):
        side = 0.25 if b < 12 else 0.1
        previous = power_FC[b, 0]
        for c in range(columns):
            current = power_FC[b, c]
            following = power_FC[b, c + 1] if c + 1 < columns else current
            power_FC[b, c] = side * (previous + following) + (1 - 2 * side) * current
            previous = current


@njit(cache=True, nogil=True, fastmath=True)
def add_reverberation(power_FC: Array, wet: float, rt60_s: float) -> None:
    """Adds an exponential tail to the power, in place: `wet` is the tail's share, `rt60_s` its time to −60 dB."""
    keep = 10.0 ** (-6.0 * COLUMN_S / rt60_s)
    scale = wet * (1 - keep)
    for b in range(power_FC.shape[0]):
        tail = 0.0
        for c in range(power_FC.shape[1]):
            tail = keep * tail + power_FC[b, c]
            power_FC[b, c] += scale * tail


@njit(cache=True, nogil=True, fastmath=True)
def average_columns(power_FC: Array, per_frame: int, out_FT: Array) -> None:
    """Mean magnitude of every `per_frame` columns into `out_FT`; the remainder is dropped, as the encoder does."""
    for b in range(out_FT.shape[0]):
        for t in range(out_FT.shape[1]):
            total = 0.0
            for c in range(t * per_frame, (t + 1) * per_frame):
                total += math.sqrt(power_FC[b, c])
            out_FT[b, t] = total / per_frame
