"""Many readers or one writer, with a deadline: queries hold the gate open, a removal or a swap waits for them to pass.

A waiting writer goes before readers that come later, so a stream of queries cannot keep it out. Not reentrant. Knows
nothing of what it guards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from index.errors import IndexBusy

GATE_TIMEOUT_S = 60.0
"""Queries hold the gate for milliseconds, the copy of a large graph for a second: longer means that a thread hangs."""


class Gate:
    """A readers-writer lock that raises ``IndexBusy`` instead of waiting for ever."""

    def __init__(self, timeout_s: float = GATE_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the gate together with other readers."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._writing and not self._writers_waiting, self._timeout_s):
                raise IndexBusy(f"no reading for {self._timeout_s:g} s: another thread is changing the index")
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the gate alone."""
        with self._changed:
            self._writers_waiting += 1
            try:
                if not self._changed.wait_for(lambda: not self._writing and not self._readers, self._timeout_s):
                    raise IndexBusy(f"no writing for {self._timeout_s:g} s: other threads are using the index")
                self._writing = True
            finally:
                self._writers_waiting -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
