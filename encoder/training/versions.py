"""What batches are drawn from: works (cliques) and views of them. Knows nothing of where the views come from.

Shapes: F pitch bins (84), T averaged frames of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.grid import HOP, SAMPLE_RATE
from encoder.training.config import AugmentConfig

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Clique:
    """One work.

    Attributes:
        name: Of the work.
        source: Collection that it belongs to; a step takes each source's share.
        group: Works of one group are alike, so that no step holds two of them.
    """

    name: str
    source: str
    group: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRequest:
    """One view to make.

    Attributes:
        clique: Place of the work in `Versions.cliques`.
        seed: All randomness of the view.
        length_s: Its longest duration; shorter works give shorter views.
        place: Where in the work it lies, 0 to 1.
        recording: Which of the work's recordings, modulo their number.
    """

    clique: int
    seed: int
    length_s: float
    place: float
    recording: int


class Versions(Protocol):
    """Works of which any number of views can be had."""

    @property
    def cliques(self) -> Sequence[Clique]:
        """The works; a work's class is its place here."""

    @property
    def shares(self) -> dict[str, float]:
        """Share of each source in a step."""

    def views(
        self,
        requests: Sequence[VersionRequest],
        *,
        average_frames: int,
        difficulty: float,
        augment: AugmentConfig,
        pool: ThreadPoolExecutor | None,
    ) -> list[Array]:
        """Averaged magnitudes [84, T] of each request, not normalised; a pure function of the arguments."""


def frames_of(length_s: float, average_frames: int) -> int:
    """Averaged frames of a stretch of so many seconds."""
    return max(1, int(length_s * SAMPLE_RATE / HOP) // average_frames)
