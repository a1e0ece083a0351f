"""Times and notes of a MIDI file as numbers. Knows nothing of songs or parts; `midi` is a `mido.MidiFile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def clock(midi: Any) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """A function from ticks to seconds by the file's tempo map; 120 beats a minute before the first tempo."""
    changes: dict[int, int] = {0: 500_000}
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes[tick] = message.tempo
    start_ticks = np.array(sorted(changes), np.int64)
    tempo_us = np.array([changes[int(tick)] for tick in start_ticks], np.float64)
    steps_s = np.diff(start_ticks) * tempo_us[:-1] / (midi.ticks_per_beat * 1e6)
    starts_s = np.concatenate([[0.0], np.cumsum(steps_s)])

    def seconds(ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        at = np.searchsorted(start_ticks, ticks, side="right") - 1
        return np.asarray(starts_s[at] + (ticks - start_ticks[at]) * tempo_us[at] / (midi.ticks_per_beat * 1e6))

    return seconds


def notes_by_channel(track: Any) -> dict[int, list[tuple[int, int, int, int]]]:
    """Start tick, end tick, pitch and velocity of a track's notes; a key struck again ends its last note."""
    found: dict[int, list[tuple[int, int, int, int]]] = {}
    sounding: dict[tuple[int, int], tuple[int, int]] = {}
    tick = 0
    for message in track:
        tick += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = (message.channel, message.note)
        if key in sounding:
            start, velocity = sounding.pop(key)
            if tick > start:
                found.setdefault(message.channel, []).append((start, tick, message.note, velocity))
        if message.type == "note_on" and message.velocity > 0:
            sounding[key] = (tick, message.velocity)
    return found
