"""Keeps an index in memory equal to the tracks of a store, and the graph beside the store. Changes no track.

The index is made when it is first asked for: from the memory-mapped embeddings and the saved graph, or with a graph
that is built in the background where that one is missing, torn or of another state (said once, and kept in
``graph_problem``). The caller keeps threads apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import structlog

from index.atomic import storage_errors
from index.errors import CatalogueError, CatalogueReadOnly
from index.exact import ExactIndex
from index.graph_file import MISSING, load_graph, save_graph
from index.hnsw import FrozenGraph
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.memory import needed_bytes
from index.rows import NOBODY, EmbeddingRows
from index.store import CatalogueStore
from index.table import StoredTrack

log = structlog.get_logger(__name__)

IndexKind = Literal["hnsw", "exact"]


class IndexMirror:
    """The index over a store.

    Args:
        store: Whose tracks.
        kind: ``hnsw`` or ``exact``.
        config: When the graph is used and renewed.
    """

    def __init__(self, store: CatalogueStore, kind: IndexKind, config: LiveConfig) -> None:
        self._store = store
        self._kind = kind
        self._config = config
        self._index: ExactIndex | LiveIndex | None = None
        self._keys: set[int] = set()
        self._saved: tuple[int, int] | None = None
        self.graph_problem: str | None = None
        self.left_out: set[int] = set()
        """Keys of tracks for which there was no memory; they come in when others have made room."""

    def index(self) -> ExactIndex | LiveIndex:
        """The index; made now if it was not."""
        if self._index is None:
            self._index = self._made()
            self._keys = set(self._store.view.roster.keys())
        return self._index

    def put(self, stored: Iterable[StoredTrack]) -> None:
        """Take in tracks that the store has got."""
        if self._index is not None:
            for one in stored:
                if self._is_too_much(self._index, one):
                    continue
                self._index.add(one.track.key, self._store.view.embeddings(one))
                self._keys.add(one.track.key)
                self.left_out.discard(one.track.key)

    def drop(self, keys: Iterable[int]) -> None:
        """Let go of tracks that the store has lost."""
        if self._index is not None:
            for key in keys:
                self._index.remove(key)
                self._keys.discard(key)

    def follow(self) -> None:
        """Compare all keys and take over every difference, after a change that broke off or was another process's."""
        roster = self._store.view.roster
        self.drop(self._keys - set(roster.keys()))
        self.left_out.intersection_update(roster.keys())
        self.put([stored for stored in roster if stored.track.key not in self._keys])

    @property
    def made(self) -> ExactIndex | LiveIndex | None:
        """The index where it was made already."""
        return self._index

    def save(self) -> bool:
        """Write the graph as it is; False where there is none."""
        return isinstance(self._index, LiveIndex) and self._write(self._index)

    def close(self) -> None:
        """Stop the index; write its graph where that has grown since it was read or written."""
        index, self._index = self._index, None
        if isinstance(index, LiveIndex):
            index.close()
            if self._store.writable:
                try:
                    self._write(index)
                except CatalogueError as error:  # the graph is a cache: the catalogue is whole without it
                    log.warning("catalogue_graph_not_saved", reason=str(error))

    def _is_too_much(self, index: ExactIndex | LiveIndex, stored: StoredTrack) -> bool:
        limit, track = self._config.memory_bytes, stored.track
        needed = needed_bytes(len(self._keys) + 1, len(index) + track.embeddings)
        if limit is None or needed <= limit:
            return False
        if track.key not in self.left_out:
            log.error("track_left_out_for_want_of_memory", track_id=track.track_id, needed=needed, budget=limit)
            self.left_out.add(track.key)
        return True

    def _made(self) -> ExactIndex | LiveIndex:
        view, config = self._store.view, self._config
        header, end_row, change = view.state.header, view.state.rows, view.state.change
        owner_R = view.roster.owners(end_row)
        rows = EmbeddingRows(header.dimensions, view.snapshot.embeddings(0, end_row), owner_R)
        if self._kind == "exact":
            return ExactIndex(rows, version=change)
        if rows.live_rows < config.min_graph_rows:
            return LiveIndex(rows, config=config, version=change)
        loaded = load_graph(self._store.folder, header, end_row, config.graph)
        if loaded.graph is None:
            self.graph_problem = loaded.reason
            folder = str(self._store.folder)
            say = log.info if loaded.reason == MISSING else log.warning
            say("catalogue_graph_rebuilt", path=folder, reason=loaded.reason, embeddings=rows.live_rows)
        else:
            loaded.graph.forget(np.flatnonzero(owner_R[: loaded.end_row] == NOBODY))
            self._saved = (loaded.end_row, len(loaded.graph.forgotten))
        live = LiveIndex(rows, graph=loaded.graph, graph_end_row=loaded.end_row, config=config, version=change)
        live.merge_if_due()
        return live

    def _write(self, index: LiveIndex) -> bool:
        if not self._store.writable:
            raise CatalogueReadOnly(f"the catalogue {self._store.folder} was opened for reading: open it writable")
        header = self._store.view.state.header

        def write(graph: FrozenGraph, end_row: int) -> None:
            mark = (end_row, len(graph.forgotten))
            if mark != self._saved:
                with storage_errors(f"saving the graph of {self._store.folder}"):
                    save_graph(self._store.folder, header, graph, end_row, self._store.checkpoint)
                self._saved = mark

        return index.with_graph(write)
