"""A list of recordings made ready to train on: each heard once into the cache, some works held out for scores.

Knows nothing of CSV files or audio formats: whoever asks brings the rows and the function that hears a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.grid import MIN_SAMPLES, SAMPLE_RATE
from encoder.training.cqt_cache import CqtCache, file_key
from encoder.training.recorded_versions import RecordedClique

Array = NDArray[np.float32]
Hear = Callable[[Path], Array]
"""From a file to samples [S] at 22,050 Hz; raises what `unheard` of `gather` names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRecording:
    """One row of the list."""

    clique: str
    name: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A recording that cannot be used."""

    name: str
    reason: str


def gather(
    rows: Sequence[ListedRecording],
    cache: CqtCache,
    hear: Hear,
    *,
    unheard: tuple[type[Exception], ...] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[list[RecordedClique], list[Failure]]:
    """Works with the recordings that can be heard, in the order of the list, and what cannot.

    Args:
        rows: The list.
        cache: Where CQTs are kept.
        hear: Hears a file.
        unheard: What `hear` raises where one file is at fault: it is left out, the rest carries on.
        progress: Called with the number of rows done.
    """
    found: dict[str, list[tuple[str, NDArray[np.float16]]]] = {}
    failures: list[Failure] = []
    faults: tuple[type[Exception], ...] = (TrainingDataError, *unheard)
    for done, row in enumerate(rows, 1):
        try:
            cqt_FC = cache.get(file_key(row.path), partial(_heard, hear, row.path))
        except faults as error:
            failures.append(Failure(name=row.name, reason=str(error)))
        else:
            found.setdefault(row.clique, []).append((row.name, cqt_FC))
        progress(done)
    works = [
        RecordedClique(
            name=clique,
            recordings=tuple(name for name, _ in members),
            cqts=tuple(cqt_FC for _, cqt_FC in members),
        )
        for clique, members in found.items()
    ]
    return works, failures


def hold_out(works: Sequence[RecordedClique], share: float) -> tuple[list[RecordedClique], list[RecordedClique]]:
    """Works to train on and works to score on: the same for the same names, whatever else is in the list.

    Only works with two recordings can be scored; at least two of them are.

    Raises:
        TrainingDataError: There are too few works.
    """

    def place(work: RecordedClique) -> float:
        return int.from_bytes(hashlib.sha256(work.name.encode()).digest()[:8], "big") / 2**64

    able = sorted((work for work in works if len(work.cqts) > 1), key=place)
    wanted = max(2, sum(place(work) < share for work in able))
    if len(able) < wanted or len(works) - wanted < 2:
        raise TrainingDataError(
            f"{len(works)} works, {len(able)} of them with two recordings that can be heard; training needs at least "
            "four works, two of them with two recordings"
        )
    held = {work.name for work in able[:wanted]}
    return [work for work in works if work.name not in held], able[:wanted]


def _heard(hear: Hear, path: Path) -> Array:
    wave_S = hear(path)
    if len(wave_S) < MIN_SAMPLES:
        raise TrainingDataError(f"{path}: only {len(wave_S) / SAMPLE_RATE:.1f} s of audio; at least 6 s are needed")
    return wave_S
