"""Two collections of works as one, e.g. recordings and MIDI of one list. Knows nothing of either."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from encoder.training.config import AugmentConfig
from encoder.training.versions import Array, VersionRequest, Versions


class JoinedVersions:
    """The works of the first, then those of the second; each collection's share is its number of works."""

    def __init__(self, first: Versions, second: Versions) -> None:
        self._parts = (first, second)
        self.cliques = (*first.cliques, *second.cliques)
        self.shares = {
            source: float(sum(clique.source == source for clique in part.cliques))
            for part in self._parts
            for source in part.shares
        }

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
        border = len(self._parts[0].cliques)
        views: dict[int, Array] = {}
        for part, low in zip(self._parts, (0, border), strict=True):
            own = [
                (place, replace(request, clique=request.clique - low))
                for place, request in enumerate(requests)
                if (request.clique >= border) == bool(low)
            ]
            made = part.views(
                [request for _, request in own],
                average_frames=average_frames,
                difficulty=difficulty,
                augment=augment,
                pool=pool,
            )
            views.update(zip((place for place, _ in own), made, strict=True))
        return [views[place] for place in range(len(requests))]
