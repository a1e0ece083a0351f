"""CQTs of recordings on disk, memory-mapped: a recording is heard once, whatever trains on it afterwards.

A file holds float16 magnitudes [84, C], each column the mean of two CQT frames (46 ms), 3.6 kB a second. Its name is a
hash of what decides its content: the front end, and where the audio came from (a file's path, size and time of change).
Knows nothing of audio formats: whoever asks brings the function that hears.

Shapes: S samples, F pitch bins (84), C columns.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.cqt import ConstantQ
from encoder.errors import TrainingDataError
from encoder.grid import BINS, CHUNK_SAMPLES, HOP
from encoder.training.spectrum import FRAMES_PER_COLUMN
from encoder.weights import front_end

Array = NDArray[np.float32]
Half = NDArray[np.float16]

SCALE = 1000.0
"""Magnitudes are kept as thousandths: float16 has its finest steps there."""
PIECE_FRAMES = 8 * (CHUNK_SAMPLES // HOP)


def file_key(path: Path) -> str:
    """What names a file's audio: its path, size and time of change.

    Raises:
        TrainingDataError: There is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise TrainingDataError(f"{path}: {error.strerror}; mend the path in the CSV, or leave the row out") from error
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


class CqtCache:
    """A folder of CQTs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._front_end = json.dumps(front_end(), sort_keys=True)

    def path(self, key: str) -> Path:
        """Where the CQT of `key` lies or would lie."""
        digest = hashlib.sha256(f"{self._front_end} {FRAMES_PER_COLUMN} {key}".encode()).hexdigest()[:32]
        return self._folder / digest[:2] / f"{digest}.npy"

    def get(self, key: str, hear: Callable[[], Array]) -> Half:
        """The CQT [84, C] in thousandths, memory-mapped; heard (samples [S] at 22,050 Hz) where it is not there.

        Raises:
            TrainingDataError: The file is there and torn, or the audio holds less than a column.
        """
        path = self.path(key)
        if not path.exists():
            self._write(path, columns(hear()), key)
        try:
            kept: Half = np.load(path, mmap_mode="r")
        except (ValueError, EOFError, OSError) as error:
            raise TrainingDataError(f"{path}: not a CQT of this cache ({error}); delete the file") from error
        if kept.ndim != 2 or len(kept) != BINS or kept.dtype != np.float16:
            raise TrainingDataError(f"{path}: holds {kept.dtype} {kept.shape} and not a CQT; delete the file")
        return kept

    def _write(self, path: Path, magnitude_FC: Array, key: str) -> None:
        if magnitude_FC.shape[1] == 0:
            raise TrainingDataError(f"{key}: holds no audio")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as sink:
            np.save(sink, (SCALE * magnitude_FC).astype(np.float16))
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(path)


def columns(wave_S: Array) -> Array:
    """Magnitudes [84, C] of a whole recording with silence around it, in pieces that bound the memory."""
    transform = ConstantQ()
    support = transform.support_samples
    frames = len(wave_S) // HOP // FRAMES_PER_COLUMN * FRAMES_PER_COLUMN
    padded_S = np.pad(wave_S, support)
    parts = [np.zeros((BINS, 0), np.float32)]
    with torch.inference_mode():
        for first in range(0, frames, PIECE_FRAMES):
            count = min(PIECE_FRAMES, frames - first)
            window_S = padded_S[first * HOP : (first + count - 1) * HOP + 1 + 2 * support]
            magnitude_FT = transform(torch.from_numpy(window_S)[None])[0].numpy()
            parts.append(magnitude_FT.reshape(BINS, -1, FRAMES_PER_COLUMN).mean(axis=2))
    return np.concatenate(parts, axis=1)
