"""Queries against all recordings: every pair by MaxMean, and the two-stage search, scored side by side.

It knows nothing of audio. Source: ByteCover3 (Du et al., ICASSP 2023), sections 2.3 and 3.1: a query's own recording is
left out, a recording that no neighbour named has similarity 0.

Shapes: Q queries, R recordings, M embeddings of a query, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from encoder.training.evaluation import similarity_table
from encoder.training.ranking import interval, score_queries
from index.live import LiveIndex
from index.protocol import Index
from index.rows import EmbeddingRows
from stream_monitor.evaluation.listening import HeardVersion

Float32Array = npt.NDArray[np.float32]
FULL = "full"
SCORES = {"map": "average_precision", "mr1": "rank_first", "top1": "top1", "top10": "top10"}


def score_lengths(
    heard: Sequence[HeardVersion], lengths_s: Sequence[float], *, neighbours: int, seed: int
) -> dict[str, Any]:
    """Scores of each query length, and of whole recordings ("full").

    Args:
        heard: All recordings. Those of works that have another one are queries too.
        lengths_s: As they were cut.
        neighbours: K of the first stage.
        seed: Of the bootstrap.

    Returns:
        By length: `queries`, `exact` and `two_stage`, each with map, mr1, top1 and top10 as mean, low and high, and
        `recall`, the share of right recordings that the first stage named.
    """
    clique_R = np.array([each.version.clique_id for each in heard])
    has_answer_R = (clique_R[:, None] == clique_R[None]).sum(axis=1) > 1
    recordings = [each.embedding_ND for each in heard]
    result: dict[str, Any] = {}
    with closing(LiveIndex(EmbeddingRows(recordings[0].shape[1]))) as index:
        for key, embedding_ND in enumerate(recordings):
            index.add(key, embedding_ND)
        index.merge()
        for length_s in (*lengths_s, None):
            queries, source_Q = _queries(heard, length_s, has_answer_R)
            if queries:
                result[FULL if length_s is None else f"{length_s:g}"] = _scored(
                    queries, source_Q, recordings, clique_R, index, neighbours, seed
                )
    return result


def _queries(
    heard: Sequence[HeardVersion], length_s: float | None, has_answer_R: npt.NDArray[np.bool_]
) -> tuple[list[Float32Array], npt.NDArray[np.int64]]:
    """Queries of one length and the places of the recordings that they were cut from."""
    queries: list[Float32Array] = []
    sources: list[int] = []
    for place in np.flatnonzero(has_answer_R).tolist():
        cuts = [heard[place].embedding_ND] if length_s is None else heard[place].cuts[length_s]
        queries += cuts
        sources += [place] * len(cuts)
    return queries, np.array(sources, np.int64)


def _scored(
    queries: Sequence[Float32Array],
    source_Q: npt.NDArray[np.int64],
    recordings: Sequence[Float32Array],
    clique_R: npt.NDArray[np.str_],
    index: Index,
    neighbours: int,
    seed: int,
) -> dict[str, Any]:
    similarity_QR = similarity_table(queries, recordings)
    right_QR = clique_R[source_Q][:, None] == clique_R[None]
    named_QR = np.zeros(similarity_QR.shape, np.bool_)
    for q, query_MD in enumerate(queries):
        if len(query_MD):
            named_QR[q, index.neighbours(query_MD, k=neighbours).track_BK.ravel()] = True
    own_Q = (np.arange(len(queries)), source_Q)
    staged_QR = np.where(named_QR, similarity_QR, np.float32(0.0))
    similarity_QR[own_Q], staged_QR[own_Q], right_QR[own_Q] = -np.inf, -np.inf, False
    works = clique_R[source_Q].tolist()
    return {
        "queries": len(queries),
        "exact": _figures(similarity_QR, right_QR, works, seed),
        "two_stage": _figures(staged_QR, right_QR, works, seed),
        "recall": float(named_QR[right_QR].mean()),
    }


def _figures(
    similarity_QR: Float32Array, right_QR: npt.NDArray[np.bool_], works: Sequence[str], seed: int
) -> dict[str, Any]:
    """Means with intervals; queries of one work are drawn together."""
    scores = score_queries(similarity_QR, right_QR)
    return {name: asdict(interval(getattr(scores, field), works, seed=seed)) for name, field in SCORES.items()}
