"""What an index of track embeddings offers, and the values that cross its border. Knows nothing of audio or storage.

Legend: B queries, M query chunks, D dimensions, K neighbours, N embeddings of a track, T tracks, R rows of many tracks.

Every similarity that leaves an index is the same pure function of two vectors (``index.kernels``): it does not depend
on the batch, on the row at which a vector lies or on the implementation; equal vectors give equal bits everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import InvalidEmbedding

Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]
Int32Array = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbours:
    """The nearest catalogue embeddings of each query, best first; ties lie by (track key, position).

    Attributes:
        similarity_BK: Cosine, float32, descending in each row.
        track_BK: Key of the track that each neighbour belongs to, int64.
        position_BK: Which embedding of that track it is (row of its ``embedding_ND``), int32.
    """

    similarity_BK: Float32Array
    track_BK: Int64Array
    position_BK: Int32Array


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarityTable:
    """Similarities of one query window with several tracks in one block, for kernels that walk all tracks at once.

    Attributes:
        value_MR: Cosine of each query chunk with each row of each track, tracks side by side, float32, C order.
        offset_T1: Track t owns columns ``offset_T1[t]`` to ``offset_T1[t + 1]``, int64 [T + 1]. A track that is not in
            the index (removed since it was named) owns none.
    """

    value_MR: Float32Array
    offset_T1: Int64Array

    def __len__(self) -> int:
        return len(self.offset_T1) - 1

    def __getitem__(self, track: int) -> Float32Array:
        """Similarities [M, N_t] of track number ``track`` of the call, a view."""
        if not 0 <= track < len(self):
            raise IndexError(track)
        return self.value_MR[:, self.offset_T1[track] : self.offset_T1[track + 1]]

    def __iter__(self) -> Iterator[Float32Array]:
        offsets = self.offset_T1.tolist()
        return (self.value_MR[:, start:stop] for start, stop in pairwise(offsets))


class Index(Protocol):
    """Embeddings of tracks, searched while they are added and removed. All methods may be called from any thread."""

    @property
    def version(self) -> int:
        """Rises with every add or remove; two equal versions of one index give equal answers."""
        ...

    def __len__(self) -> int:
        """Number of live embeddings."""
        ...

    def neighbours(self, query_BD: Float32Array, k: int = 50) -> Neighbours:
        """Find the ``min(k, len(index))`` nearest live embeddings of each query.

        Args:
            query_BD: Unit vectors, float32 [B, D].
            k: How many, at least 1.

        Raises:
            InvalidEmbedding: The array has another shape or type, or ``k`` is below 1.
        """
        ...

    def similarities(self, query_MD: Float32Array, track_keys: Sequence[int]) -> list[Float32Array]:
        """Cosine of each query chunk with each embedding of each track: [M, N_t] for every key, in the order given.

        A key that is not in the index (the track was removed after it had been named) gives an array [M, 0], which
        scores 0 in ``max_mean_of``.
        """
        ...

    def similarity_table(self, query_MD: Float32Array, track_keys: Sequence[int]) -> SimilarityTable:
        """The same as :meth:`similarities` in one block."""
        ...

    def add(self, track_key: int, embedding_ND: Float32Array) -> None:
        """Add a track; it is found by the next query.

        Args:
            track_key: A key that was never used in this index, 0 or above.
            embedding_ND: Unit vectors, float32 [N, D], N at least 1.

        Raises:
            DuplicateTrack: The key is or was in the index.
            InvalidEmbedding: The array has another shape or type, or a row is not a unit vector.
        """
        ...

    def remove(self, track_key: int) -> None:
        """Remove a track; no later query names it.

        Raises:
            UnknownTrack: The key is not in the index.
        """
        ...


UNIT_TOLERANCE = 1e-3
"""How far a row's norm may be from 1: a unit vector that went through fp16 is within it."""


def checked_vectors(vector_ND: Float32Array, dimensions: int, *, what: str) -> Float32Array:
    """Return ``vector_ND`` C-contiguous after checking that it is float32 [N, dimensions].

    Raises:
        InvalidEmbedding: It is not.
    """
    if not isinstance(vector_ND, np.ndarray) or vector_ND.dtype != np.float32:
        kind = vector_ND.dtype if isinstance(vector_ND, np.ndarray) else type(vector_ND).__name__
        raise InvalidEmbedding(f"{what} must be a float32 array, got {kind}")
    if vector_ND.ndim != 2 or vector_ND.shape[1] != dimensions:
        raise InvalidEmbedding(f"{what} must have shape [n, {dimensions}], got {list(vector_ND.shape)}")
    return np.ascontiguousarray(vector_ND)


def checked_embeddings(embedding_ND: Float32Array, dimensions: int, *, what: str) -> Float32Array:
    """Like :func:`checked_vectors`, and each row must be a unit vector and there must be at least one.

    Raises:
        InvalidEmbedding: The array is empty, or a row's norm is not 1 (NaN included).
    """
    rows_ND = checked_vectors(embedding_ND, dimensions, what=what)
    if len(rows_ND) == 0:
        raise InvalidEmbedding(f"{what} is empty: a track without embeddings cannot be found")
    norm_N = np.sqrt(np.einsum("nd,nd->n", rows_ND, rows_ND))
    bad = np.flatnonzero(~(np.abs(norm_N - 1.0) <= UNIT_TOLERANCE))
    if len(bad):
        raise InvalidEmbedding(f"{what} must be unit vectors: row {bad[0]} has norm {norm_N[bad[0]]:.6g}")
    return rows_ND
