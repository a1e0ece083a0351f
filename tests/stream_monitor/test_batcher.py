"""The batcher."""

from __future__ import annotations

import math

from stream_monitor.batcher import Batcher, BatcherConfig


def test_full_batches_leave_at_once_and_in_order() -> None:
    """A batch that is full does not wait, the rest does."""
    batcher: Batcher[int] = Batcher(BatcherConfig(size=3, deadline_s=1.0))
    for i in range(7):
        batcher.put(i, now_s=10.0)
    assert list(batcher.full()) == [[0, 1, 2], [3, 4, 5]]
    assert len(batcher) == 1
    assert list(batcher.full()) == []


def test_a_batch_runs_when_its_oldest_item_has_waited_long_enough() -> None:
    """The deadline belongs to the oldest item and takes the younger ones with it."""
    batcher: Batcher[str] = Batcher(BatcherConfig(size=3, deadline_s=1.0))
    assert batcher.due_s is None
    batcher.put("old", now_s=10.0)
    batcher.put("young", now_s=10.9)
    assert batcher.due_s == 11.0
    assert list(batcher.due(10.99)) == []
    assert list(batcher.due(11.0)) == [["old", "young"]]
    assert batcher.due_s is None


def test_an_endless_now_waits_for_nothing() -> None:
    """At time infinity everything is due."""
    batcher: Batcher[int] = Batcher()
    batcher.put(1, now_s=5.0)
    assert list(batcher.due(math.inf)) == [[1]]
    batcher.put(2, now_s=math.inf)
    assert list(batcher.due(math.inf)) == [[2]]
