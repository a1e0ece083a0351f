"""Ways to search the recordings of a dataset, each as a table of similarities. Knows nothing of works or scores.

exact      MaxMean of every pair (Du et al., eq. 1 and 2)
two_stage  MaxMean of those that the K nearest neighbours of any chunk name, 0 for all others
aligned    by `version_rank`, as `identify` does: a wide first stage scanned, the best of it aligned and expanded
whole      cosine of one embedding for each whole piece, as ByteCover2's
chroma     no network: local alignment of chroma at the best transposition
qmax       no network: Qmax (Serra et al., 2009)

Legend: Q queries, R recordings, N chunks, D embedding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import numpy.typing as npt

from encoder.tonal import Features, features
from encoder.training.evaluation import similarity_table
from index.live import LiveIndex
from index.rows import EmbeddingRows
from stream_monitor.alignment import strength_of, strengths
from stream_monitor.evaluation import chroma
from stream_monitor.evaluation.listening import Piece
from stream_monitor.version_rank import best_versions, thinned, worth_aligning

Float32Array = npt.NDArray[np.float32]
SEARCHES = ("exact", "two_stage", "aligned", "whole", "chroma", "qmax")
SLOW = ("aligned", "chroma", "qmax")
"""Those that compare pair by pair."""
CHROMA_ROWS = 2
"""Sketch rows of a chroma frame that is aligned: .19 s."""


class Searcher:
    """The recordings, ready to be searched; close it when done."""

    def __init__(
        self,
        recordings: Sequence[Piece],
        *,
        neighbours: int,
        scanned: int,
        checked: int,
        related: int,
        threads: int = 0,
    ) -> None:
        """Indexes them.

        Args:
            recordings: What is searched.
            neighbours: K of the first stage.
            scanned: How many `aligned` scans; 0 for those only that the first stage names.
            checked: How many of the best it aligns.
            related: With how many others it compares each of the best two; 0: none.
            threads: For slow searches; 0: all cores.
        """
        self._recordings = recordings
        self._neighbours = neighbours
        self._scanned = scanned
        self._checked = checked
        self._related = related
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1)
        self._index = LiveIndex(EmbeddingRows(recordings[0].embedding_ND.shape[1]))
        for key, piece in enumerate(recordings):
            self._index.add(key, piece.embedding_ND)
        self._index.merge()
        self._features: dict[str, list[Features]] = {}

    def close(self) -> None:
        """Lets go of the index and the threads."""
        self._pool.shutdown()
        with closing(self._index):
            pass

    def tables(
        self, queries: Sequence[Piece], searches: Sequence[str], own_Q: npt.NDArray[np.int64]
    ) -> dict[str, Float32Array]:
        """Similarities [Q, R] by search.

        Args:
            queries: Pieces.
            searches: Out of `SEARCHES`.
            own_Q: The recording that each query was cut from, which is no answer.
        """
        exact_QR = similarity_table(
            [piece.embedding_ND for piece in queries], [piece.embedding_ND for piece in self._recordings]
        )
        staged_QR = np.where(self.named(queries), exact_QR, np.float32(0.0))
        made: dict[str, Callable[[], Float32Array]] = {
            "exact": lambda: exact_QR,
            "two_stage": lambda: staged_QR,
            "aligned": lambda: self._aligned(queries, exact_QR, staged_QR, own_Q),
            "whole": lambda: self._whole(queries),
            "chroma": lambda: self._pairs(queries, "chroma", self._chroma_strength),
            "qmax": lambda: self._qmax(queries),
        }
        return {name: made[name]() for name in searches}

    def named(self, queries: Sequence[Piece]) -> npt.NDArray[np.bool_]:
        """Which recordings [Q, R] the first stage names."""
        return self._named(queries, self._neighbours)

    def _named(self, queries: Sequence[Piece], neighbours: int) -> npt.NDArray[np.bool_]:
        named_QR = np.zeros((len(queries), len(self._recordings)), np.bool_)
        for q, piece in enumerate(queries):
            if len(piece.embedding_ND):
                found = self._index.neighbours(piece.embedding_ND, k=neighbours)
                named_QR[q, found.track_BK.ravel()] = True
        return named_QR

    def _aligned(
        self,
        queries: Sequence[Piece],
        exact_QR: Float32Array,
        staged_QR: Float32Array,
        own_Q: npt.NDArray[np.int64],
    ) -> Float32Array:
        tracks = _Recordings(self._recordings, self._of("tonal", self._recordings))
        heard = self._of("tonal", queries)
        # What is not looked at stays behind all that is, in its old order.
        table_QR = staged_QR - np.float32(1e6)

        def rank(q: int) -> None:
            found = self._candidates(queries[q], heard[q]) if self._scanned else np.flatnonzero(staged_QR[q])
            order = best_versions(
                {int(r): float(exact_QR[q, r]) for r in found if r != own_Q[q]},
                heard[q],
                tracks,
                scanned=self._scanned,
                checked=self._checked,
                related=self._related,
            )
            table_QR[q, order] = -np.arange(len(order))

        list(self._pool.map(rank, range(len(queries))))
        return table_QR

    def _candidates(self, piece: Piece, heard: Features) -> npt.NDArray[np.int64]:
        """Recordings that `identify` would scan or rank."""
        budget = worth_aligning(heard, self._scanned)
        if len(self._recordings) <= budget:
            return np.arange(len(self._recordings))
        return np.flatnonzero(self._named([piece], max(budget, self._neighbours)))

    def _whole(self, queries: Sequence[Piece]) -> Float32Array:
        def rows(pieces: Sequence[Piece]) -> Float32Array:
            silent = np.zeros(self._recordings[0].embedding_ND.shape[1], np.float32)
            return np.stack([silent if piece.whole_D is None else piece.whole_D for piece in pieces])

        cosine_QR: Float32Array = rows(queries) @ rows(self._recordings).T
        return cosine_QR

    def _chroma_strength(self, heard: Features, track: Features) -> float:
        return strength_of(strengths(heard, track))

    def _pairs(self, queries: Sequence[Piece], kind: str, score: Callable[[Features, Features], float]) -> Float32Array:
        tracks, heard = self._of(kind, self._recordings), self._of(kind, queries)

        def row(q: int) -> list[float]:
            return [score(heard[q], track) for track in tracks]

        return np.array(list(self._pool.map(row, range(len(queries)))), np.float32)

    def _qmax(self, queries: Sequence[Piece]) -> Float32Array:
        tracks = [chroma.chroma(piece.sketch_nF) for piece in self._recordings]
        heard = [chroma.chroma(piece.sketch_nF) for piece in queries]

        def row(q: int) -> list[float]:
            return [chroma.qmax(heard[q], track_NP) for track_NP in tracks]

        return np.array(list(self._pool.map(row, range(len(queries)))), np.float32)

    def _of(self, kind: str, pieces: Sequence[Piece]) -> list[Features]:
        """Features of pieces; those of the recordings are made once."""
        if pieces is self._recordings and kind in self._features:
            return self._features[kind]
        made = [_features(kind, piece) for piece in pieces]
        if pieces is self._recordings:
            self._features[kind] = made
        return made


class _Recordings:
    """What `version_rank.Tracks` asks for; a recording is compared with the others when it is first asked about."""

    def __init__(self, recordings: Sequence[Piece], features: Sequence[Features]) -> None:
        self._embeddings = [piece.embedding_ND for piece in recordings]
        self._whole = features
        self._thin = [thinned(each) for each in features]
        self._alike: dict[int, Float32Array] = {}

    def whole(self, key: int) -> Features:
        return self._whole[key]

    def thin(self, key: int) -> Features:
        return self._thin[key]

    def alike(self, key: int, others: Sequence[int]) -> Mapping[int, float]:
        if key not in self._alike:
            self._alike[key] = similarity_table([self._embeddings[key]], self._embeddings)[0]
        return {other: float(self._alike[key][other]) for other in others}


def _features(kind: str, piece: Piece) -> Features:
    if kind == "tonal":
        return features(piece.sketch_nF)
    return Features(first=0, tonal_NCP=chroma.centred(chroma.chroma(piece.sketch_nF, CHROMA_ROWS)))
