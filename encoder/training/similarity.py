"""Which works share a melody: n-grams of intervals and duration ratios, the same in every key and tempo.

A gram is eight successive intervals of the melody stem with the seven coarse ratios of the times between them. Works
that share enough of the smaller one's grams form a group (union-find). Knows nothing of splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from encoder.training.notes import MELODY, ONSET, PITCH, Song, stem

INTERVALS = 8
MIN_DISTINCT = 4
"""Grams with fewer distinct intervals (scales, repeated notes) say nothing about a work."""
CHORD_S = 0.03
COMMON = 40
"""Grams in more works than this are idioms and are not counted."""
MIN_SHARED = 8


def melody_grams(song: Song, intervals: int = INTERVALS) -> frozenset[int]:
    """Hashes of the melody's n-grams, the same in every key and at every tempo."""
    melody_N5 = stem(song.notes_N5, MELODY)
    onset_s, pitch = _top_line(melody_N5[:, ONSET].astype(np.float64), melody_N5[:, PITCH].astype(np.int64))
    if len(pitch) < intervals + 1:
        return frozenset()
    step = np.clip(np.diff(pitch), -18, 18) + 20
    between_s = np.diff(onset_s)
    ratio = np.clip(np.rint(np.log2(between_s[1:] / between_s[:-1])), -2, 2).astype(np.int64) + 3
    grams = set()
    for at in range(len(step) - intervals + 1):
        here = step[at : at + intervals]
        if len(set(here.tolist())) >= MIN_DISTINCT:
            grams.add(hash((tuple(here.tolist()), tuple(ratio[at : at + intervals - 1].tolist()))))
    return frozenset(grams)


def shared_pairs(
    grams: Mapping[str, frozenset[int]], *, minimum: int = MIN_SHARED, common: int = COMMON
) -> list[tuple[str, str, float]]:
    """Pairs of works with at least `minimum` grams in common, and the share of the smaller work's grams."""
    works: dict[int, list[str]] = defaultdict(list)
    for work_id in sorted(grams):
        for gram in grams[work_id]:
            works[gram].append(work_id)
    shared: Counter[tuple[str, str]] = Counter()
    for holders in works.values():
        if 1 < len(holders) <= common:
            for index, first in enumerate(holders):
                for second in holders[index + 1 :]:
                    shared[first, second] += 1
    return [
        (first, second, count / min(len(grams[first]), len(grams[second])))
        for (first, second), count in sorted(shared.items())
        if count >= minimum
    ]


def merge(work_ids: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Group of each work: the first work_id (in sorted order) of all that are joined by pairs."""
    parent = {work_id: work_id for work_id in work_ids}

    def root(work_id: str) -> str:
        while parent[work_id] != work_id:
            parent[work_id] = parent[parent[work_id]]
            work_id = parent[work_id]
        return work_id

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return {work_id: root(work_id) for work_id in work_ids}


def _top_line(onset_s: NDArray[np.float64], pitch: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Onsets and pitches of the highest notes; notes within `CHORD_S` count as one chord."""
    times: list[float] = []
    tops: list[int] = []
    for at, key in zip(onset_s.tolist(), pitch.tolist(), strict=True):
        if times and at - times[-1] < CHORD_S:
            tops[-1] = max(tops[-1], key)
        else:
            times.append(at)
            tops.append(key)
    return np.array(times), np.array(tops, np.int64)
