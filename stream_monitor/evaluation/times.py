"""What a query costs: the paper's table 2 (preprocess, inference, retrieval) on this machine, for indexes of any size.

The index holds the dataset's own embeddings first and is filled up with embeddings of other music. Retrieval compares
two ways: MaxMean with every track (all pairs), and the K nearest neighbours of each chunk, then MaxMean with the tracks
that these name (two stages). Times are wall time of one query after another; spread over queries as the paper's.

Legend: Q queries, M chunks of a query, N embeddings of a track, D embedding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from encoder.grid import CHUNK_SAMPLES, SAMPLE_RATE
from index.exact import ExactIndex
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.maxmean import window_scores_table
from index.protocol import Index
from index.rows import EmbeddingRows
from stream_monitor.collaborators import EncoderLike
from stream_monitor.evaluation.listening import frames_of_samples

Float32Array = npt.NDArray[np.float32]
Given = TypeVar("Given")

QUERIES: Final = 32
"""Queries that are timed; all of them are asked once before, so that nothing is compiled or read within a time."""


def time_queries(
    encoder: EncoderLike,
    waves: Sequence[Float32Array],
    tracks: Sequence[Float32Array],
    others: Iterator[Float32Array],
    *,
    sizes: Sequence[int],
    neighbours: int,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Times queries of 20 s.

    Args:
        encoder: Hears and embeds.
        waves: Samples [S] of recordings; the first 20 s of each is a query.
        tracks: Embeddings [N, D] of the dataset's recordings.
        others: Embeddings of further music, without end.
        sizes: How many embeddings the index is to hold; fewer than the dataset has are left out.
        neighbours: K of the first stage.
        progress: Called with the embeddings that the index holds.

    Returns:
        `queries`, `preprocess_ms` and `inference_ms` (mean and sd), and `indexes`, for each size `embeddings`,
        `tracks`, `build_s`, `all_pairs_ms` and `two_stage_ms` (mean and sd), `recall`, the share of the true K nearest
        embeddings that the first stage gave, and `total_ms`, what a query costs in two stages from samples to ranking.
    """
    cuts = [wave_S[:CHUNK_SAMPLES] for wave_S in waves if len(wave_S) >= CHUNK_SAMPLES][:QUERIES]
    for cut in cuts[:2]:
        encoder.embed(frames_of_samples(encoder, cut))
    preprocess, inference, queries = [], [], []
    for cut in cuts:
        spent, chunks = _timed(partial(frames_of_samples, encoder, cut))
        preprocess.append(spent)
        spent, found = _timed(partial(encoder.embed, chunks))
        inference.append(spent)
        if found.sounding_B.any():
            queries.append(found.embedding_BD[found.sounding_B])
    rows = EmbeddingRows(tracks[0].shape[1])
    quick = LiveIndex(rows, config=LiveConfig(min_graph_rows=1, background=False))
    result: dict[str, Any] = {
        "query_s": CHUNK_SAMPLES / SAMPLE_RATE,
        "queries": len(queries),
        "preprocess_ms": _spread(preprocess),
        "inference_ms": _spread(inference),
        "indexes": [],
    }
    with closing(quick):
        for key, track_ND in enumerate(tracks):
            quick.add(key, track_ND)
        keys = len(tracks)
        for size in sorted({max(size, len(quick)) for size in sizes}):
            while len(quick) < size:
                quick.add(keys, next(others)[: size - len(quick)])
                keys += 1
                if keys % 1000 == 0:
                    progress(len(quick))
            build_s, _ = _timed(quick.merge)
            row = _retrieval(queries, quick, ExactIndex(rows), list(range(keys)), neighbours)
            total = result["preprocess_ms"]["mean"] + result["inference_ms"]["mean"] + row["two_stage_ms"]["mean"]
            result["indexes"].append(
                {"embeddings": len(quick), "tracks": keys, "build_s": build_s / 1e3, **row, "total_ms": total}
            )
            progress(len(quick))
    return result


def _retrieval(
    queries: Sequence[Float32Array], quick: LiveIndex, exact: ExactIndex, keys: list[int], neighbours: int
) -> dict[str, Any]:
    every, staged, recalls = [], [], []
    for warm in (True, False):
        for query_MD in queries[:2] if warm else queries:
            all_ms, _ = _timed(partial(_scores, exact, query_MD, keys))
            two_ms, named = _timed(partial(_two_stages, quick, query_MD, neighbours))
            if warm:
                continue
            every.append(all_ms)
            staged.append(two_ms)
            truth = exact.neighbours(query_MD, neighbours)
            right = set(zip(truth.track_BK.ravel().tolist(), truth.position_BK.ravel().tolist(), strict=True))
            recalls.append(len(right & named) / len(right))
    return {"all_pairs_ms": _spread(every), "two_stage_ms": _spread(staged), "recall": float(np.mean(recalls))}


def _two_stages(index: Index, query_MD: Float32Array, neighbours: int) -> set[tuple[int, int]]:
    found = index.neighbours(query_MD, neighbours)
    _scores(index, query_MD, np.unique(found.track_BK).tolist())
    return set(zip(found.track_BK.ravel().tolist(), found.position_BK.ravel().tolist(), strict=True))


def _scores(index: Index, query_MD: Float32Array, keys: list[int]) -> Float32Array:
    """MaxMean of the whole query with each track, ranked."""
    table = index.similarity_table(query_MD, keys)
    score_T: Float32Array = window_scores_table(table.value_MR, table.offset_T1)[:, -1]
    return score_T[np.argsort(-score_T)]


def _timed(call: Callable[[], Given]) -> tuple[float, Given]:
    """Wall milliseconds of a call, and what it gave."""
    before = time.perf_counter()
    given = call()
    return 1e3 * (time.perf_counter() - before), given


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 3), "sd": round(float(np.std(values)), 3)}
