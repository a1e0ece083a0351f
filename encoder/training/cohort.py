"""The cohort: embeddings of training chunks against which similarities are normalised. Knows nothing of files.

A chunk of live audio that is alike to everything (a common chord loop, a drone) is alike to the cohort too; the
matcher takes its mean similarity to the nearest of them off. The cohort is chosen by seed from works that training saw.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from encoder.training.augment import CHUNK_S, DrawnSong, ViewRequest, draw_views

Array = NDArray[np.float32]

DIFFICULTY = 0.5
"""Half-way between the plain song and the wildest version: bands and keys differ, the music stays whole."""


def cohort_means(songs: dict[str, tuple[DrawnSong, ...]], size: int, seed: int, average_frames: int) -> Array:
    """Averaged magnitudes [C, 84, T] of `size` chunks: half from POP909 where it is there, the rest spread evenly.

    Each work gives one chunk before any gives a second; a work's chunks lie at random places.
    """
    rng = np.random.default_rng((seed, 0xC0407))
    pop = songs.get("pop909", ())
    rest = [song for source, members in sorted(songs.items()) if source != "pop909" for song in members]
    pop_share = size if not rest else size // 2 if pop else 0
    requests: list[ViewRequest] = []
    for members, count in ((list(pop), pop_share), (rest, size - pop_share)):
        order: list[int] = []
        while len(order) < count:
            order.extend(int(index) for index in rng.permutation(len(members)))
        for index in order[:count]:
            song = members[index]
            start_s = float(rng.uniform(0.0, max(0.0, song.duration_s - CHUNK_S)))
            requests.append(ViewRequest(song=song, start_s=start_s, seed=int(rng.integers(1, 2**31))))
    return draw_views(
        requests, difficulty=DIFFICULTY, average_frames=average_frames, speech_FN=np.zeros((84, 0), np.float32)
    )


def build_cohort(
    songs: dict[str, tuple[DrawnSong, ...]],
    embed: Callable[[Array], Array],
    *,
    average_frames: int,
    size: int = 1200,
    seed: int = 1,
) -> Array:
    """The cohort as unit rows [C, D], float32; the same for the same songs, weights and seed."""
    cohort_CD: Array = embed(cohort_means(songs, size, seed, average_frames)).astype(np.float32)
    return cohort_CD
