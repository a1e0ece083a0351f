"""Any MIDI file as a song: notes in seconds by the file's tempo map, the leading voice told from the others.

Needs mido. Knows nothing of collections or of drawing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.training.midi_events import clock, notes_by_channel
from encoder.training.notes import MELODY, PIANO, Song, sort_notes
from encoder.training.render import PERCUSSION_CHANNEL

SUFFIXES = (".mid", ".midi")
VOICE_NAMES = ("melody", "vocal", "voice", "lead", "sing")
LEADING_SHARE = 0.1
"""A part leads only if it has at least this share of the notes."""


def read_song(path: Path, work_id: str) -> Song:
    """A MIDI file as a song: the melody's part as its melody, all other pitched parts as its accompaniment.

    The melody is the part that is named so, else the highest one of those with enough notes. Percussion is left out.

    Raises:
        TrainingDataError: It cannot be read or holds no notes.
    """
    import mido

    try:
        midi = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise TrainingDataError(f"{path}: no MIDI file that can be read ({error})") from error
    seconds = clock(midi)
    parts: dict[tuple[int, int], tuple[str, NDArray[np.int64]]] = {}
    for number, track in enumerate(midi.tracks):
        for channel, rows in notes_by_channel(track).items():
            if channel != PERCUSSION_CHANNEL:
                parts[number, channel] = (str(track.name).lower(), np.array(rows, np.int64))
    if not parts:
        raise TrainingDataError(f"{path}: holds no notes")
    leading = _leading(parts)
    tables = []
    for key, (_, rows_N4) in parts.items():
        onset_s, stop_s = seconds(rows_N4[:, 0]), seconds(rows_N4[:, 1])
        voice = np.full(len(rows_N4), MELODY if key == leading else PIANO)
        tables.append(np.column_stack([onset_s, stop_s - onset_s, rows_N4[:, 2:], voice]))
    return Song(
        work_id=work_id, source="midi", notes_N5=sort_notes(np.concatenate(tables)), beats_s=None, title=path.stem
    )


def _leading(parts: dict[tuple[int, int], tuple[str, NDArray[np.int64]]]) -> tuple[int, int]:
    for word in VOICE_NAMES:
        for key, (name, _) in parts.items():
            if word in name:
                return key
    total = sum(len(rows_N4) for _, rows_N4 in parts.values())
    able = [key for key, (_, rows_N4) in parts.items() if len(rows_N4) >= LEADING_SHARE * total]
    return max(able, key=lambda key: float(parts[key][1][:, 2].mean()))
