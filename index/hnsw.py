"""A graph of nearest neighbours over numbered rows, by hnswlib; the only module that knows hnswlib.

The graph is frozen: rows are never added to one that is being searched, a larger copy is made instead. Rows may be
forgotten; the caller keeps that apart from searches (hnswlib reads the mark without a lock). Built by one thread in the
order of the rows, a graph is a pure function of the rows and of the calls that made it. Knows nothing of tracks.

Legend: B queries, D dimensions, K neighbours, R rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import hnswlib
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from index.errors import CatalogueCorrupt
from index.protocol import Float32Array, Int64Array

PIECE_ROWS = 256


class GraphConfig(BaseModel):
    """How graphs are built and searched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    links: int = Field(default=16, ge=2, le=64)
    """hnswlib's M: links of a row in each upper layer, half of those in the lowest."""
    ef_construction: int = Field(default=200, ge=16)
    """Candidates kept while a row is linked."""
    ef_search: int = Field(default=128, ge=64)
    """Candidates kept while searching; recall rises with it, and so does the time."""
    seed: int = 100
    """Seeds the layers that the rows are drawn into."""
    threads: int = Field(default=1, ge=1)
    """Threads that share a batch of queries (hnswlib uses one for up to four queries a thread)."""


class FrozenGraph:
    """A searchable graph over the rows that it was made of. Begins with :meth:`empty` or :meth:`load`."""

    def __init__(self, graph: hnswlib.Index, row_R: Int64Array, forgotten: set[int], config: GraphConfig) -> None:
        self._graph = graph
        self._row_R = row_R
        self._forgotten = forgotten
        self.config = config
        graph.set_ef(config.ef_search)
        graph.set_num_threads(config.threads)

    @property
    def rows(self) -> int:
        """Rows in the graph, the forgotten ones included."""
        return len(self._row_R)

    @property
    def live_rows(self) -> int:
        """Rows that a search can find."""
        return len(self._row_R) - len(self._forgotten)

    @property
    def forgotten(self) -> frozenset[int]:
        """Numbers of the rows that were forgotten."""
        return frozenset(self._forgotten)

    @classmethod
    def empty(cls, dimensions: int, config: GraphConfig) -> FrozenGraph:
        """A graph without rows."""
        graph = hnswlib.Index(space="ip", dim=dimensions)
        graph.init_index(
            max_elements=1, M=config.links, ef_construction=config.ef_construction, random_seed=config.seed
        )
        return cls(graph, np.empty(0, dtype=np.int64), set(), config)

    def copied(self) -> FrozenGraph:
        """A copy that can be extended while this one is searched; not beside :meth:`forget`."""
        return FrozenGraph(copy.copy(self._graph), self._row_R, set(self._forgotten), self.config)

    def extend(
        self,
        vectors_of: Callable[[Int64Array], Float32Array],
        row_R: Int64Array,
        *,
        go_on: Callable[[int], bool] = lambda done: True,
    ) -> bool:
        """Add rows, in order and by one thread. Only for a graph that nobody searches yet.

        Args:
            vectors_of: Gives the unit vectors of rows by number.
            row_R: Numbers of the rows, rising, above those in the graph.
            go_on: Asked after every piece with the number of rows done; False stops.

        Returns:
            Whether all rows were added; a graph that was stopped is to be thrown away.
        """
        self._graph.resize_index(max(len(self._row_R) + len(row_R), 1))
        for start in range(0, len(row_R), PIECE_ROWS):
            piece_R = row_R[start : start + PIECE_ROWS]
            self._graph.add_items(vectors_of(piece_R), piece_R, num_threads=1)
            if not go_on(start + len(piece_R)):
                return False
        self._row_R = np.concatenate([self._row_R, row_R])
        return True

    def search(self, query_BD: Float32Array, k: int) -> Int64Array | None:
        """Row numbers of about the ``k`` nearest rows that are not forgotten, int64 [B, k], in no particular order.

        ``k`` is at most ``live_rows``. None where the graph's links did not lead to ``k`` rows: scan instead.
        """
        try:
            label_BK, _ = self._graph.knn_query(query_BD, k=k)
        except RuntimeError as error:
            if "contiguous 2D array" not in str(error):
                raise
            return None
        return np.asarray(label_BK).astype(np.int64)

    def forget(self, rows: range | Int64Array) -> None:
        """Leave rows out of every later search; rows that are not in the graph are passed over. Not beside a search."""
        for row in np.asarray(rows, dtype=np.int64).tolist():
            place = int(np.searchsorted(self._row_R, row))
            if place < len(self._row_R) and self._row_R[place] == row and row not in self._forgotten:
                self._graph.mark_deleted(row)
                self._forgotten.add(row)

    def save(self, path: Path) -> None:
        """Write the graph to a file, without care for crashes; ``forgotten`` must be kept beside it."""
        self._graph.save_index(str(path))

    @classmethod
    def load(cls, path: Path, dimensions: int, forgotten: set[int], config: GraphConfig) -> FrozenGraph:
        """Read a graph that :meth:`save` wrote; the file's bytes must have been checked before.

        Raises:
            CatalogueCorrupt: hnswlib refuses the file.
        """
        graph = hnswlib.Index(space="ip", dim=dimensions)
        try:
            graph.load_index(str(path))
        except RuntimeError as error:
            raise CatalogueCorrupt(f"graph file {path} cannot be read: {error}") from error
        return cls(graph, np.sort(np.array(graph.get_ids_list(), dtype=np.int64)), forgotten, config)
