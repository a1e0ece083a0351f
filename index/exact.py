"""Exact nearest neighbours by scanning every embedding: the oracle of the tests and the index of deterministic runs.

A blocked matrix product finds the candidates, with a margin above its rounding; the package's one similarity function
then decides among them. So the answer is a pure function of the query and of what is in the index, ties included.
Knows nothing of files or of graphs.

Legend: B queries, M query chunks, D dimensions, K neighbours, N embeddings of a track, R rows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from index.errors import DuplicateTrack, InvalidEmbedding, UnknownTrack
from index.protocol import (
    Float32Array,
    Int64Array,
    Neighbours,
    SimilarityTable,
    checked_embeddings,
    checked_vectors,
)
from index.rows import NOBODY, EmbeddingRows

SCAN_ROWS = 4096
SCAN_QUERIES = 16
ROUNDING_MARGIN = 2e-4
"""Twice what float32 sums of 512 products of unit vectors can be off, on both sides of the comparison."""


class ExactIndex:
    """An ``Index`` that scans. All methods may be called from any thread.

    Args:
        rows: What is in it to begin with; the index owns it from then on.
        version: The version to begin with.
    """

    def __init__(self, rows: EmbeddingRows | None = None, *, dimensions: int = 512, version: int = 0) -> None:
        self._rows = rows if rows is not None else EmbeddingRows(dimensions)
        self._version = version
        self._used_keys = set(self._rows.keys())
        self._lock = threading.Lock()

    @property
    def version(self) -> int:
        """Rises with every add or remove."""
        return self._version

    def __len__(self) -> int:
        """Number of live embeddings."""
        return self._rows.live_rows

    def neighbours(self, query_BD: Float32Array, k: int = 50) -> Neighbours:
        """See ``Index.neighbours``."""
        query_BD = checked_query(query_BD, self._rows.dimensions, k)
        with self._lock:
            owner_R = owners_of_all(self._rows, 0, self._rows.row_count)
        live = int((owner_R != NOBODY).sum())
        candidates = scan(self._rows, query_BD, min(k, live), 0, owner_R)
        return ranked(self._rows, query_BD, candidates, min(k, live))

    def similarities(self, query_MD: Float32Array, track_keys: Sequence[int]) -> list[Float32Array]:
        """See ``Index.similarities``."""
        return list(self.similarity_table(query_MD, track_keys))

    def similarity_table(self, query_MD: Float32Array, track_keys: Sequence[int]) -> SimilarityTable:
        """See ``Index.similarity_table``."""
        query_MD = checked_vectors(query_MD, self._rows.dimensions, what="query_MD")
        return self._rows.similarity_table(query_MD, track_keys)

    def add(self, track_key: int, embedding_ND: Float32Array) -> None:
        """See ``Index.add``."""
        embedding_ND = checked_embeddings(embedding_ND, self._rows.dimensions, what=f"embeddings of track {track_key}")
        with self._lock:
            refuse_used_key(track_key, self._used_keys)
            self._rows.append(track_key, embedding_ND)
            self._used_keys.add(track_key)
            self._version += 1

    def remove(self, track_key: int) -> None:
        """See ``Index.remove``."""
        with self._lock:
            refuse_unknown_key(track_key, self._rows)
            self._rows.drop(track_key)
            self._version += 1


def checked_query(query_BD: Float32Array, dimensions: int, k: int) -> Float32Array:
    """Return the queries C-contiguous after checking them and ``k``."""
    if k < 1:
        raise InvalidEmbedding(f"k must be at least 1, got {k}")
    return checked_vectors(query_BD, dimensions, what="query_BD")


def refuse_used_key(track_key: int, used_keys: set[int]) -> None:
    """Raise where a key is negative or was used before."""
    if track_key < 0:
        raise InvalidEmbedding(f"track keys are 0 or above, got {track_key}")
    if track_key in used_keys:
        raise DuplicateTrack(f"track key {track_key} was used before: take a new one, keys are never used again")


def refuse_unknown_key(track_key: int, rows: EmbeddingRows) -> None:
    """Raise where a key owns no rows."""
    if track_key not in rows:
        raise UnknownTrack(f"track key {track_key} is not in the index")


def owners_of_all(rows: EmbeddingRows, first_row: int, end_row: int) -> Int64Array:
    """Copy of the owners of a range of rows, so that a scan sees one moment."""
    keys = [block.key_R for block in rows.blocks(first_row, end_row)]
    return np.concatenate(keys) if keys else np.empty(0, dtype=np.int64)


def scan(rows: EmbeddingRows, query_BD: Float32Array, k: int, first_row: int, owner_R: Int64Array) -> list[Int64Array]:
    """Rows that may be among the ``k`` nearest of each query, the true ones always included.

    Args:
        rows: Where the vectors are.
        query_BD: Queries.
        k: How many neighbours are wanted, at most the number of owned rows.
        first_row: Number of the first row to look at.
        owner_R: The owners of the rows from there on; rows without one are left out.
    """
    if k == 0 or len(query_BD) == 0:
        return [np.empty(0, dtype=np.int64) for _ in query_BD]
    dead_R = np.flatnonzero(owner_R == NOBODY)
    found: list[Int64Array] = []
    for start in range(0, len(query_BD), SCAN_QUERIES):
        part_BD = query_BD[start : start + SCAN_QUERIES]
        value_BR = np.empty((len(part_BD), len(owner_R)), dtype=np.float32)
        for block in rows.blocks(first_row, first_row + len(owner_R)):
            for offset in range(0, len(block.key_R), SCAN_ROWS):
                slab_RD = block.vector_RD[offset : offset + SCAN_ROWS]
                column = block.first_row - first_row + offset
                np.matmul(part_BD, slab_RD.T, out=value_BR[:, column : column + len(slab_RD)])
        value_BR[:, dead_R] = -np.inf
        for value_R in value_BR:
            worst = np.partition(value_R, len(value_R) - k)[len(value_R) - k]
            found.append(np.flatnonzero(value_R >= worst - ROUNDING_MARGIN) + first_row)
    return found


def ranked(rows: EmbeddingRows, query_BD: Float32Array, candidates: list[Int64Array], k: int) -> Neighbours:
    """The best ``k`` of each query's candidate rows by the one similarity function; at least ``k`` must be given."""
    result = Neighbours(
        similarity_BK=np.empty((len(query_BD), k), dtype=np.float32),
        track_BK=np.empty((len(query_BD), k), dtype=np.int64),
        position_BK=np.empty((len(query_BD), k), dtype=np.int32),
    )
    for query, row_R in enumerate(candidates):
        key_R, position_R = rows.owners(row_R)
        value_R = rows.row_similarities(query_BD[query], row_R)
        best = np.lexsort((position_R, key_R, -value_R))[:k]
        result.similarity_BK[query] = value_R[best]
        result.track_BK[query] = key_R[best]
        result.position_BK[query] = position_R[best]
    return result
