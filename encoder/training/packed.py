"""The packed file of songs: many note arrays in one npz, compressed by LZMA.

Times are whole milliseconds, songs lie behind each other, and each stem's notes are stored together as differences,
so that a million notes take a few megabytes. Knows nothing of where songs come from or what part they belong to.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.training.notes import DURATION, ONSET, PITCH, STEM, VELOCITY, Song, sort_notes

FORMAT = 1
STEMS = 3


def write_songs(path: Path, songs: Sequence[Song]) -> None:
    """Packs `songs` (onsets and durations rounded to 1 ms) into the file `path`."""
    stem_counts = np.zeros((len(songs), STEMS), np.uint16)
    onset, duration, pitch, velocity, beat = [], [], [], [], []
    for index, song in enumerate(songs):
        for which in range(STEMS):
            part = song.notes_N5[song.notes_N5[:, STEM] == which]
            stem_counts[index, which] = len(part)
            onset_ms = np.rint(part[:, ONSET].astype(np.float64) * 1000).astype(np.int64)
            onset.append(np.diff(onset_ms, prepend=0))
            duration.append(np.rint(part[:, DURATION].astype(np.float64) * 1000))
            pitch.append(part[:, PITCH])
            velocity.append(part[:, VELOCITY])
        beats_s = song.beats_s if song.beats_s is not None else np.zeros(0, np.float32)
        beat.append(np.diff(np.rint(beats_s.astype(np.float64) * 1000).astype(np.int64), prepend=0))
    columns: dict[str, NDArray[np.generic]] = {
        "format": np.array(FORMAT),
        "work_id": np.array([song.work_id for song in songs]),
        "source": np.array([song.source for song in songs]),
        "title": np.array([song.title for song in songs]),
        "stem_counts": stem_counts,
        "onset_step_ms": _unsigned(onset, np.uint32),
        "duration_ms": _unsigned(duration, np.uint16),
        "pitch": _unsigned(pitch, np.uint8),
        "velocity": _unsigned(velocity, np.uint8),
        "beat_counts": np.array([len(steps) for steps in beat], np.uint16),
        "beat_step_ms": _unsigned(beat, np.uint32),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, column in columns.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, column, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_LZMA)


def read_songs(path: Path) -> list[Song]:
    """Songs of a packed file, in the order in which they were written.

    Raises:
        TrainingDataError: If the file is missing or has another format version.
    """
    if not path.is_file():
        raise TrainingDataError(f"packed songs {path} are missing: install the package again")
    with np.load(path, allow_pickle=False) as packed:
        if int(packed["format"]) != FORMAT:
            raise TrainingDataError(f"{path.name}: packed format {int(packed['format'])}, this code reads {FORMAT}")
        columns = {name: packed[name] for name in packed.files}
    stem_counts = columns["stem_counts"].astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(stem_counts.ravel())])
    beat_bounds = np.concatenate([[0], np.cumsum(columns["beat_counts"].astype(np.int64))])
    songs = []
    for index in range(len(stem_counts)):
        parts = []
        for which in range(STEMS):
            here = slice(bounds[index * STEMS + which], bounds[index * STEMS + which + 1])
            part = np.empty((here.stop - here.start, 5), np.float64)
            part[:, ONSET] = np.cumsum(columns["onset_step_ms"][here].astype(np.int64)) / 1000
            part[:, DURATION] = columns["duration_ms"][here] / 1000
            part[:, PITCH] = columns["pitch"][here]
            part[:, VELOCITY] = columns["velocity"][here]
            part[:, STEM] = which
            parts.append(part)
        steps = columns["beat_step_ms"][beat_bounds[index] : beat_bounds[index + 1]].astype(np.int64)
        songs.append(
            Song(
                work_id=str(columns["work_id"][index]),
                source=str(columns["source"][index]),
                notes_N5=sort_notes(np.concatenate(parts)),
                beats_s=(np.cumsum(steps) / 1000).astype(np.float32) if len(steps) else None,
                title=str(columns["title"][index]),
            )
        )
    return songs


def _unsigned(pieces: Sequence[NDArray[np.generic]], dtype: type[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    whole = np.concatenate(pieces).astype(np.int64) if pieces else np.zeros(0, np.int64)
    return np.clip(whole, 0, np.iinfo(dtype).max).astype(dtype)
