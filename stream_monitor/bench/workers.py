"""Processes that render and draw; for one worker, this process. Knows nothing of the work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Here(Executor):
    """Does the work at once, where it is asked for."""

    def submit(self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(work(*arguments, **named))
        return future


def workers(count: int, *, initializer: Callable[[], Any] | None = None) -> Executor:
    """So many worker processes, each of which calls `initializer` first; one worker is the calling process itself."""
    if count == 1:
        return _Here()
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=initializer)
