"""Guesses the chords under a song from its notes, so that a cover can be given another accompaniment. Compiled.

Knows nothing of sound. Chords are major and minor triads: a rough guess is enough, since it only has to be the same
rough guess for all versions of a song.

Shapes: N notes, S steps of the grid, K chords (24: major 0 to 11, minor 12 to 23).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from encoder.training.notes import MELODY, STEM, Song

Array = NDArray[np.float32]

CHORDS = 24
_STEP_S = 0.5


def triads() -> Array:
    """Weights [24, 12] of the pitch classes of each triad; tones outside cost."""
    rows = np.full((CHORDS, 12), -0.35, np.float32)
    for root in range(12):
        for minor in range(2):
            for interval, weight in ((0, 1.1), (3 if minor else 4, 0.9), (7, 1.0)):
                rows[root + 12 * minor, (root + interval) % 12] = weight
    return rows


@njit(cache=True)
def _chroma(notes_N5: Array, edges_s: Array, melody_weight: float) -> Array:
    steps = len(edges_s) - 1
    chroma_SP = np.zeros((steps, 12), np.float32)
    for n in range(len(notes_N5)):
        start, stop = notes_N5[n, 0], notes_N5[n, 0] + notes_N5[n, 1]
        pitch = int(notes_N5[n, 2])
        weight = melody_weight if notes_N5[n, 4] == 0 else (1.5 if pitch < 50 else 1.0)
        s = max(0, np.searchsorted(edges_s, start, side="right") - 1)
        while s < steps and edges_s[s] < stop:
            overlap = min(stop, edges_s[s + 1]) - max(start, edges_s[s])
            chroma_SP[s, pitch % 12] += weight * max(0.0, overlap)
            s += 1
    for s in range(steps):
        total = chroma_SP[s].sum()
        if total > 0:
            chroma_SP[s] /= total
    return chroma_SP


@njit(cache=True)
def _viterbi(score_SK: Array, change: float) -> NDArray[np.int64]:
    steps, chords = score_SK.shape
    best = score_SK[0].copy()
    back = np.zeros((steps, chords), np.int64)
    for s in range(1, steps):
        top = int(np.argmax(best))
        fresh = best[top] - change
        for k in range(chords):
            if best[k] >= fresh:
                back[s, k] = k
            else:
                best[k] = fresh
                back[s, k] = top
        best += score_SK[s]
    path = np.zeros(steps, np.int64)
    path[-1] = int(np.argmax(best))
    for s in range(steps - 1, 0, -1):
        path[s - 1] = back[s, path[s]]
    return path


def chord_segments(song: Song) -> Array:
    """Chords of a song as float32 [n, 4]: start s, end s, root (0 = C), minor (0 or 1); empty without notes."""
    notes_N5 = song.notes_N5
    if len(notes_N5) == 0:
        return np.zeros((0, 4), np.float32)
    end_s = song.duration_s
    if song.beats_s is not None and len(song.beats_s) > 8:
        edges_s = song.beats_s.astype(np.float32)
        if edges_s[-1] < end_s:
            edges_s = np.append(edges_s, np.float32(end_s))
    else:
        edges_s = np.arange(0.0, end_s + _STEP_S, _STEP_S, dtype=np.float32)
    alone = not bool((notes_N5[:, STEM] != MELODY).any())
    chroma_SP = _chroma(notes_N5, edges_s, 1.0 if alone else 0.35)
    # A lone melody says less about each beat, so its chords change more slowly.
    path = _viterbi(np.ascontiguousarray(chroma_SP @ triads().T), 1.2 if alone else 0.6)
    cuts = np.flatnonzero(np.diff(path)) + 1
    starts = np.concatenate(([0], cuts))
    stops = np.concatenate((cuts, [len(path)]))
    chord = path[starts]
    return np.stack((edges_s[starts], edges_s[stops], chord % 12, chord // 12), axis=1).astype(np.float32)
