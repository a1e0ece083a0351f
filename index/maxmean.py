"""MaxMean, the score of a query window against a track. Knows nothing of where similarities come from.

For each chunk of the side with fewer embeddings, the best similarity on the other side; then the mean of these. The
query comes first on a tie. Source: ByteCover3 (Du et al., ICASSP 2023), the local alignment of section 2.

Legend: M query chunks, N track embeddings, R rows of several tracks side by side, T tracks, D dimensions.
"""

from __future__ import annotations

import numba
import numpy as np

from index.kernels import pair_similarities
from index.protocol import Float32Array, Int64Array


def max_mean(query_MD: Float32Array, track_ND: Float32Array) -> float:
    """MaxMean of a query window and a track.

    Args:
        query_MD: Unit vectors, float32 [M, D].
        track_ND: Unit vectors, float32 [N, D].

    Returns:
        A cosine from -1 to 1; 0 where one side is empty.
    """
    return max_mean_of(pair_similarities(query_MD, track_ND))


def max_mean_of(similarity_MN: Float32Array) -> float:
    """MaxMean from the similarities [M, N] of a query window and a track; 0 where one side is empty."""
    queries, rows = similarity_MN.shape
    if queries == 0 or rows == 0:
        return 0.0
    best = similarity_MN.max(axis=1) if queries <= rows else similarity_MN.max(axis=0)
    return float(best.mean(dtype=np.float64))


def window_scores(similarity_MN: Float32Array) -> Float32Array:
    """MaxMean of every suffix window of one track: entry m - 1 is the score of the last m chunks, float32 [M]."""
    offset_T1 = np.array([0, similarity_MN.shape[1]], dtype=np.int64)
    scores: Float32Array = window_scores_table(np.ascontiguousarray(similarity_MN), offset_T1)[0]
    return scores


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba has no types
def window_scores_table(value_MR: Float32Array, offset_T1: Int64Array) -> Float32Array:
    """MaxMean of every suffix window of every track of a ``SimilarityTable``: float32 [T, M].

    Entry [t, m - 1] equals ``max_mean_of`` of the last m rows of track t; 0 for a track without columns.
    """
    chunks = value_MR.shape[0]
    tracks = offset_T1.shape[0] - 1
    score_TM = np.zeros((tracks, chunks), dtype=np.float32)
    for track in range(tracks):
        start, stop = offset_T1[track], offset_T1[track + 1]
        rows = stop - start
        if rows == 0:
            continue
        column_best = np.full(rows, -np.inf, dtype=np.float32)
        row_sum = 0.0
        for window in range(1, chunks + 1):
            row_best = -np.inf
            for column in range(rows):
                value = value_MR[chunks - window, start + column]
                if value > row_best:
                    row_best = value
                if value > column_best[column]:
                    column_best[column] = value
            row_sum += row_best
            if window <= rows:
                score_TM[track, window - 1] = row_sum / window
            else:
                total = 0.0
                for column in range(rows):
                    total += column_best[column]
                score_TM[track, window - 1] = total / rows
    return score_TM
