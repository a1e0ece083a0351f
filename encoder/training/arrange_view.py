"""One random version of a stretch of a song, as sounding events: key, tempo, band, texture. Compiled, random by seed.

This is the note half of the augmentation (`augment.py` is the other): everything that an arranger or a player would
change. Knows nothing of spectra. How much is changed scales with a difficulty from 0 to 1.

Shapes: N notes, E events, I instruments, H harmonics.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from encoder.training.draw import HARMONICS

Array = NDArray[np.float32]

# Instruments of a version, by row: the two upper stems, then chords and bass of the accompaniment.
LEAD, SECOND, CHORDS, BASS = range(4)
INSTRUMENTS = 4
LOG_TEMPO = math.log(1.4)
"""Views are up to 1.4 times faster or slower than the song, so up to twice as fast as each other ..."""
TUNING_SEMITONES = 0.5
"""... in any tuning ..."""
SUBSTITUTION = 0.35
"""... and a new accompaniment plays up to this share of the chords by a relative or a third away."""
_BASS_BELOW = 55
MAX_EVENTS = 4096


@njit(cache=True, nogil=True)
def _uniform(low: float, high: float) -> float:
    return low + (high - low) * np.random.random()


@njit(cache=True, nogil=True)
def _put(rows_N5: Array, row: int, a: float, b: float, c: float, d: float, e: float) -> None:
    rows_N5[row, 0], rows_N5[row, 1], rows_N5[row, 2], rows_N5[row, 3], rows_N5[row, 4] = a, b, c, d, e


@njit(cache=True, nogil=True)
def random_instruments(difficulty: float, instruments_I4: Array, harmonics_IH: Array) -> None:
    """Draws a timbre for each instrument: harmonic slope and bumps, decay or sustain, release, attack, vibrato."""
    d = difficulty
    for i in range(INSTRUMENTS):
        slope = -1.5 + d * _uniform(-1.1, 1.0)
        odd_only = np.random.random() < 0.12 * d
        weak_fundamental = np.random.random() < 0.15 * d
        for h in range(HARMONICS):
            level_db = d * _uniform(-6.0, 6.0)
            gain = (h + 1.0) ** slope * 10 ** (level_db / 20)
            if odd_only and h % 2 == 1:
                gain *= 0.1
            if weak_fundamental and h == 0:
                gain *= 0.25
            harmonics_IH[i, h] = gain
        if np.random.random() < 0.45:
            instruments_I4[i, 0] = 0.0 if np.random.random() < 0.5 else 0.15
            instruments_I4[i, 2] = 0.02 + 0.25 * d * np.random.random() ** 2
        else:
            instruments_I4[i, 0] = 0.3 * 20.0 ** np.random.random()
            instruments_I4[i, 2] = 0.0
        instruments_I4[i, 1] = 0.03 * 16.0 ** np.random.random()
        instruments_I4[i, 3] = d * _uniform(0.1, 0.6) if np.random.random() < 0.35 else 0.0


@njit(cache=True, nogil=True)
def _accompany(chords_K4: Array, start_s: float, stop_s: float, substitution: float, out_N5: Array) -> int:
    """Writes a new accompaniment over the chords in [start, stop) of the song; returns the number of notes."""
    count = 0
    style = np.random.randint(0, 5)
    unit_s = _uniform(0.18, 0.6)
    register = np.random.randint(48, 66)
    bass_register = np.random.randint(29, 42)
    seventh = np.random.random() < 0.25
    repeat_bass = np.random.random() < 0.5
    pattern = np.random.randint(0, 1 << 16)
    for k in range(len(chords_K4)):
        begin, end = chords_K4[k, 0], chords_K4[k, 1]
        if end <= start_s or begin >= stop_s:
            continue
        root, minor = int(chords_K4[k, 2]), int(chords_K4[k, 3])
        if np.random.random() < substitution:
            # The relative (A minor for C) or the chord of the other third (E minor for C): two of three tones stay.
            closer = np.random.random() < 0.6
            root = (root + (3 if closer else -4)) % 12 if minor == 1 else (root + (-3 if closer else 4)) % 12
            minor = 1 - minor
        tones = (root, root + (3 if minor == 1 else 4), root + 7, root + (10 if minor == 1 else 11))
        used = 4 if seventh else 3
        if count + 2 >= len(out_N5):
            break
        bass = bass_register + (root - bass_register) % 12
        step = 0
        time = begin
        while time < end and count + 6 < len(out_N5):
            length = min(unit_s, end - time)
            if style == 0 or (style == 1 and step == 0) or (style == 4 and (pattern >> (step % 16)) & 1):
                hold = end - time if style == 1 else length
                for tone in range(used):
                    pitch = register + (tones[tone] - register) % 12
                    _put(out_N5, count, time, hold, pitch, 70.0, 2.0)
                    count += 1
            elif style in (2, 3):
                turn = step % (2 * used - 2) if style == 3 else step % used
                tone = turn if turn < used else 2 * used - 2 - turn
                pitch = register + (tones[tone] - register) % 12
                _put(out_N5, count, time, length * 1.5, pitch, 75.0, 2.0)
                count += 1
            if step % 4 == 0 and (step == 0 or repeat_bass):
                hold = min(4 * unit_s, end - time) if repeat_bass else end - time
                _put(out_N5, count, time, hold, bass, 80.0, 2.0)
                count += 1
            time += unit_s
            step += 1
    return count


@njit(cache=True, nogil=True)
def arrange_view(
    notes_N5: Array, chords_K4: Array, start_s: float, span_s: float, difficulty: float, events_E5: Array
) -> int:
    """Writes the events of a random version of `span_s` seconds (its own time) from `start_s` of the song.

    Args:
        notes_N5: Note array of the song, sorted by onset.
        chords_K4: Its chords (`chords.chord_segments`).
        start_s: Where in the song the version begins.
        span_s: Length of the version in its own time; its tempo decides how much of the song that is.
        difficulty: 0 (nearly the song itself) to 1.
        events_E5: Written from row 0; rows beyond `MAX_EVENTS` are lost.

    Returns:
        The number of events.
    """
    d = difficulty
    tempo = math.exp(d * _uniform(-LOG_TEMPO, LOG_TEMPO))
    key = float(np.random.randint(-6, 7)) + TUNING_SEMITONES * d * _uniform(-1.0, 1.0)
    sway_s, sway_period_s, sway_phase = 0.12 * d * np.random.random(), _uniform(3.0, 12.0), _uniform(0.0, 6.28)
    gains = np.empty(INSTRUMENTS, np.float32)
    shifts = np.zeros(INSTRUMENTS, np.float32)
    lengths = np.empty(INSTRUMENTS, np.float32)
    dropouts = np.empty(INSTRUMENTS, np.float32)
    lags = np.empty(INSTRUMENTS, np.float32)
    for i in range(INSTRUMENTS):
        gains[i] = 10 ** (d * _uniform(-8.0, 8.0) / 20)
        lengths[i] = math.exp(d * _uniform(-0.8, 1.0))
        dropouts[i] = 0.25 * d * np.random.random()
        lags[i] = 0.03 * d * _uniform(-1.0, 1.0)
        if np.random.random() < 0.3 * d:
            shifts[i] = 12.0 if np.random.random() < 0.5 else -12.0
    gains[LEAD] *= 1.3
    if shifts[BASS] < 0:
        shifts[BASS] = 0.0

    stop_s = start_s + span_s * tempo
    first = np.searchsorted(notes_N5[:, 0], start_s - 12.0)
    last = np.searchsorted(notes_N5[:, 0], stop_s)
    has_lead = has_rest = False
    for n in range(first, last):
        if notes_N5[n, 4] == 0:
            has_lead = True
        else:
            has_rest = True
    drop_lead = has_rest and np.random.random() < 0.12 * d
    drop_second = np.random.random() < 0.4 * d
    drop_bass = np.random.random() < 0.3 * d
    drop_chords = has_lead and not drop_lead and np.random.random() < 0.25 * d
    new_accompaniment = np.random.random() < (0.4 * d if has_rest else 0.5)
    if new_accompaniment and has_lead and not drop_lead and np.random.random() < 0.7:
        drop_second = True

    fresh_N5 = np.zeros((1024, 5), np.float32)
    substitution = SUBSTITUTION * d * np.random.random()
    fresh = _accompany(chords_K4, start_s - 2.0, stop_s, substitution, fresh_N5) if new_accompaniment else 0
    revoice = 0.4 * d * np.random.random()
    ornament = 0.2 * d * np.random.random()
    double_lead = np.random.random() < 0.15 * d
    count = 0
    for n in range(first - fresh, last):
        from_song = n >= first
        row = notes_N5[n] if from_song else fresh_N5[n - first + fresh]
        stem = int(row[4])
        pitch = row[2]
        if stem == 0:
            instrument = LEAD
        elif stem == 1:
            instrument = SECOND
        else:
            instrument = BASS if pitch < _BASS_BELOW - 5 else CHORDS
        if from_song:
            if instrument == LEAD and drop_lead:
                continue
            if instrument == SECOND and drop_second:
                continue
            if instrument >= CHORDS and new_accompaniment:
                continue
        if (instrument == BASS and drop_bass) or (instrument == CHORDS and drop_chords):
            continue
        if np.random.random() < dropouts[instrument]:
            continue
        if count + 4 >= len(events_E5):
            break
        at_s = (row[0] - start_s) / tempo
        at_s += sway_s * math.sin(6.2832 * at_s / sway_period_s + sway_phase)
        at_s += lags[instrument] + 0.025 * d * np.random.normal()
        length_s = max(0.05, row[1] / tempo * lengths[instrument])
        amplitude = gains[instrument] * (max(row[3], 20.0) / 100.0) ** 1.3 * 10 ** (4.0 * d * np.random.normal() / 40)
        if instrument == CHORDS and np.random.random() < revoice:
            pitch += 12.0 if np.random.random() < 0.5 else -12.0
        pitch += key + shifts[instrument]
        if instrument == LEAD and length_s > 0.2 and np.random.random() < ornament:
            # A grace note, or the note split by its neighbour.
            neighbour = pitch + (1.0 if np.random.random() < 0.5 else 2.0) * (1.0 if np.random.random() < 0.6 else -1.0)
            grace_s = min(0.12, length_s / 3)
            _put(events_E5, count, at_s, grace_s, neighbour, amplitude, instrument)
            count += 1
            at_s += grace_s
            length_s -= grace_s
        _put(events_E5, count, at_s, length_s, pitch, amplitude, instrument)
        count += 1
        if instrument == LEAD and double_lead:
            _put(events_E5, count, at_s, length_s, pitch + 12.0, 0.6 * amplitude, instrument)
            count += 1
    return count
