"""The ordered score by trying every path: slow and obvious, the oracle of the fast one."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from stream_monitor.evidence import NO_PATH
from stream_monitor.window_score import PathConfig, step_range


def slow_ordered_score(normalised_MN: NDArray[np.float32], hops_M: NDArray[np.float64], config: PathConfig) -> float:
    """Best mean over all paths of the whole window."""
    chunks, rows = normalised_MN.shape
    edge = rows - config.edge_positions if rows > 2 * config.edge_positions else rows
    best = -np.inf
    for path in product(range(rows), repeat=chunks):
        total, stood, fits = 0.0, False, True
        for chunk, position in enumerate(path):
            total += float(normalised_MN[chunk, position]) - (config.edge_penalty if position >= edge else 0.0)
            if chunk == 0:
                continue
            step, hops = position - path[chunk - 1], float(hops_M[chunk])
            low, high = step_range(hops)
            stands = step == 0 and hops >= 0.75
            fits = fits and low <= step <= high and not (stands and stood)
            stood = stands
            total -= config.step_cost * abs(step - hops)
        if fits:
            best = max(best, total / chunks)
    return NO_PATH if best == -np.inf else best
