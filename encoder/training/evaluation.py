"""Scores an embedding as a search engine: mean average precision, rank of the first hit, top-1, by query length.

Two sources of test data: drawn views of songs (quick, while training), and chunks of any origin given by the caller,
e.g. rendered audio through the real CQT. Knows nothing of losses or optimisers.

Shapes: Q queries, R tracks, N embeddings of a track, M embeddings of a query, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.grid import CHUNK_FRAMES
from encoder.training.augment import CHUNK_S, DrawnSong, ViewRequest, draw_views
from encoder.training.batches import MIN_FRAMES, chunk_starts
from encoder.training.ranking import score_queries
from encoder.training.recorded_versions import COLUMN_S, RecordedClique
from encoder.training.spectrum import averaged
from encoder.training.versions import frames_of

Array = NDArray[np.float32]
EmbedMeans = Callable[[Array], Array]
"""Averaged magnitudes [V, 84, T] to unit vectors [V, D]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalScore:
    """How well queries found their works.

    Attributes:
        queries: Number of queries.
        mean_average_precision: mAP over all right tracks of each query.
        mean_rank_first: MR1, mean rank of the first right track; 1 is best.
        mean_reciprocal_rank: Mean of 1 / rank of the first right track.
        top1: Share of the queries whose first track is right.
        top10: Share of the queries with a right track among the first ten.
    """

    queries: int
    mean_average_precision: float
    mean_rank_first: float
    mean_reciprocal_rank: float
    top1: float
    top10: float

    def rounded(self) -> dict[str, float]:
        """As plain numbers for a log or a card."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def score_ranking(similarity_QR: Array, right_QR: NDArray[np.bool_]) -> RetrievalScore:
    """Mean scores of rankings by similarity; see `ranking.score_queries`, also for what it raises."""
    scores = score_queries(similarity_QR, right_QR)
    return RetrievalScore(
        queries=len(similarity_QR),
        mean_average_precision=float(scores.average_precision.mean()),
        mean_rank_first=float(scores.rank_first.mean()),
        mean_reciprocal_rank=float(scores.reciprocal_rank.mean()),
        top1=float(scores.top1.mean()),
        top10=float(scores.top10.mean()),
    )


def similarity_table(queries: Sequence[Array], tracks: Sequence[Array]) -> Array:
    """MaxMean of each query [M, D] against each track [N, D]: [Q, R]; −1 where a side is empty."""
    table_QR = np.full((len(queries), len(tracks)), -1.0, np.float32)
    filled = [r for r, track_ND in enumerate(tracks) if len(track_ND)]
    if not filled:
        return table_QR
    # One product with all tracks at once; a track is a run of columns.
    every_ND = np.concatenate([tracks[r] for r in filled])
    starts = np.cumsum([0, *(len(tracks[r]) for r in filled)])
    for q, query_MD in enumerate(queries):
        if len(query_MD) == 0:
            continue
        similarity_MN = query_MD @ every_ND.T
        table_QR[q, filled] = np.maximum.reduceat(similarity_MN, starts[:-1], axis=1).mean(axis=0)
        for r, start in zip(filled, starts[:-1], strict=True):
            if len(tracks[r]) < len(query_MD):
                table_QR[q, r] = similarity_MN[:, start : start + len(tracks[r])].max(axis=0).mean()
    return table_QR


def score_drawn(
    songs: Sequence[DrawnSong],
    embed: EmbedMeans,
    *,
    average_frames: int,
    speech_FN: Array,
    lengths_s: Sequence[float] = (20.0, 6.0),
    seed: int = 7,
) -> dict[str, RetrievalScore]:
    """Scores drawn versions: one chunk at full difficulty against whole songs drawn plainly, by query length.

    Args:
        songs: Works that training does not see.
        embed: Averaged magnitudes to embeddings.
        average_frames: CQT frames per averaged frame.
        speech_FN: Talk for some queries.
        lengths_s: Query lengths, at most 20 s.
        seed: Decides places and versions.
    """
    rng = np.random.default_rng(seed)
    frame_s = CHUNK_S / (861 // average_frames)
    tracks: list[Array] = []
    queries: list[ViewRequest] = []
    for song in songs:
        starts = np.arange(0.0, max(1.0, song.duration_s - CHUNK_S / 2), CHUNK_S / 2)
        chunks = [ViewRequest(song=song, start_s=float(start), seed=int(rng.integers(1, 2**31))) for start in starts]
        plain = draw_views(chunks, difficulty=0.05, average_frames=average_frames, speech_FN=speech_FN[:, :0])
        tracks.append(embed(plain))
        start_s = float(rng.uniform(0.0, max(0.0, song.duration_s - CHUNK_S)))
        queries.append(ViewRequest(song=song, start_s=start_s, seed=int(rng.integers(1, 2**31))))
    mean_QFT = draw_views(queries, difficulty=1.0, average_frames=average_frames, speech_FN=speech_FN)
    right_QR = np.eye(len(songs), dtype=np.bool_)
    scores: dict[str, RetrievalScore] = {}
    for length_s in lengths_s:
        frames = max(MIN_FRAMES, round(length_s / frame_s))
        emb_QD = embed(mean_QFT[:, :, :frames])
        scores[f"{length_s:g}s"] = score_ranking(similarity_table([row[None] for row in emb_QD], tracks), right_QR)
    return scores


def score_recorded(
    works: Sequence[RecordedClique], embed: EmbedMeans, *, average_frames: int, length_s: float = CHUNK_S
) -> dict[str, RetrievalScore]:
    """Scores recordings of works that training does not see, each against all others: a cut of each, and whole.

    Args:
        works: With two recordings each.
        embed: Averaged magnitudes to embeddings.
        average_frames: CQT frames per averaged frame.
        length_s: Of the cut, taken from the middle.
    """
    names = [work.name for work in works for _ in work.cqts]
    wholes = [_embedded(cqt_FC, embed, average_frames) for work in works for cqt_FC in work.cqts]
    cuts = [_embedded(_middle(cqt_FC, length_s), embed, average_frames) for work in works for cqt_FC in work.cqts]
    right_QR = np.array(names)[:, None] == np.array(names)[None]
    np.fill_diagonal(right_QR, False)
    scores = {}
    for name, queries in ((f"{length_s:g}s", cuts), ("full", wholes)):
        table_QR = similarity_table(queries, wholes)
        np.fill_diagonal(table_QR, -np.inf)
        scores[name] = score_ranking(table_QR, right_QR)
    return scores


def _middle(cqt_FC: NDArray[np.float16], length_s: float) -> NDArray[np.float16]:
    columns = min(cqt_FC.shape[1], round(length_s / COLUMN_S))
    start = (cqt_FC.shape[1] - columns) // 2
    return cqt_FC[:, start : start + columns]


def _embedded(cqt_FC: NDArray[np.float16], embed: EmbedMeans, average_frames: int) -> Array:
    """Embeddings of a recording's chunks."""
    frames = frames_of(cqt_FC.shape[1] * COLUMN_S, average_frames)
    mean_FT = averaged(cqt_FC.astype(np.float32), frames)
    length = CHUNK_FRAMES // average_frames
    chunks = [mean_FT[:, start : start + length] for start in chunk_starts(frames, average_frames)]
    return embed(np.stack(chunks))
