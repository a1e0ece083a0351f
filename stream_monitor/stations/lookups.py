"""Threads for name servers, which nobody can interrupt: a stop does not wait for them. It knows nothing of names."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Lookups(ThreadPoolExecutor):
    """As many daemon threads as there is work for, at most so many; the base class joins its own at the exit.

    An event loop takes no other class for its default executor.
    """

    def __init__(self, limit: int) -> None:
        """Starts no thread yet."""
        super().__init__(1)
        self._limit = limit
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._count = threading.Lock()
        self._running = 0
        self._wanted = 0
        """Work that nobody has finished."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Has it called by one of the threads."""
        future: Future[Any] = Future()
        self._work.put((future, lambda: function(*arguments, **named)))
        with self._count:
            self._wanted += 1
            if self._running < min(self._wanted, self._limit):
                self._running += 1
                threading.Thread(target=self._serve, name="lookup", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves threads that still wait for an answer to themselves."""
        super().shutdown(wait=False)

    def _serve(self) -> None:
        while True:
            future, call = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except Exception as error:  # noqa: BLE001  it is the caller's, as in every executor
                    future.set_exception(error)
            with self._count:
                self._wanted -= 1
