"""The classical baselines: chroma with optimal transposition, aligned, and Qmax on cross recurrence plots.

No network takes part. Chroma comes from the same sketch of constant-Q levels as all else. Qmax follows Serrà, Serra
and Andrzejak, "Cross recurrence quantification for cover song identification" (New Journal of Physics 11, 2009); the
only library that has it (Essentia) is under the AGPL, so it is written here and tested against a plain loop. It knows
nothing of datasets.

Legend: n sketch rows, N chroma frames, F bins (84), Q and R frames of a query and of a recording.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from encoder.sketch import SKETCH_STEP_DB

Float32Array = npt.NDArray[np.float32]

PITCH_CLASSES: Final = 12
ROWS: Final = 4
"""Sketch rows of a chroma frame: .37 s."""
EMBEDDED: Final = 9
"""m of the paper: frames that are compared as one."""
NEAREST: Final = 0.095
"""kappa of the paper: the share of nearest neighbours."""
ONSET_COST, EXTENSION_COST = 5.0, 0.5
"""gamma_o and gamma_e of the paper: what a disruption costs first, and each frame that it goes on."""
TRANSPOSITIONS: Final = 2
"""Best optimal transposition indices that are tried."""


def chroma(sketch_nF: npt.NDArray[np.uint8], rows: int = ROWS) -> Float32Array:
    """Chroma [N, 12] of a sketch: amplitudes of all octaves added, each frame's highest 1; zeros in silence."""
    frames = len(sketch_nF) // rows
    level_NF = sketch_nF[: frames * rows].astype(np.float32) * np.float32(SKETCH_STEP_DB)
    amplitude_NF = np.where(level_NF > 0, 10 ** ((level_NF - 100.0) / 20), 0.0).reshape(frames, rows, -1).mean(axis=1)
    folded_NP = np.sqrt(amplitude_NF).reshape(frames, -1, PITCH_CLASSES).sum(axis=1)
    top_N1 = folded_NP.max(axis=1, keepdims=True, initial=0.0)
    scaled_NP = np.divide(folded_NP, top_N1, out=np.zeros_like(folded_NP), where=top_N1 > 0)
    return np.asarray(scaled_NP, np.float32)


def centred(chroma_NP: Float32Array) -> Float32Array:
    """Chroma as rows that `alignment` compares: [N, 1, 12], mean 0 and unit norm, zeros where nothing stands out."""
    free_NP = chroma_NP - chroma_NP.mean(axis=1, keepdims=True)
    norm_N1 = np.linalg.norm(free_NP, axis=1, keepdims=True)
    return np.where(norm_N1 > 1e-3, free_NP / np.maximum(norm_N1, 1e-3), 0.0)[:, None, :].astype(np.float32)


def transpositions(query_QP: Float32Array, recording_RP: Float32Array, count: int = TRANSPOSITIONS) -> list[int]:
    """The likeliest transpositions of the query, by the product of mean chromas (optimal transposition index)."""
    query_P, recording_P = query_QP.mean(axis=0), recording_RP.mean(axis=0)
    gain_12 = np.array([np.roll(query_P, shift) @ recording_P for shift in range(PITCH_CLASSES)])
    return [int(shift) for shift in np.argsort(-gain_12, kind="stable")[:count]]


def qmax(query_QP: Float32Array, recording_RP: Float32Array) -> float:
    """Qmax of the better of the likeliest transpositions, over the square root of the recording's frames.

    0 where either side is shorter than the embedding.
    """
    if min(len(query_QP), len(recording_RP)) <= EMBEDDED:
        return 0.0
    recording_RE = _embedded(recording_RP)
    found = [
        longest_match(recurrences(_embedded(np.roll(query_QP, shift, axis=1)), recording_RE))
        for shift in transpositions(query_QP, recording_RP)
    ]
    return max(found) / float(np.sqrt(len(recording_RP)))


def recurrences(query_QE: Float32Array, recording_RE: Float32Array) -> npt.NDArray[np.bool_]:
    """Cross recurrence plot [Q, R]: frames that are among each other's nearest (a share `NEAREST` on either side)."""
    distance_QR = (
        (query_QE**2).sum(axis=1)[:, None] + (recording_RE**2).sum(axis=1)[None] - 2 * query_QE @ recording_RE.T
    )
    queries, recordings = distance_QR.shape
    row, column = max(1, round(NEAREST * recordings)), max(1, round(NEAREST * queries))
    near_Q1 = np.partition(distance_QR, row - 1, axis=1)[:, row - 1 : row]
    near_1R = np.partition(distance_QR, column - 1, axis=0)[column - 1 : column]
    found: npt.NDArray[np.bool_] = (distance_QR <= near_Q1) & (distance_QR <= near_1R)
    return found


@njit(cache=True, nogil=True)
def longest_match(recurrence_QR: npt.NDArray[np.bool_]) -> float:
    """Qmax: the greatest cumulative value of paths through a cross recurrence plot, disruptions at their cost."""
    queries, recordings = recurrence_QR.shape
    value = np.zeros((3, recordings + 2), np.float32)
    before = np.zeros((3, recordings + 2), np.bool_)
    best = 0.0
    for q in range(queries):
        here, up, above = q % 3, (q - 1) % 3, (q - 2) % 3
        for r in range(recordings):
            # Columns lie two to the right, so that what is left of the plot is 0.
            c = r + 2
            if recurrence_QR[q, r]:
                value[here, c] = 1.0 + max(value[up, c - 1], value[above, c - 1], value[up, c - 2])
            else:
                reached = 0.0
                for place, column in ((up, c - 1), (above, c - 1), (up, c - 2)):
                    cost = ONSET_COST if before[place, column] else EXTENSION_COST
                    reached = max(reached, value[place, column] - cost)
                value[here, c] = reached
            before[here, c] = recurrence_QR[q, r]
            best = max(best, value[here, c])
    return best


def _embedded(chroma_NP: Float32Array) -> Float32Array:
    """Each frame with the `EMBEDDED` - 1 that follow, as one vector."""
    count = len(chroma_NP) - EMBEDDED + 1
    return np.concatenate([chroma_NP[i : i + count] for i in range(EMBEDDED)], axis=1)
