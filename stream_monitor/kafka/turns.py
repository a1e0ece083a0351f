"""Whose turn it is at workers that all share: equal time for each, not equal numbers of jobs. It does no work itself.

    put → take → done

A job of some may take a thousand times as long as one of others. So who had less time comes first, and of several
workers nobody has two more than another who waits. Who was away has saved nothing up.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Job = TypeVar("Job")


@dataclass(kw_only=True, slots=True)
class _Side(Generic[Job]):
    waiting: deque[Job] = field(default_factory=deque)
    running: int = 0
    used_s: float = 0.0


class Turns(Generic[Job]):
    """Jobs that wait, each side's in order. Any thread may ask."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._sides: dict[str, _Side[Job]] = {}
        self._reached_s = 0.0
        """What the side whose turn was last had used until then."""
        self._lock = threading.Lock()

    def put(self, whose: str, job: Job) -> None:
        """A job of a side waits from now on."""
        with self._lock:
            side = self._sides.setdefault(whose, _Side())
            if not side.waiting and not side.running:
                side.used_s = max(side.used_s, self._reached_s)
            side.waiting.append(job)

    def take(self) -> tuple[str, Job]:
        """The next job and whose it is; `done` is called after it.

        Raises:
            LookupError: None waits.
        """
        with self._lock:
            waiting = [(side.running, side.used_s, name) for name, side in self._sides.items() if side.waiting]
            if not waiting:
                raise LookupError("no job waits")
            _, self._reached_s, whose = min(waiting)
            self._sides[whose].running += 1
            return whose, self._sides[whose].waiting.popleft()

    def done(self, whose: str, seconds: float) -> None:
        """A job of a side has been done, or was left.

        Args:
            whose: As `take` said.
            seconds: How long it took.
        """
        with self._lock:
            self._sides[whose].running -= 1
            self._sides[whose].used_s += seconds

    def clear(self) -> list[Job]:
        """Nothing waits any more; what did."""
        with self._lock:
            left = [job for side in self._sides.values() for job in side.waiting]
            for side in self._sides.values():
                side.waiting.clear()
            return left
