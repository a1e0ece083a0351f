"""The embeddings of all tracks as rows in a few large blocks of memory. Knows nothing of searching or of files.

Rows are numbered in the order of arrival and never move: a block that is full is followed by a larger one, so what a
reader took hold of stays valid while others add. The first block may be a memory-mapped file. A removed track leaves
its rows behind, owned by nobody (key -1). The caller keeps writers apart; readers need no lock for rows below the
``row_count`` that they saw.

Legend: N embeddings of a track, D dimensions, R rows, T tracks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from index.kernels import span_similarities
from index.protocol import Float32Array, Int32Array, Int64Array, SimilarityTable

NOBODY = -1
MIN_BLOCK_ROWS = 4096
GROWTH_SHARE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class RowBlock:
    """Consecutive rows: ``first_row`` is the number of the first; ``key_R`` is -1 where a row has no owner."""

    first_row: int
    vector_RD: Float32Array
    key_R: Int64Array
    position_R: Int32Array

    def part(self, start: int, stop: int) -> RowBlock:
        """Rows ``start`` to ``stop`` of the block, as views."""
        return RowBlock(
            first_row=self.first_row + start,
            vector_RD=self.vector_RD[start:stop],
            key_R=self.key_R[start:stop],
            position_R=self.position_R[start:stop],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a track lies: rows ``start`` to ``start + count`` of block number ``block``."""

    block: int
    start: int
    count: int


