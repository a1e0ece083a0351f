"""Wall and CPU time by stage; a stage inside another one is taken out of it. Knows nothing of the stages."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """Seconds; CPU is that of all threads of the process."""

    wall_s: float
    cpu_s: float


@dataclass(kw_only=True, slots=True)
class Stopwatch:
    """One running stage at a time; call it from one thread."""

    _wall_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _cpu_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _running: list[str] = field(default_factory=list)
    _since: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time of the context for `name`, and not for the stage around it."""
        self._turn()
        self._running.append(name)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def spent(self) -> dict[str, Spent]:
        """What each stage has taken so far, in the order in which they first ended."""
        return {name: Spent(wall_s=self._wall_s[name], cpu_s=self._cpu_s[name]) for name in self._wall_s}

    def _turn(self) -> None:
        now = (time.perf_counter(), time.process_time())
        if self._running:
            self._wall_s[self._running[-1]] += now[0] - self._since[0]
            self._cpu_s[self._running[-1]] += now[1] - self._since[1]
        self._since = now
