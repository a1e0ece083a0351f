"""The cohort: embeddings of training chunks against which similarities are normalised. Knows nothing of files.

A chunk of live audio that is alike to everything (a common chord loop, a drone) is alike to the cohort too; the
matcher takes its mean similarity to the nearest of them off. The cohort is chosen by seed from works that training saw.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from encoder.grid import CHUNK_FRAMES, CHUNK_SAMPLES, SAMPLE_RATE
from encoder.training.batches import source_counts
from encoder.training.config import AugmentConfig
from encoder.training.versions import VersionRequest, Versions

Array = NDArray[np.float32]

DIFFICULTY = 0.5
"""Half-way between the plain song and the wildest version: bands and keys differ, the music stays whole."""
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE


def cohort_means(versions: Versions, size: int, seed: int, average_frames: int) -> Array:
    """Averaged magnitudes [C, 84, T] of `size` chunks, each source by its share.

    Each work of a source gives one chunk before any gives a second; a work's chunks lie at random places. Works that
    are shorter than a chunk give none.
    """
    rng = np.random.default_rng((seed, 0xC0407))
    members: dict[str, list[int]] = {source: [] for source in versions.shares}
    for place, clique in enumerate(versions.cliques):
        members[clique.source].append(place)
    requests: list[VersionRequest] = []
    for source, count in source_counts(versions.shares, dict.fromkeys(versions.shares, size), size).items():
        order: list[int] = []
        while len(order) < count and members[source]:
            order.extend(int(place) for place in rng.permutation(members[source]))
        requests += [
            VersionRequest(
                clique=place,
                seed=int(rng.integers(1, 2**31)),
                length_s=CHUNK_S,
                place=float(rng.random()),
                recording=int(rng.integers(1 << 16)),
            )
            for place in order[:count]
        ]
    plain = AugmentConfig(speech_share=0.0, noise_share=0.0)
    views = versions.views(requests, average_frames=average_frames, difficulty=DIFFICULTY, augment=plain, pool=None)
    frames = CHUNK_FRAMES // average_frames
    whole = [view_FT[:, :frames] for view_FT in views if view_FT.shape[1] >= frames]
    return np.stack(whole) if whole else np.zeros((0, 84, frames), np.float32)


def build_cohort(
    versions: Versions,
    embed: Callable[[Array], Array],
    *,
    average_frames: int,
    size: int = 1200,
    seed: int = 1,
) -> Array:
    """The cohort as unit rows [C, D], float32; the same for the same works, weights and seed."""
    cohort_CD: Array = embed(cohort_means(versions, size, seed, average_frames)).astype(np.float32)
    return cohort_CD
