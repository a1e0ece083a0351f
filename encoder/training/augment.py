"""Random views of songs as averaged CQT magnitudes: what the encoder is trained on. Compiled, random by seed.

This is the sound half of the augmentation: room, drums, noise, equaliser, talk over the music. The note half is
`arrange_view.py`, the drawing `draw.py`. A view is a pure function of (song, start, seed, difficulty), so a resumed
run sees what an uninterrupted one would have seen, on any number of threads.

Shapes: V views, F bins (84), C drawn columns (215 for 20 s), T averaged frames (43).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from encoder.grid import BINS, CHUNK_FRAMES
from encoder.training.arrange_view import INSTRUMENTS, MAX_EVENTS, arrange_view, random_instruments
from encoder.training.chords import chord_segments
from encoder.training.draw import (
    COLUMN_S,
    FRAMES_PER_COLUMN,
    HARMONICS,
    LEAKAGE,
    add_reverberation,
    average_columns,
    draw_power,
    smear_low_octaves,
)
from encoder.training.notes import Song

Array = NDArray[np.float32]

CHUNK_S = 20.0
COLUMNS = CHUNK_FRAMES // FRAMES_PER_COLUMN
EMPTY_SPEECH = np.zeros((BINS, 0), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnSong:
    """What drawing needs of one song: its notes and its chords; works of one `group` share a melody."""

    work_id: str
    group: str
    notes_N5: Array
    chords_K4: Array
    duration_s: float


def drawn_song(song: Song, group: str | None = None) -> DrawnSong:
    """Prepares a song for drawing (guesses its chords: about a millisecond); alone in its group unless told."""
    notes_N5 = np.ascontiguousarray(song.notes_N5, dtype=np.float32)
    return DrawnSong(
        work_id=song.work_id,
        group=group or song.work_id,
        notes_N5=notes_N5,
        chords_K4=chord_segments(song),
        duration_s=song.duration_s,
    )


@njit(cache=True, nogil=True)
def _uniform(low: float, high: float) -> float:
    return low + (high - low) * np.random.random()


@njit(cache=True, nogil=True, fastmath=True)
def _add_drums(power_FC: Array, peak: float, difficulty: float) -> None:
    """Adds a drum pattern: kick, snare and hat as bursts of noise, −36 to −4 dB below the loudest bin."""
    period_s = _uniform(0.15, 0.35)
    columns = power_FC.shape[1]
    pattern = np.random.randint(0, 1 << 24)
    for voice in range(3):
        if np.random.random() < 0.25:
            continue
        level = peak * 10 ** (_uniform(-38.0, -24.0 + 20.0 * difficulty) / 10)
        if voice == 0:
            centre, width, fall = _uniform(2.0, 14.0), _uniform(3.0, 8.0), 18.0
        elif voice == 1:
            centre, width, fall = _uniform(35.0, 65.0), _uniform(12.0, 30.0), 25.0
        else:
            centre, width, fall = _uniform(72.0, 90.0), _uniform(6.0, 15.0), 40.0
        keep = math.exp(-fall * COLUMN_S)
        step = 0
        time_s = _uniform(0.0, period_s)
        lowest, highest = max(0, int(centre - 2.5 * width)), min(BINS, int(centre + 2.5 * width) + 1)
        shape = np.zeros(BINS, np.float32)
        for b in range(lowest, highest):
            shape[b] = level * math.exp(-0.5 * ((b - centre) / width) ** 2)
        while time_s < columns * COLUMN_S:
            if (pattern >> ((step % 8) + 8 * voice)) & 1:
                first = int(time_s / COLUMN_S)
                for b in range(lowest, highest):
                    burst = 2.0 * shape[b] * np.random.random()
                    for c in range(first, min(columns, first + 4)):
                        power_FC[b, c] += burst
                        burst *= keep
            time_s += period_s
            step += 1


@njit(cache=True, nogil=True, fastmath=True)
def _equaliser(difficulty: float) -> Array:
    """A smooth random gain of the power per bin, some with the lows or the highs cut off."""
    knots = np.empty(9, np.float32)
    for k in range(9):
        knots[k] = 8.0 * difficulty * np.random.normal() / 2
    low_cut = _uniform(6.0, 26.0) if np.random.random() < 0.25 * difficulty else -1.0
    high_cut = _uniform(50.0, 82.0) if np.random.random() < 0.3 * difficulty else 200.0
    gain = np.empty(BINS, np.float32)
    for b in range(BINS):
        k = b // 12
        share = b / 12 - k
        level_db = knots[k] * (1 - share) + knots[k + 1] * share
        level_db -= 2.0 * max(0.0, low_cut - b) + 2.0 * max(0.0, b - high_cut)
        gain[b] = 10 ** (level_db / 10)
    return gain


@njit(cache=True, nogil=True, fastmath=True)
def _add_speech(power_FC: Array, speech_FN: Array, difficulty: float) -> None:
    """Lays talk over all or a part of the view, at −20 to +6 dB of the music's power."""
    columns = power_FC.shape[1]
    if speech_FN.shape[1] <= columns:
        return
    offset = np.random.randint(0, speech_FN.shape[1] - columns)
    first, last = 0, columns
    if np.random.random() < 0.5:
        first = np.random.randint(0, columns)
        last = min(columns, first + np.random.randint(10, columns))
    music, talk = 0.0, 1e-12
    for b in range(BINS):
        for c in range(columns):
            music += power_FC[b, c]
            talk += speech_FN[b, offset + c] ** 2
    gain = 10 ** (_uniform(-20.0, -8.0 + 14.0 * difficulty) / 10) * music / talk
    for b in range(BINS):
        for c in range(first, last):
            power_FC[b, c] += gain * speech_FN[b, offset + c] ** 2


