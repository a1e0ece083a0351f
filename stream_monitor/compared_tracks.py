"""A catalogue's tracks as a ranking compares them: MaxMean in slices, and their tonal features. Ranks nothing itself.

What does not fit into memory at once (a 12-hour file against many tracks) goes in slices.

M chunks of a piece, N embeddings of a track, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoder.tonal import Features
from encoder.tonal_print import features_of
from index.catalogue import Catalogue
from index.maxmean import max_mean_of
from stream_monitor.verifier import TrackPrints
from stream_monitor.version_rank import THIN_ROWS

SLICE_VALUES = 4_000_000
"""Similarities that are held at a time: 16 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedTracks:
    """Of one catalogue; what `version_rank.Tracks` asks for."""

    catalogue: Catalogue
    prints: TrackPrints

    def whole(self, key: int) -> Features:
        """All tonal features of a track."""
        return self.prints.of(key).features

    def thin(self, key: int) -> Features:
        """The same, thinned for a scan; nothing else is read."""
        return features_of(self.catalogue.tonal(key)[::THIN_ROWS])

    def alike(self, key: int, others: Sequence[int]) -> Mapping[int, float]:
        """MaxMean of a track with others."""
        return self.max_mean(self.catalogue.embeddings(key), others)

    def max_mean(self, query_MD: npt.NDArray[np.float32], tracks: Sequence[int]) -> dict[int, float]:
        """MaxMean of a whole piece with each of these."""
        scores: dict[int, float] = {}
        for keys in self._slices(tracks, len(query_MD)):
            for key, similarity_MN in zip(keys, self.catalogue.index.similarities(query_MD, keys), strict=True):
                scores[key] = max_mean_of(similarity_MN)
        return scores

    def _slices(self, keys: Sequence[int], chunks: int) -> Iterator[list[int]]:
        """The keys in portions whose similarities fit into `SLICE_VALUES`; at least one each."""
        portion: list[int] = []
        values = 0
        for key in keys:
            size = chunks * self.catalogue.track(key).embeddings
            if portion and values + size > SLICE_VALUES:
                yield portion
                portion, values = [], 0
            portion.append(key)
            values += size
        if portion:
            yield portion
