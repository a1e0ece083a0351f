"""A few threads that share out work which lies in independent lines, the calling thread among them.

The other threads are there inside `with` only; outside of it, and with one worker, the caller does everything. It
knows nothing of what the work is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Team:
    """Does pieces of work, several at a time, and gives the results in the order of the pieces."""

    def __init__(self, workers: int) -> None:
        """Starts nothing.

        Args:
            workers: How many lines are worked on at a time, at least 1; one of the workers is the caller.
        """
        self._workers = workers
        self._helpers: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        """From here on there are helpers; each starts when it is first needed."""
        if self._workers > 1 and self._helpers is None:
            self._helpers = ThreadPoolExecutor(self._workers - 1, thread_name_prefix="team")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Lets the helpers go when they have done what they are at."""
        helpers, self._helpers = self._helpers, None
        if helpers is not None:
            helpers.shutdown(cancel_futures=True)

    def map(self, work: Callable[[T], R], pieces: Sequence[T], line: Callable[[T], Hashable]) -> list[R]:
        """The results of `work`, in the order of the pieces.

        Args:
            work: Called once for each piece, in any thread of the team.
            pieces: What there is to do.
            line: Pieces of one line are done one after the other, in the order given; lines need nothing of each other.

        Raises:
            Exception: What `work` raised, of several pieces the one that comes first. Nothing is begun after it, and
                nothing is being worked on any more when it is raised.
        """
        if self._helpers is None:
            return [work(piece) for piece in pieces]
        lines: dict[Hashable, list[int]] = {}
        for place, piece in enumerate(pieces):
            lines.setdefault(line(piece), []).append(place)
        results: dict[int, R] = {}
        errors: dict[int, Exception] = {}
        waiting = deque(lines.values())

        def take() -> None:
            while True:
                try:
                    places = waiting.popleft()
                except IndexError:
                    return
                for place in places:
                    if errors:
                        return
                    try:
                        results[place] = work(pieces[place])
                    except Exception as error:  # noqa: BLE001  raised below, in the caller's thread
                        errors[place] = error

        helping: list[Future[None]] = []
        try:
            for _ in range(min(self._workers, len(lines)) - 1):
                helping.append(self._helpers.submit(take))
            take()
        finally:
            waiting.clear()  # Ctrl-C may have come in the middle of the caller's piece
            wait(helping)
        for helper in helping:
            helper.result()
        if errors:
            raise errors[min(errors)]
        return [results[place] for place in range(len(pieces))]
