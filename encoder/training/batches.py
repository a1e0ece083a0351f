"""The batch of a step: which works, which views, cut into chunks. A pure function of (stage, seed, step); no state.

Views are clips and whole recordings (Du et al., section 3: 1:1). A view is cut into chunks of 20 s every 10 s, the last
one aligned to its end, as streams and tracks are; a view of less than 20 s is one shorter chunk. Chunks of one length
go through the network together, nothing is padded.

Shapes: B views (sets), F pitch bins (84), T averaged frames, n chunks of one length.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.grid import CHUNK_FRAMES, CHUNK_HOP_SAMPLES, CHUNK_SAMPLES
from encoder.training.config import AugmentConfig, BatchConfig, StageConfig
from encoder.training.versions import Array, Clique, VersionRequest, Versions

MIN_FRAMES = 2
"""Fewest averaged frames that a network can take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkGroup:
    """Chunks of one length: magnitudes [n, 84, T], the view that each belongs to and its place in it."""

    mean_nFT: Array
    view_n: NDArray[np.int64]
    slot_n: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one step sees; `clique_B` is the class of each view."""

    groups: tuple[ChunkGroup, ...]
    clique_B: NDArray[np.int64]
    difficulty: float

    @property
    def chunks(self) -> int:
        """Chunks in all."""
        return sum(len(group.view_n) for group in self.groups)


def difficulty(augment: AugmentConfig, steps: int, step: int) -> float:
    """Strength of the augmentation in a step: rises linearly to 1, then stays."""
    share = min(1.0, step / max(1.0, augment.difficulty_full_at * steps))
    return augment.difficulty_start + (1 - augment.difficulty_start) * share


def source_counts(shares: dict[str, float], available: dict[str, int], wanted: int) -> dict[str, int]:
    """How many works of each source a step takes: by the shares, no more than there are."""
    total = sum(shares.values())
    exact = {source: wanted * share / total for source, share in shares.items()}
    counts = {source: min(int(count), available.get(source, 0)) for source, count in exact.items()}
    # What rounding left over goes to the sources that lost most by it.
    for source in sorted(exact, key=lambda name: int(exact[name]) - exact[name]):
        if sum(counts.values()) < wanted and counts[source] < available.get(source, 0):
            counts[source] += 1
    return counts


class BatchPlan:
    """Chooses works and views for each step of a stage."""

    def __init__(self, versions: Versions, stage: StageConfig, seed: int, average_frames: int) -> None:
        """Args: `seed` is the run's; stages of other names draw other batches."""
        self._versions = versions
        self._stage = stage
        self._seed = (seed, int.from_bytes(stage.name.encode()[:8].ljust(8, b"\0"), "big"))
        self._average_frames = average_frames
        self._members: dict[str, list[int]] = {source: [] for source in versions.shares}
        for place, clique in enumerate(versions.cliques):
            self._members[clique.source].append(place)
        self._counts = source_counts(
            versions.shares, {source: len(own) for source, own in self._members.items()}, stage.batch.cliques
        )

    def requests(self, step: int) -> list[VersionRequest]:
        """The views of a step, grouped by work: first its clips, then its whole recordings."""
        batch = self._stage.batch
        rng = np.random.default_rng((*self._seed, step))
        clip_s = float(rng.uniform(*batch.clip_s))
        clips = round(batch.versions * batch.clip_share)
        requests = []
        for clique in self._cliques(rng):
            place, first = float(rng.random()), int(rng.integers(1 << 16))
            for version in range(batch.versions):
                is_clip = version < clips
                elsewhere = float(rng.random())
                requests.append(
                    VersionRequest(
                        clique=clique,
                        seed=int(rng.integers(1, 2**31)),
                        length_s=clip_s if is_clip else batch.whole_s,
                        place=place if batch.clips_meet else elsewhere,
                        recording=first + version,
                    )
                )
        return requests

    def draw(self, step: int, pool: ThreadPoolExecutor | None = None) -> Batch:
        """The batch of a step."""
        hard = difficulty(self._stage.augment, self._stage.steps, step)
        requests = self.requests(step)
        views = self._versions.views(
            requests, average_frames=self._average_frames, difficulty=hard, augment=self._stage.augment, pool=pool
        )
        clique_B = np.array([request.clique for request in requests], np.int64)
        return assemble(views, clique_B, self._stage.batch, self._average_frames, hard)

    def _cliques(self, rng: np.random.Generator) -> list[int]:
        """Works of a step; no two of one group, since each is the other's negative."""
        cliques: Sequence[Clique] = self._versions.cliques
        chosen: list[int] = []
        groups: set[str] = set()
        for source, count in self._counts.items():
            wanted = len(chosen) + count
            for index in rng.permutation(len(self._members[source])):
                if len(chosen) == wanted:
                    break
                place = self._members[source][int(index)]
                if cliques[place].group not in groups:
                    groups.add(cliques[place].group)
                    chosen.append(place)
        return chosen


def chunk_starts(frames: int, average_frames: int) -> list[int]:
    """First averaged frame of each chunk of a view; a view shorter than a chunk is one."""
    length = CHUNK_FRAMES // average_frames
    hop = length * CHUNK_HOP_SAMPLES / CHUNK_SAMPLES
    starts = [0]
    while round(len(starts) * hop) + length <= frames:
        starts.append(round(len(starts) * hop))
    if starts[-1] + length < frames:
        starts.append(frames - length)
    return starts


def assemble(
    views: Sequence[Array],
    clique_B: NDArray[np.int64],
    batch: BatchConfig,
    average_frames: int,
    hard: float,
) -> Batch:
    """Cuts views into chunks (or leaves them whole) and gathers those of one length."""
    parts: dict[int, list[tuple[Array, int, int]]] = {}
    length = CHUNK_FRAMES // average_frames
    for number, view_FT in enumerate(views):
        frames = view_FT.shape[1]
        if not batch.chunked:
            parts.setdefault(frames, []).append((view_FT, number, 0))
            continue
        for slot, start in enumerate(chunk_starts(frames, average_frames)):
            chunk_FT = view_FT[:, start : start + length]
            parts.setdefault(chunk_FT.shape[1], []).append((chunk_FT, number, slot))
    groups = tuple(
        ChunkGroup(
            mean_nFT=np.stack([chunk_FT for chunk_FT, _, _ in members]),
            view_n=np.array([number for _, number, _ in members], np.int64),
            slot_n=np.array([slot for _, _, slot in members], np.int64),
        )
        for _, members in sorted(parts.items())
    )
    return Batch(groups=groups, clique_B=clique_B, difficulty=hard)
