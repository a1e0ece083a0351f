"""The graph: recall, forgetting, copies, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.errors import CatalogueCorrupt
from index.hnsw import FrozenGraph, GraphConfig
from tests.index.recordings import unit_vectors

ROWS = 1500
VECTORS = unit_vectors(1, ROWS)


def built(rows: range = range(ROWS), **config: int) -> FrozenGraph:
    """A graph over some of the vectors."""
    graph = FrozenGraph.empty(VECTORS.shape[1], GraphConfig(**config))
    assert graph.extend(lambda row_R: VECTORS[row_R], np.array(rows))
    return graph


def recall(graph: FrozenGraph, query_BD: np.ndarray, gone: set[int], k: int = 50) -> float:
    """Share of the true neighbours that the graph finds."""
    similarity_BR = query_BD @ VECTORS.T
    similarity_BR[:, sorted(gone)] = -2
    true_BK = np.argsort(-similarity_BR, axis=1)[:, :k]
    label_BK = graph.search(query_BD, k)
    assert label_BK is not None
    assert not gone & set(label_BK.ravel().tolist())
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(label_BK.tolist(), true_BK.tolist(), strict=True)]))


def test_the_graph_finds_nearly_all_neighbours_also_when_most_rows_are_forgotten() -> None:
    """Recall at 50 is high on random vectors, and stays high without the forgotten rows, which are never found."""
    graph, query_BD = built(), unit_vectors(2, 40)
    assert recall(graph, query_BD, set()) > 0.95
    graph.forget(range(0, 600))
    graph.forget(np.arange(500, 1200))
    assert (graph.rows, graph.live_rows) == (ROWS, 300)
    assert recall(graph, query_BD, set(range(1200))) > 0.95


def test_it_gives_as_many_rows_as_are_left() -> None:
    """With k equal to what is left it finds those rows, or says that it cannot; it never raises."""
    graph = built()
    graph.forget(range(0, ROWS - 20))
    label_BK = graph.search(unit_vectors(2, 3), 20)
    assert label_BK is None or sorted(label_BK[0].tolist()) == list(range(ROWS - 20, ROWS))
    clones = FrozenGraph.empty(32, GraphConfig(links=2, ef_construction=16))
    assert clones.extend(lambda row_R: VECTORS[row_R % 2], np.arange(600))
    assert clones.search(unit_vectors(2, 3), 600) is None or clones.live_rows == 600


def test_a_copy_grows_without_the_original() -> None:
    """A copy that is extended, or that forgets, leaves the original's answers as they were."""
    graph, query_BD = built(range(800)), unit_vectors(3, 10)
    before = graph.search(query_BD, 20)
    copy = graph.copied()
    assert copy.extend(lambda row_R: VECTORS[row_R], np.arange(800, ROWS))
    copy.forget(range(5))
    np.testing.assert_array_equal(graph.search(query_BD, 20), before)
    assert (graph.rows, copy.rows, copy.live_rows) == (800, ROWS, ROWS - 5)
    assert recall(copy, query_BD, set(range(5))) > 0.95


def test_a_stopped_extension_says_so() -> None:
    """go_on is told how far it is and can stop the work."""
    seen: list[int] = []
    graph = FrozenGraph.empty(32, GraphConfig())
    assert not graph.extend(lambda row_R: VECTORS[row_R], np.arange(ROWS), go_on=lambda done: bool(seen.append(done)))
    assert seen == [256]


def test_a_saved_graph_answers_as_before(tmp_path: Path) -> None:
    """Rows, forgotten ones included, survive the file; a file that is none is refused."""
    graph, query_BD = built(), unit_vectors(4, 10)
    graph.forget(range(100))
    graph.save(tmp_path / "g")
    loaded = FrozenGraph.load(tmp_path / "g", 32, set(graph.forgotten), GraphConfig())
    np.testing.assert_array_equal(loaded.search(query_BD, 30), graph.search(query_BD, 30))
    loaded.forget(range(90, 120))
    assert loaded.live_rows == ROWS - 120
    (tmp_path / "torn").write_bytes((tmp_path / "g").read_bytes()[:5000])
    with pytest.raises(CatalogueCorrupt, match="cannot be read"):
        FrozenGraph.load(tmp_path / "torn", 32, set(), GraphConfig())


def test_threads_do_not_change_answers() -> None:
    """A batch that is shared by threads gives what one thread gives."""
    query_BD = unit_vectors(5, 64)
    np.testing.assert_array_equal(built(threads=2).search(query_BD, 50), built().search(query_BD, 50))