@njit(cache=True, nogil=True, fastmath=True)
def sound_events(
    notes_N5: Array,
    chords_K4: Array,
    start_s: float,
    span_s: float,
    seed: int,
    difficulty: float,
    instruments_I4: Array,
    harmonics_IH: Array,
    events_E5: Array,
) -> int:
    """The note half of a view, all by its seed: timbres, and events in their first rows; returns their number."""
    np.random.seed(seed)
    random_instruments(difficulty, instruments_I4, harmonics_IH)
    begin_s = start_s + difficulty * _uniform(-5.0, 5.0)
    return arrange_view(notes_N5, chords_K4, begin_s, span_s, difficulty, events_E5)


@njit(cache=True, nogil=True, fastmath=True)
def draw_view(
    notes_N5: Array,
    chords_K4: Array,
    start_s: float,
    seed: int,
    difficulty: float,
    speech_FN: Array,
    leakage: Array,
    per_frame: int,
    out_FT: Array,
) -> None:
    """Writes one random view into `out_FT`: averaged magnitudes, not normalised.

    Args:
        notes_N5: Note array of the song.
        chords_K4: Its chords.
        start_s: Where in the song the view begins, give or take 5 s at full difficulty.
        seed: All randomness of this view.
        difficulty: 0 to 1.
        speech_FN: Magnitudes of talk to lay over some views, [84, n]; none where n is 0.
        leakage: `draw.LEAKAGE`.
        per_frame: Drawn columns per averaged frame.
        out_FT: Result, [84, T].
    """
    d = difficulty
    columns = out_FT.shape[1] * per_frame
    power_FC = np.zeros((BINS, columns), np.float32)
    instruments_I4 = np.zeros((INSTRUMENTS, 4), np.float32)
    harmonics_IH = np.zeros((INSTRUMENTS, HARMONICS), np.float32)
    events_E5 = np.zeros((MAX_EVENTS, 5), np.float32)
    count = sound_events(
        notes_N5, chords_K4, start_s, columns * COLUMN_S, seed, d, instruments_I4, harmonics_IH, events_E5
    )
    draw_power(events_E5[:count], instruments_I4, harmonics_IH, leakage, power_FC)
    smear_low_octaves(power_FC)
    if np.random.random() < 0.6:
        add_reverberation(power_FC, 10 ** (_uniform(-20.0, 0.0) * (1.3 - d) / 10) * d, 0.3 * 8.0 ** np.random.random())
    peak = 1e-12
    for b in range(BINS):
        for c in range(columns):
            peak = max(peak, power_FC[b, c])
    if np.random.random() < 0.5:
        _add_drums(power_FC, peak, d)
    gain = _equaliser(d)
    floor_db, tilt = _uniform(-65.0, -50.0 + 24.0 * d), _uniform(-0.5, 0.35)
    for b in range(BINS):
        noise = peak * 10 ** (floor_db / 10) * 2.0 ** (2 * tilt * (b - 42) / 12)
        for c in range(columns):
            power_FC[b, c] = gain[b] * power_FC[b, c] + noise * (0.5 + np.random.random())
    if np.random.random() < 0.4:
        _add_speech(power_FC, speech_FN, d)
    average_columns(power_FC, per_frame, out_FT)
    for b in range(BINS):
        for t in range(out_FT.shape[1]):
            out_FT[b, t] *= math.exp(0.08 * d * np.random.normal())


def arranged(
    song: DrawnSong, start_s: float, span_s: float, seed: int, difficulty: float
) -> tuple[Array, Array, Array]:
    """Events [E, 5], instruments [I, 4] and harmonics [I, H] of a random view, as `draw.draw_power` takes them."""
    instruments_I4 = np.zeros((INSTRUMENTS, 4), np.float32)
    harmonics_IH = np.zeros((INSTRUMENTS, HARMONICS), np.float32)
    events_E5 = np.zeros((MAX_EVENTS, 5), np.float32)
    count = sound_events(
        song.notes_N5, song.chords_K4, start_s, span_s, seed, difficulty, instruments_I4, harmonics_IH, events_E5
    )
    return events_E5[:count], instruments_I4, harmonics_IH


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewRequest:
    """One view to draw."""

    song: DrawnSong
    start_s: float
    seed: int


def draw_views(
    requests: Sequence[ViewRequest],
    *,
    difficulty: float,
    average_frames: int,
    speech_FN: Array,
    pool: ThreadPoolExecutor | None = None,
) -> Array:
    """Draws views, [V, 84, T] with T = 861 // `average_frames`.

    Args:
        requests: What to draw.
        difficulty: 0 to 1, for all of them.
        average_frames: CQT frames per averaged frame, a multiple of 4.
        speech_FN: Talk for the views, [84, n] magnitudes per column of 4 frames; `EMPTY_SPEECH` for none.
        pool: Threads to draw on; the compiled code holds no lock.

    Raises:
        ValueError: If `average_frames` is not a multiple of 4.
    """
    if average_frames % FRAMES_PER_COLUMN:
        raise ValueError(f"average_frames is {average_frames}; drawing needs a multiple of {FRAMES_PER_COLUMN}")
    per_frame = average_frames // FRAMES_PER_COLUMN
    out_VFT = np.zeros((len(requests), BINS, CHUNK_FRAMES // average_frames), np.float32)

    def draw(v: int) -> None:
        request = requests[v]
        draw_view(
            request.song.notes_N5,
            request.song.chords_K4,
            request.start_s,
            request.seed,
            difficulty,
            speech_FN,
            LEAKAGE,
            per_frame,
            out_VFT[v],
        )

    if pool is None:
        for v in range(len(requests)):
            draw(v)
    else:
        list(pool.map(draw, range(len(requests)), chunksize=max(1, len(requests) // 8)))
    return out_VFT
