"""How many processes watch, and which sources each of them gets. It starts none and opens nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from stream_monitor.config import Config
from stream_monitor.sources import Source

LEAST_SOURCES = 4
"""For fewer sources a process of their own is not worth the seconds and the memory that it takes to start."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_count(sources: Sequence[Source], config: Config, cores: int) -> int:
    """How many processes watch these sources.

    One where standard input is read, which no other process has, and where a GPU computes, whose batches are better
    filled by one. Else as many as the configuration says; by default one for each core that has `LEAST_SOURCES`.
    """
    if any(source.medium == "stdin" for source in sources):
        return 1
    if config.processes is not None:
        return max(1, min(config.processes, len(sources)))
    if config.encoder.device != "cpu":
        return 1
    return max(1, min(cores, len(sources) // LEAST_SOURCES))


def shares(sources: Sequence[Source], processes: int) -> list[list[Source]]:
    """The sources of each process, in their order: every file to whoever has least to read so far, the largest first.

    Live sources go on for ever; each counts as much as the next and they are dealt out first.
    """
    sizes = {source.stream_id: math.inf if source.medium != "file" else _size(source) for source in sources}
    owner: dict[str, int] = {}
    live, load = [0] * processes, [0.0] * processes
    for source in sorted(sources, key=lambda each: -sizes[each.stream_id]):
        least = min(range(processes), key=lambda n: (live[n], load[n]))
        owner[source.stream_id] = least
        if math.isinf(sizes[source.stream_id]):
            live[least] += 1
        else:
            load[least] += sizes[source.stream_id] + 1
    return [[each for each in sources if owner[each.stream_id] == n] for n in range(processes)]


def share_of_threads(config: Config, processes: int) -> Config:
    """The configuration of one of so many processes: its share of the threads, at least one of each kind."""
    pipeline = config.pipeline.model_copy(update={"workers": max(1, config.pipeline.workers // processes)})
    decoding = max(1, math.ceil(config.monitor.decode_threads / processes))
    monitor = config.monitor.model_copy(update={"decode_threads": decoding})
    return config.model_copy(update={"pipeline": pipeline, "monitor": monitor})


def _size(source: Source) -> int:
    """Bytes of a file; 0 where there is none, which is told when it is opened."""
    try:
        return Path(source.location).stat().st_size
    except OSError:
        return 0
