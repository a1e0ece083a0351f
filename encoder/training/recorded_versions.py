"""Works as recordings: views are stretches of their CQTs, altered. Knows nothing of files, batches or networks.

Shapes: F pitch bins (84), C columns, T averaged frames, N columns of talk.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.grid import HOP, SAMPLE_RATE
from encoder.training.config import AugmentConfig
from encoder.training.cqt_cache import SCALE
from encoder.training.spectrum import FRAMES_PER_COLUMN, averaged, disturbed, masked, transposed
from encoder.training.versions import Array, Clique, VersionRequest, frames_of

SOURCE = "recordings"
COLUMN_S = FRAMES_PER_COLUMN * HOP / SAMPLE_RATE


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordedClique:
    """A work's recordings: their names, and CQTs [84, C] in thousandths (float16, may be memory-mapped)."""

    name: str
    recordings: tuple[str, ...]
    cqts: tuple[NDArray[np.float16], ...]


class RecordedVersions:
    """Works of which there are recordings; a work with one recording has only altered views of that one."""

    def __init__(self, works: Sequence[RecordedClique], speech_FN: Array) -> None:
        """Args: talk is averaged like the views, or has no columns.

        Raises:
            TrainingDataError: There are fewer than two works.
        """
        if len(works) < 2:
            raise TrainingDataError(f"{len(works)} works to train on; training needs two or more")
        self.works = tuple(works)
        self.cliques = tuple(Clique(name=work.name, source=SOURCE, group=work.name) for work in works)
        self.shares = {SOURCE: 1.0}
        self._speech_FN = speech_FN

    def views(
        self,
        requests: Sequence[VersionRequest],
        *,
        average_frames: int,
        difficulty: float,
        augment: AugmentConfig,
        pool: ThreadPoolExecutor | None,
    ) -> list[Array]:
        """See `Versions.views`."""

        def make(request: VersionRequest) -> Array:
            return self._view(request, average_frames, difficulty, augment)

        return [make(request) for request in requests] if pool is None else list(pool.map(make, requests, chunksize=4))

    def _view(self, request: VersionRequest, average_frames: int, difficulty: float, augment: AugmentConfig) -> Array:
        rng = np.random.default_rng(request.seed)
        cqts = self.works[request.clique].cqts
        cqt_FC = cqts[request.recording % len(cqts)]
        slow, fast = augment.stretch
        speed = float(np.exp(difficulty * rng.uniform(np.log(slow), np.log(fast))))
        columns = min(cqt_FC.shape[1], max(2, round(request.length_s * speed / COLUMN_S)))
        start = round(request.place * (cqt_FC.shape[1] - columns))
        stretch_FC = cqt_FC[:, start : start + columns].astype(np.float32) / np.float32(SCALE)
        mean_FT = averaged(stretch_FC, frames_of(columns * COLUMN_S / speed, average_frames))
        limit = round(augment.transposition * difficulty)
        moved_FT = transposed(mean_FT, int(rng.integers(-limit, limit + 1)))
        return masked(disturbed(moved_FT, rng, augment, difficulty, self._speech_FN), rng, augment.mask_share)