class EmbeddingRows:
    """Append-only rows with the track that owns each.

    Args:
        dimensions: Length of a vector.
        vector_RD: Rows to begin with (kept, not copied), float32 [R, dimensions].
        key_R: The owner of each of these rows, int64; -1 for none. A track's rows are consecutive.
    """

    def __init__(self, dimensions: int, vector_RD: Float32Array | None = None, key_R: Int64Array | None = None) -> None:
        self.dimensions = dimensions
        self.live_rows = 0
        self.row_count = 0
        self._blocks: list[RowBlock] = []
        self._first_rows: list[int] = []
        self._place: dict[int, Placement] = {}
        if vector_RD is not None and key_R is not None and len(vector_RD):
            self._open_with(vector_RD, key_R)

    def _open_with(self, vector_RD: Float32Array, key_R: Int64Array) -> None:
        start_T = np.flatnonzero(np.r_[True, key_R[1:] != key_R[:-1]])
        count_T = np.diff(np.r_[start_T, len(key_R)])
        position_R = (np.arange(len(key_R)) - np.repeat(start_T, count_T)).astype(np.int32)
        block = RowBlock(first_row=0, vector_RD=vector_RD, key_R=key_R.copy(), position_R=position_R)
        self._blocks.append(block)
        self._first_rows.append(0)
        for key, start, count in zip(key_R[start_T].tolist(), start_T.tolist(), count_T.tolist(), strict=True):
            if key != NOBODY:
                self._place[key] = Placement(block=0, start=start, count=count)
        self.live_rows = int((key_R != NOBODY).sum())
        self.row_count = len(key_R)

    def __contains__(self, track_key: int) -> bool:
        return track_key in self._place

    def keys(self) -> list[int]:
        """Keys of the live tracks, in the order of arrival."""
        return list(self._place)

    def append(self, track_key: int, embedding_ND: Float32Array) -> range:
        """Add a track's rows and return their numbers; the rows become visible all at once."""
        count = len(embedding_ND)
        filled = self.row_count - self._first_rows[-1] if self._blocks else 0
        if not self._blocks or filled + count > len(self._blocks[-1].key_R):
            size = max(MIN_BLOCK_ROWS, self.row_count // GROWTH_SHARE, count)
            if self._blocks:  # what the last block has left over is given up, so that numbers stay without gaps
                self._blocks[-1] = self._blocks[-1].part(0, filled)
            self._first_rows.append(self.row_count)
            self._blocks.append(
                RowBlock(
                    first_row=self.row_count,
                    vector_RD=np.zeros((size, self.dimensions), dtype=np.float32),
                    key_R=np.full(size, NOBODY, dtype=np.int64),
                    position_R=np.zeros(size, dtype=np.int32),
                )
            )
            filled = 0
        block = self._blocks[-1]
        block.vector_RD[filled : filled + count] = embedding_ND
        block.position_R[filled : filled + count] = np.arange(count, dtype=np.int32)
        block.key_R[filled : filled + count] = track_key
        self._place[track_key] = Placement(block=len(self._blocks) - 1, start=filled, count=count)
        self.live_rows += count
        first = self.row_count
        self.row_count = first + count
        return range(first, self.row_count)

    def drop(self, track_key: int) -> range:
        """Take a track's rows from their owner and return their numbers."""
        place = self._place.pop(track_key)
        block = self._blocks[place.block]
        block.key_R[place.start : place.start + place.count] = NOBODY
        self.live_rows -= place.count
        first = block.first_row + place.start
        return range(first, first + place.count)

    def embeddings(self, track_key: int) -> Float32Array | None:
        """The vectors of a track [N, D], a view; None where it is not there."""
        place = self._place.get(track_key)
        if place is None:
            return None
        return self._blocks[place.block].vector_RD[place.start : place.start + place.count]

    def blocks(self, first_row: int, end_row: int) -> Iterator[RowBlock]:
        """The rows from ``first_row`` to ``end_row`` as views, block by block."""
        for block in list(self._blocks):
            start = max(first_row - block.first_row, 0)
            stop = min(end_row - block.first_row, len(block.key_R))
            if start < stop:
                yield block.part(start, stop)

    def owners(self, row_R: Int64Array) -> tuple[Int64Array, Int32Array]:
        """Key and position of rows by number."""
        key_R = np.empty(len(row_R), dtype=np.int64)
        position_R = np.empty(len(row_R), dtype=np.int32)
        for block, chosen in self._by_block(row_R):
            local = row_R[chosen] - block.first_row
            key_R[chosen] = block.key_R[local]
            position_R[chosen] = block.position_R[local]
        return key_R, position_R

    def vectors(self, row_R: Int64Array) -> Float32Array:
        """Copy of rows by number, float32 [R, D]."""
        vector_RD = np.empty((len(row_R), self.dimensions), dtype=np.float32)
        for block, chosen in self._by_block(row_R):
            vector_RD[chosen] = block.vector_RD[row_R[chosen] - block.first_row]
        return vector_RD

    def row_similarities(self, query_D: Float32Array, row_R: Int64Array) -> Float32Array:
        """Similarity of one query with rows by number, float32 [R]."""
        value_1R = np.empty((1, len(row_R)), dtype=np.float32)
        for block, chosen in self._by_block(row_R):
            local = row_R[chosen] - block.first_row
            span_similarities(query_D[None], block.vector_RD, local, np.ones_like(local), chosen, value_1R)
        value_R: Float32Array = value_1R[0]
        return value_R

    def similarity_table(self, query_MD: Float32Array, track_keys: Sequence[int]) -> SimilarityTable:
        """Similarities of a window with tracks by key; a key that is not there owns no columns."""
        offset_T1 = np.zeros(len(track_keys) + 1, dtype=np.int64)
        spans: dict[int, tuple[list[int], list[int], list[int]]] = {}
        column = 0
        for track, key in enumerate(track_keys):
            place = self._place.get(key)
            if place is not None:
                starts, counts, columns = spans.setdefault(place.block, ([], [], []))
                starts.append(place.start)
                counts.append(place.count)
                columns.append(column)
                column += place.count
            offset_T1[track + 1] = column
        value_MR = np.empty((len(query_MD), column), dtype=np.float32)
        for number, (starts, counts, columns) in spans.items():
            vector_RD = self._blocks[number].vector_RD
            span_similarities(query_MD, vector_RD, np.array(starts), np.array(counts), np.array(columns), value_MR)
        return SimilarityTable(value_MR=value_MR, offset_T1=offset_T1)

    def _by_block(self, row_R: Int64Array) -> Iterator[tuple[RowBlock, Int64Array]]:
        if len(self._blocks) == 1 or len(row_R) == 0:
            if len(row_R):
                yield self._blocks[0], np.arange(len(row_R), dtype=np.int64)
            return
        first_rows = self._first_rows[: bisect_right(self._first_rows, int(row_R.max()))]
        number_R = np.searchsorted(np.array(first_rows), row_R, side="right") - 1
        for number in np.unique(number_R).tolist():
            yield self._blocks[number], np.flatnonzero(number_R == number)
