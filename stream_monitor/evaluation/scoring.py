"""Rankings of recordings for queries of each length, by every search that was asked for, and their scores.

The recording that a query was cut from is left out. Knows nothing of audio.

Legend: Q queries, R recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from encoder.training.ranking import interval, score_queries
from stream_monitor.evaluation.listening import HeardVersion, Piece
from stream_monitor.evaluation.searches import SLOW, Searcher

FULL = "full"
SCORES = {"map": "average_precision", "mr1": "rank_first", "top1": "top1", "top10": "top10"}
Float32Array = npt.NDArray[np.float32]


def score_lengths(
    heard: Sequence[HeardVersion],
    lengths_s: Sequence[float],
    *,
    searches: Sequence[str],
    neighbours: int,
    scanned: int,
    checked: int,
    related: int,
    slow_cuts: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Scores of each query length, and of whole recordings ("full").

    Args:
        heard: All recordings. Those of works that have another one are queries too.
        lengths_s: As they were cut.
        searches: Out of `searches.SEARCHES`.
        neighbours: K of the first stage.
        scanned: How many are scanned by `aligned`; 0 for those that the first stage names.
        checked: How many of the best are aligned.
        related: With how many others each of the best two is compared; 0: none.
        slow_cuts: Cuts of a length per recording that slow searches get.
        seed: Of the bootstrap.
        progress: Called with the number of lengths done.

    Returns:
        By length: `queries`, `recall` (the share of right recordings that the first stage named), and for each search
        its own `queries`, then map, mr1, top1 and top10 as mean, low and high, and `subsets`, mAP by subset.
    """
    clique_R = np.array([each.version.clique_id for each in heard])
    has_answer_R = (clique_R[:, None] == clique_R[None]).sum(axis=1) > 1
    result: dict[str, Any] = {}
    quick = [search for search in searches if search not in SLOW]
    slow = [search for search in searches if search in SLOW]
    recordings = [each.whole for each in heard]
    searcher = Searcher(recordings, neighbours=neighbours, scanned=scanned, checked=checked, related=related)
    with closing(searcher):
        for done, length_s in enumerate((*lengths_s, None), 1):
            every = _queries(heard, length_s, has_answer_R, None)
            if every[0]:
                found = _scored(heard, *every, clique_R, searcher, quick, seed)
                if slow:
                    some = _queries(heard, length_s, has_answer_R, slow_cuts)
                    found.update(_scored(heard, *some, clique_R, searcher, slow, seed))
                named_QR = searcher.named(every[0])
                right_QR = _right(every[1], clique_R)
                recall = float(named_QR[right_QR].mean())
                result[FULL if length_s is None else f"{length_s:g}"] = {
                    "queries": len(every[0]),
                    "recall": recall,
                    **found,
                }
            progress(done)
    return result


def _queries(
    heard: Sequence[HeardVersion], length_s: float | None, has_answer_R: npt.NDArray[np.bool_], limit: int | None
) -> tuple[list[Piece], npt.NDArray[np.int64]]:
    """Queries of one length, at most so many of a recording, and the places of the recordings they were cut from."""
    queries: list[Piece] = []
    sources: list[int] = []
    for place in np.flatnonzero(has_answer_R).tolist():
        cuts = [heard[place].whole] if length_s is None else heard[place].cuts[length_s][:limit]
        queries += cuts
        sources += [place] * len(cuts)
    return queries, np.array(sources, np.int64)


def _right(source_Q: npt.NDArray[np.int64], clique_R: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    """Which recordings are answers, [Q, R]."""
    right_QR: npt.NDArray[np.bool_] = clique_R[source_Q][:, None] == clique_R[None]
    right_QR[np.arange(len(source_Q)), source_Q] = False
    return right_QR


def _scored(
    heard: Sequence[HeardVersion],
    queries: Sequence[Piece],
    source_Q: npt.NDArray[np.int64],
    clique_R: npt.NDArray[np.str_],
    searcher: Searcher,
    searches: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Figures of each search; queries of one work are drawn together for the intervals."""
    right_QR = _right(source_Q, clique_R)
    works = clique_R[source_Q].tolist()
    subset_Q = np.array([heard[place].version.subset for place in source_Q.tolist()])
    found: dict[str, Any] = {}
    for search, table_QR in searcher.tables(queries, searches, source_Q).items():
        # The tables may be shared between searches.
        similarity_QR = table_QR.copy()
        similarity_QR[np.arange(len(queries)), source_Q] = -np.inf
        scores = score_queries(similarity_QR, right_QR)
        found[search] = {
            "queries": len(queries),
            **{name: asdict(interval(getattr(scores, field), works, seed=seed)) for name, field in SCORES.items()},
            "subsets": {
                subset: {
                    "queries": int((subset_Q == subset).sum()),
                    "map": float(scores.average_precision[subset_Q == subset].mean()),
                }
                for subset in sorted(set(subset_Q.tolist()) - {""})
            },
        }
    return found
