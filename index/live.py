"""The index that streams use: a frozen graph, an exact scan of what was added since, and a set of what was removed.

Added tracks are found at once, removed ones never again; a merge makes a larger graph beside the one in use and swaps
them. Queries, adds, removals and a merge run at the same time: queries share a gate, a removal and the swap pass it
alone, an add only appends rows that running queries do not look at. Knows nothing of files.

Legend: B queries, M query chunks, D dimensions, K neighbours, N embeddings of a track, R rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import structlog

from index.errors import IndexBusy, IndexClosed
from index.exact import checked_query, owners_of_all, ranked, refuse_unknown_key, refuse_used_key, scan
from index.gate import Gate
from index.hnsw import FrozenGraph
from index.live_config import LiveConfig, LiveStats
from index.protocol import Float32Array, Neighbours, SimilarityTable, checked_embeddings, checked_vectors
from index.rows import NOBODY, EmbeddingRows

log = structlog.get_logger(__name__)

MERGE_TIMEOUT_S = 3600.0


class LiveIndex:
    """An ``Index`` over a graph. All methods may be called from any thread; ``close`` it when done.

    Args:
        rows: What is in it to begin with; the index owns it from then on.
        graph: A graph over the first ``graph_end_row`` rows, removed ones forgotten; None for none.
        graph_end_row: Rows from here on are not in the graph.
        config: When to use and renew the graph.
        version: The version to begin with.
    """

    def __init__(
        self,
        rows: EmbeddingRows,
        *,
        graph: FrozenGraph | None = None,
        graph_end_row: int = 0,
        config: LiveConfig | None = None,
        version: int = 0,
    ) -> None:
        self.config = config if config is not None else LiveConfig()
        self._rows = rows
        self._graph = graph
        self._graph_end_row = graph_end_row if graph is not None else 0
        self._version = version
        self._used_keys = set(rows.keys())
        self._gate = Gate()
        self._lock = threading.Lock()
        self._merge_lock = threading.Lock()
        self._merge_thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._removed_in_merge: list[range] | None = None
        self._progress: Callable[[int, int], None] | None = None
        self._counts = {"extensions": 0, "rebuilds": 0, "stopped_merges": 0, "scans_for_want_of_links": 0}

    @property
    def version(self) -> int:
        """Rises with every add or remove."""
        return self._version

    def __len__(self) -> int:
        """Number of live embeddings."""
        return self._rows.live_rows

    @property
    def stats(self) -> LiveStats:
        """What it holds and has done, at this moment."""
        with self._lock:
            graph = self._graph
            return LiveStats(
                live_rows=self._rows.live_rows,
                graph_rows=graph.rows if graph else 0,
                forgotten_rows=len(graph.forgotten) if graph else 0,
                delta_rows=self._rows.live_rows - (graph.live_rows if graph else 0),
                **self._counts,
            )

    def neighbours(self, query_BD: Float32Array, k: int = 50) -> Neighbours:
        """See ``Index.neighbours``; approximate where the graph is used."""
        self._refuse_closed()
        query_BD = checked_query(query_BD, self._rows.dimensions, k)
        with self._gate.reading():
            with self._lock:
                graph, first_row = self._graph, self._graph_end_row
                if graph is None or self._scan_is_better(graph):
                    graph, first_row = None, 0
                owner_R = owners_of_all(self._rows, first_row, self._rows.row_count)
            found = None
            if graph is not None and graph.live_rows and len(query_BD):
                found = graph.search(query_BD, min(k, graph.live_rows))
                if found is None:
                    with self._lock:
                        self._counts["scans_for_want_of_links"] += 1
                        owner_R = np.concatenate([owners_of_all(self._rows, 0, first_row), owner_R])
                    log.warning("index_graph_scanned", reason="links led to too few rows", queries=len(query_BD), k=k)
                    graph, first_row = None, 0
            scanned_rows = int((owner_R != NOBODY).sum())
            candidates = scan(self._rows, query_BD, min(k, scanned_rows), first_row, owner_R)
            live_rows = scanned_rows
            if found is not None and graph is not None:
                live_rows += graph.live_rows
                candidates = [np.concatenate(pair) for pair in zip(found, candidates, strict=True)]
            return ranked(self._rows, query_BD, candidates, min(k, live_rows))

    def similarities(self, query_MD: Float32Array, track_keys: Sequence[int]) -> list[Float32Array]:
        """See ``Index.similarities``."""
        return list(self.similarity_table(query_MD, track_keys))

    def similarity_table(self, query_MD: Float32Array, track_keys: Sequence[int]) -> SimilarityTable:
        """See ``Index.similarity_table``."""
        self._refuse_closed()
        query_MD = checked_vectors(query_MD, self._rows.dimensions, what="query_MD")
        return self._rows.similarity_table(query_MD, track_keys)

    def add(self, track_key: int, embedding_ND: Float32Array) -> None:
        """See ``Index.add``."""
        self._refuse_closed()
        embedding_ND = checked_embeddings(embedding_ND, self._rows.dimensions, what=f"embeddings of track {track_key}")
        with self._lock:
            refuse_used_key(track_key, self._used_keys)
            self._rows.append(track_key, embedding_ND)
            self._used_keys.add(track_key)
            self._version += 1
        self.merge_if_due()

    def remove(self, track_key: int) -> None:
        """See ``Index.remove``; waits for the queries that are running."""
        self._refuse_closed()
        with self._gate.writing(), self._lock:
            refuse_unknown_key(track_key, self._rows)
            gone = self._rows.drop(track_key)
            if self._graph is not None:
                self._graph.forget(gone)
            if self._removed_in_merge is not None:
                self._removed_in_merge.append(gone)
            self._version += 1
        self.merge_if_due()

    def merge(self, progress: Callable[[int, int], None] | None = None, timeout_s: float = MERGE_TIMEOUT_S) -> bool:
        """Bring every live row into the graph, now and in this thread; waits for a merge that is running.

        Args:
            progress: Told rows done and rows to do, from time to time, also of the merge that is waited for.
            timeout_s: How long to wait for a merge that is running.

        Returns:
            Whether the graph now holds what was live when the merge began; False where :meth:`close` stopped it, or
            where there are so few rows that they are scanned.

        Raises:
            IndexBusy: The other merge did not end in time.
        """
        self._refuse_closed()
        if len(self) < self.config.min_graph_rows:
            return False
        self._progress = progress
        try:
            if not self._merge_lock.acquire(timeout=timeout_s):
                raise IndexBusy(f"another merge has been running for more than {timeout_s:g} s")
            try:
                return self._merge()
            finally:
                self._merge_lock.release()
        finally:
            self._progress = None

    def close(self) -> None:
        """Stop a running merge (within a second or so) and refuse what comes later. May be called twice."""
        self._closed.set()
        thread = self._merge_thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=MERGE_TIMEOUT_S)

    def with_graph(self, use: Callable[[FrozenGraph, int], None]) -> bool:
        """Call ``use(graph, graph_end_row)`` while nothing is forgotten in the graph; False where there is none."""
        with self._gate.reading():
            with self._lock:
                graph, end_row = self._graph, self._graph_end_row
            if graph is None:
                return False
            use(graph, end_row)
            return True

    def _refuse_closed(self) -> None:
        if self._closed.is_set():
            raise IndexClosed("the index was closed")

    def _scan_is_better(self, graph: FrozenGraph) -> bool:
        few = self._rows.live_rows < self.config.min_graph_rows
        return few or graph.live_rows < self.config.min_live_share * graph.rows

    def _merge_is_due(self) -> bool:
        if self._rows.live_rows < self.config.min_graph_rows:
            return False
        graph = self._graph
        outside = self._rows.live_rows - (graph.live_rows if graph else 0)
        if graph is None or outside > max(self.config.merge_rows, self.config.merge_share * graph.rows):
            return True
        return self._mostly_forgotten(graph)

    def _mostly_forgotten(self, graph: FrozenGraph) -> bool:
        return graph.rows - graph.live_rows > self.config.rebuild_share * graph.rows

    def merge_if_due(self) -> None:
        """Start a merge in the background if one is due, the configuration allows it, and none is running."""
        if not self.config.background:
            return
        with self._lock:
            running = self._merge_thread is not None and self._merge_thread.is_alive()
            if running or self._closed.is_set() or not self._merge_is_due():
                return
            # Not a daemon: the interpreter may not pull the floor from under hnswlib. It ends with the main thread.
            self._merge_thread = threading.Thread(target=self._merge_while_due, name="index-merge")
            self._merge_thread.start()

    def _merge_while_due(self) -> None:
        while True:
            with self._merge_lock:
                if not self._merge():
                    return
            with self._lock:
                if not self._merge_is_due():
                    self._merge_thread = None
                    return

    def _merge(self) -> bool:
        with self._lock:
            old, first_row, end_row = self._graph, self._graph_end_row, self._rows.row_count
            removed: list[range] = []
            self._removed_in_merge = removed
            rebuild = old is None or self._mostly_forgotten(old)
            if rebuild:
                first_row = 0
            owner_R = owners_of_all(self._rows, first_row, end_row)
        row_R = np.flatnonzero(owner_R != NOBODY) + first_row
        if len(row_R) == 0 and not rebuild:
            return True

        def go_on(done: int) -> bool:
            progress = self._progress
            if progress is not None:
                progress(done, len(row_R))
            return not self._closed.is_set() and threading.main_thread().is_alive()

        log.info("index_merge_started", rows=len(row_R), rebuild=rebuild)
        if old is None or rebuild:
            new = FrozenGraph.empty(self._rows.dimensions, self.config.graph)
        else:
            with self._gate.reading():
                new = old.copied()
        if not new.extend(self._rows.vectors, row_R, go_on=go_on):
            with self._lock:
                self._counts["stopped_merges"] += 1
                self._removed_in_merge = None
            log.info("index_merge_stopped", rows=len(row_R))
            return False
        with self._gate.writing(), self._lock:
            for gone in removed:
                new.forget(gone)
            self._removed_in_merge = None
            self._graph, self._graph_end_row = new, end_row
            self._counts["rebuilds" if rebuild else "extensions"] += 1
        log.info("index_merge_done", rows=new.rows, forgotten=len(new.forgotten))
        return True
