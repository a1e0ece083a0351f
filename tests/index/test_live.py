"""The live index while several threads use it, and the switch between graph and scan."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from index.errors import IndexClosed
from index.exact import ExactIndex
from index.hnsw import GraphConfig
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.rows import EmbeddingRows
from tests.index.recordings import unit_vectors

DIMENSIONS = 32


def live(config: LiveConfig) -> LiveIndex:
    """An empty live index."""
    return LiveIndex(EmbeddingRows(DIMENSIONS), config=config)


def test_queries_adds_removals_and_merges_at_once() -> None:
    """While threads add, remove and merge, every query gives K live rows, best first, and none removed before it."""
    index = live(LiveConfig(min_graph_rows=64, merge_rows=64, merge_share=0, rebuild_share=0.3))
    for key in range(40):
        index.add(key, unit_vectors(key, 4))
    removed: set[int] = set()
    done = threading.Event()
    failures: list[str] = []

    def change() -> None:
        for key in range(40, 400):
            index.add(key, unit_vectors(key, 4))
            if key % 2:
                index.remove(key - 35)
                removed.add(key - 35)
        done.set()

    def ask(seed: int) -> None:
        query_BD = unit_vectors(seed, 6)
        while not done.is_set():
            before = frozenset(removed)
            found = index.neighbours(query_BD, 50)
            if found.track_BK.shape != (6, 50):
                failures.append(f"shape {found.track_BK.shape}")
            if before & set(found.track_BK.ravel().tolist()):
                failures.append("a removed track was found")
            if np.any(np.diff(found.similarity_BK, axis=1) > 0):
                failures.append("not best first")
            rows = list(zip(found.track_BK[0].tolist(), found.position_BK[0].tolist(), strict=True))
            if len(set(rows)) != len(rows):
                failures.append("a row was found twice")
            for key, block in zip(range(10), index.similarities(query_BD, list(range(10))), strict=True):
                if block.shape[1] not in ((0,) if key in before else (0, 4)):
                    failures.append(f"track {key} has {block.shape[1]} columns")

    def guarded(work: threading.Thread) -> threading.Thread:
        work.start()
        return work

    threads = [guarded(threading.Thread(target=ask, args=(seed,))) for seed in (1, 2)]
    changer = guarded(threading.Thread(target=change))
    for thread in (changer, *threads):
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []
    assert index.merge()
    stats = index.stats
    assert stats.extensions + stats.rebuilds >= 2
    exact = ExactIndex(dimensions=DIMENSIONS)
    for key in range(400):
        if key not in removed:
            exact.add(key, unit_vectors(key, 4))
    query_BD = unit_vectors(7, 30)
    mine, theirs = index.neighbours(query_BD, 20), exact.neighbours(query_BD, 20)
    hits = [len(set(a) & set(b)) / 20 for a, b in zip(mine.track_BK.tolist(), theirs.track_BK.tolist(), strict=True)]
    assert np.mean(hits) > 0.95
    index.close()


def test_a_merge_that_runs_while_rows_go_does_not_bring_them_back() -> None:
    """Tracks removed between the beginning of a merge and its swap stay removed."""
    index = live(LiveConfig(min_graph_rows=8, background=False))
    for key in range(200):
        index.add(key, unit_vectors(key, 3))

    keys = iter(range(11, 99))

    def remove_some(done: int, rows: int) -> None:
        key = next(keys)
        index.remove(key)
        index.add(1000 + key, unit_vectors(key, 3))

    assert index.merge(remove_some)
    assert index.stats.forgotten_rows > 0
    found = index.neighbours(np.concatenate([unit_vectors(10 + number, 1) for number in (1, 2)]), 3)
    assert found.track_BK[:, 0].tolist() == [1011, 1012]
    assert not {11, 12} & set(found.track_BK.ravel().tolist())
    index.close()


def test_few_or_mostly_removed_rows_are_scanned() -> None:
    """Below min_graph_rows, and where most of a graph was removed, answers are exact and have K rows."""
    index = live(LiveConfig(min_graph_rows=30, min_live_share=0.5, background=False))
    exact = ExactIndex(dimensions=DIMENSIONS)
    for key in range(100):
        for each in (index, exact):
            each.add(key, unit_vectors(key, 2))
    assert index.merge()
    query_BD = unit_vectors(5, 4)
    for key in range(97):
        index.remove(key)
        exact.remove(key)
        mine, theirs = index.neighbours(query_BD, 50), exact.neighbours(query_BD, 50)
        assert mine.track_BK.shape == theirs.track_BK.shape == (4, min(50, len(exact)))
        if len(exact) < 100:
            np.testing.assert_array_equal(mine.track_BK, theirs.track_BK)
    assert index.stats.scans_for_want_of_links == 0
    index.close()


def test_the_same_calls_give_the_same_graph() -> None:
    """Two indexes with one history give identical answers, graph included."""
    answers = []
    for _ in range(2):
        index = live(LiveConfig(graph=GraphConfig(links=4, ef_construction=16, ef_search=64), background=False))
        for key in range(9000):
            index.add(key, unit_vectors(key % 3000 + 5000 * (key // 3000), 1))
            if key in (8500, 8800):
                index.merge()
        assert index.stats.extensions == 1
        answers.append(index.neighbours(unit_vectors(3, 20), 50))
        index.close()
    np.testing.assert_array_equal(answers[0].track_BK, answers[1].track_BK)
    np.testing.assert_array_equal(answers[0].similarity_BK, answers[1].similarity_BK)


def test_no_thread_before_there_is_something_to_merge() -> None:
    """Making an index and adding a little starts no thread; a merge that is due does, and it ends by itself."""
    before = threading.active_count()
    index = live(LiveConfig(min_graph_rows=50, merge_rows=10))
    for key in range(10):
        index.add(key, unit_vectors(key, 4))
    assert threading.active_count() == before
    for key in range(10, 20):
        index.add(key, unit_vectors(key, 4))
    index.merge()
    index.close()
    assert threading.active_count() == before
    assert index.stats.graph_rows == 80


def test_closing_stops_a_merge_and_refuses_what_comes_later() -> None:
    """A merge that is running when the index is closed ends early and leaves the old graph."""
    index = live(LiveConfig(min_graph_rows=8, background=False))
    for key in range(300):
        index.add(key, unit_vectors(key, 4))
    assert not index.merge(lambda done, rows: index.close())
    assert index.stats.stopped_merges == 1
    assert index.stats.graph_rows == 0
    for call in (
        lambda: index.add(999, unit_vectors(1, 1)),
        lambda: index.remove(1),
        lambda: index.neighbours(unit_vectors(1, 1)),
        lambda: index.similarities(unit_vectors(1, 1), [1]),
        index.merge,
    ):
        with pytest.raises(IndexClosed, match="closed"):
            call()
