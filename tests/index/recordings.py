"""Vectors and recordings made from a seed, for the tests of the index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.track import NewTrack

DIMENSIONS = 32


def unit_vectors(seed: int, count: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """Unit vectors float32 [count, dimensions]."""
    row_ND = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    unit_ND: NDArray[np.float32] = row_ND / np.linalg.norm(row_ND, axis=1, keepdims=True)
    return unit_ND


def recording(number: int, *, track_id: str | None = None, embeddings: int = 3, **metadata: str) -> NewTrack:
    """Recording number so-and-so: each number is another audio."""
    rng = np.random.default_rng(number)
    return NewTrack(
        track_id=track_id if track_id is not None else f"track-{number}",
        metadata={"title": f"Title {number}", **metadata},
        audio_hash=f"audio-{number}",
        duration_samples=220500 * (embeddings + 1),
        embedding_ND=unit_vectors(number, embeddings),
        starts_N=np.arange(embeddings, dtype=np.int64) * 220500,
        sketch_nF=rng.integers(0, 256, (10 * embeddings + number % 3, 84)).astype(np.uint8),
        peaks_n=np.sort(rng.integers(0, 2**32, 7 * embeddings + number % 5).astype(np.uint32)),
        tonal_nV=rng.integers(-127, 128, (5 * embeddings + number % 4, 96)).astype(np.int8),
    )
