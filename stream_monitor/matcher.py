"""Neighbours to candidates: every track that a stream's last chunks named, scored over every suffix window.

A chunk's neighbours name tracks; a name holds for WINDOW_CHUNKS chunks. Named tracks whose best neighbour is near
enough get exact similarities, MaxMean and the ordered score; those over the loose score are reported, and so is every
track that has an open play. It knows nothing of audio, of plays or of what is decided on the scores.

Legend: B chunks of a batch, M chunks of a window (oldest first), D dimensions, C cohort, R rows of several tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import CHUNK_HOP_SAMPLES
from index.errors import InvalidEmbedding
from index.kernels import pair_similarities
from index.maxmean import window_scores_table
from index.protocol import Index, Neighbours, SimilarityTable
from stream_monitor.evidence import WINDOW_CHUNKS, Candidate, ChunkEvidence, EmbeddedChunk
from stream_monitor.segments import StreamKey
from stream_monitor.window_score import PathConfig, WindowNull, best_path, ordered_scores

Float32Array = NDArray[np.float32]

COHORT_NEAREST = 20
"""A chunk's level in the cohort is the mean similarity of this many nearest members."""


class MatcherConfig(BaseModel):
    """What is looked at; what a score means is the tracker's affair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: PathConfig = PathConfig()
    neighbours: int = Field(50, ge=1, le=1000)
    """K: neighbours asked for when a chunk's are to be found again."""
    named_similarity: float = Field(-0.08, ge=-2.0, le=2.0)
    """Cosine above the chunk's cohort level that a track's best neighbour must reach to be scored."""
    scored_tracks: int = Field(64, ge=1, le=10_000)
    """At most so many named tracks of a chunk are scored, those with the best neighbours."""
    loose_score: float = Field(-2.0, ge=-10.0, le=100.0)
    """Ordered score in null deviations from which a candidate is reported."""
    reported_tracks: int = Field(16, ge=1, le=10_000)
    """At most so many candidates are reported, open plays not counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatcherState:
    """One stream's last chunks (at most WINDOW_CHUNKS - 1), oldest first; all that a restart needs."""

    recent: tuple[EmbeddedChunk, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedChunk:
    """A chunk with what the index and the cohort say about it."""

    chunk: EmbeddedChunk
    index_version: int
    """Of the index when it was asked, or before."""
    cohort_similarity: float = 0.0
    named: dict[int, float] = field(default_factory=dict)
    """Track key to its best neighbour's similarity above the cohort level."""


class Matcher:
    """Turns embedded chunks of many streams into evidence."""

    def __init__(
        self,
        index: Index,
        cohort_CD: Float32Array,
        config: MatcherConfig | None = None,
        *,
        null: WindowNull | None = None,
    ) -> None:
        """Starts with no stream.

        Args:
            index: The catalogue's embeddings.
            cohort_CD: The encoder's cohort, unit rows [C, D], at least one.
            config: What is looked at.
            null: What false tracks score, in units of which scores are given: `Calibration.of_encoder(…).null`.
        """
        null = null or WindowNull()
        self.config = config or MatcherConfig()
        self._index = index
        self._cohort_CD = np.ascontiguousarray(cohort_CD, dtype=np.float32)
        self._recent: dict[StreamKey, tuple[NamedChunk, ...]] = {}
        """Each stream's last WINDOW_CHUNKS - 1 chunks."""
        self._null_mean = np.array(null.mean)
        self._null_deviation = np.array(null.deviation)

    def match(
        self,
        chunks: Sequence[EmbeddedChunk],
        neighbours: Neighbours | None,
        open_tracks: Callable[[StreamKey], Collection[int]],
    ) -> Iterator[ChunkEvidence]:
        """Yields the evidence of each chunk, in the order given: `name`, then `weigh` one by one.

        Args:
            chunks: See `name`.
            neighbours: See `name`.
            open_tracks: Asked when a chunk's turn comes, so that the tracker has seen the chunk before:
                `for evidence in matcher.match(...): step = trackers[evidence.chunk.stream].update(evidence)`.

        Raises:
            InvalidEmbedding: An embedding is not finite.
        """
        for named in self.name(chunks, neighbours):
            yield self.weigh(named, open_tracks(named.chunk.stream))

    def name(self, chunks: Sequence[EmbeddedChunk], neighbours: Neighbours | None) -> list[NamedChunk]:
        """Which tracks the chunks' neighbours name. It does not depend on how chunks are put together into batches.

        Args:
            chunks: Of any streams, each stream's rising by index.
            neighbours: One row for each chunk that has an embedding, in the same order; None if none has.

        Raises:
            InvalidEmbedding: An embedding is not finite.
        """
        # Taken before the refresh: a change of the catalogue from here on is seen at the next batch at the latest.
        version = self._index.version
        self._refresh({chunk.stream for chunk in chunks}, version)
        return self._named([_detached(chunk) for chunk in chunks], neighbours, version)

    def weigh(self, named: NamedChunk, open_tracks: Collection[int]) -> ChunkEvidence:
        """The evidence of a stream's next chunk, scored with the chunks before it.

        Chunks of different streams may be weighed at the same time, in any threads: what is kept is a stream's own.

        Args:
            named: The chunk.
            open_tracks: Tracks with an open play, which are reported in any case.
        """
        window = [*self._recent.get(named.chunk.stream, ()), named]
        while window[0].chunk.index <= named.chunk.index - WINDOW_CHUNKS or _hops(window[0], named) >= WINDOW_CHUNKS:
            window.pop(0)
        self._recent[named.chunk.stream] = tuple(window[1 - WINDOW_CHUNKS :])
        return self._evidence(window, open_tracks)

    def snapshot(self, stream: StreamKey) -> MatcherState:
        """The stream's state; empty for a stream that was never seen."""
        return MatcherState(recent=tuple(named.chunk for named in self._recent.get(stream, ())))

    def restore(self, stream: StreamKey, state: MatcherState) -> None:
        """Takes a state back. Its neighbours are asked for again when the stream's next chunk comes."""
        self._recent[stream] = tuple(NamedChunk(chunk=chunk, index_version=-1) for chunk in state.recent)

    def forget(self, stream: StreamKey) -> None:
        """Lets the stream's state go; a stream that is not known is no error."""
        self._recent.pop(stream, None)

    def _refresh(self, streams: Collection[StreamKey], version: int) -> None:
        """Finds the neighbours of kept chunks again, where the catalogue changed or the state came from a snapshot."""
        stale = [
            stream
            for stream in streams
            if any(named.index_version != version for named in self._recent.get(stream, ()))
        ]
        chunks = [named.chunk for stream in stale for named in self._recent[stream]]
        embedding_BD = [chunk.embedding_D for chunk in chunks if chunk.embedding_D is not None]
        neighbours = self._index.neighbours(np.stack(embedding_BD), self.config.neighbours) if embedding_BD else None
        fresh = iter(self._named(chunks, neighbours, version))
        for stream in stale:
            self._recent[stream] = tuple(next(fresh) for _ in self._recent[stream])

    def _named(self, chunks: Sequence[EmbeddedChunk], neighbours: Neighbours | None, version: int) -> list[NamedChunk]:
        embedded = [chunk.embedding_D for chunk in chunks if chunk.embedding_D is not None]
        if not embedded or neighbours is None:
            return [NamedChunk(chunk=chunk, index_version=version) for chunk in chunks]
        level_B = cohort_levels(np.stack(embedded), self._cohort_CD)
        rows = iter(range(len(embedded)))
        found = []
        for chunk in chunks:
            if chunk.embedding_D is None:
                found.append(NamedChunk(chunk=chunk, index_version=version))
                continue
            row = next(rows)
            level = float(level_B[row])
            # Neighbours come best first, so the first of a track is its best: fill backwards and let it win.
            keys = neighbours.track_BK[row].tolist()[::-1]
            values = neighbours.similarity_BK[row].tolist()[::-1]
            named = {key: value - level for key, value in zip(keys, values, strict=True)}
            found.append(NamedChunk(chunk=chunk, index_version=version, cohort_similarity=level, named=named))
        return found

    def _evidence(self, window: list[NamedChunk], open_tracks: Collection[int]) -> ChunkEvidence:
        newest = window[-1]
        named: dict[int, float] = {}
        for heard in window:
            for key, value in heard.named.items():
                named[key] = max(named.get(key, -np.inf), value)
        evidence = ChunkEvidence(
            chunk=newest.chunk,
            candidates=(),
            cohort_similarity=newest.cohort_similarity,
            considered=len(named),
            catalogue_embeddings=len(self._index),
        )
        if newest.chunk.embedding_D is None:
            return evidence
        near = [key for key, value in named.items() if value >= self.config.named_similarity]
        near.sort(key=lambda key: (-named[key], key))
        scored = sorted({*near[: self.config.scored_tracks], *open_tracks})
        if not scored:
            return evidence
        return replace(evidence, candidates=self._candidates(window, scored, named, frozenset(open_tracks)))

    def _candidates(
        self, window: list[NamedChunk], keys: list[int], named: dict[int, float], open_tracks: frozenset[int]
    ) -> tuple[Candidate, ...]:
        sounding = [heard for heard in window if heard.chunk.embedding_D is not None]
        query_MD = np.stack([heard.chunk.embedding_D for heard in sounding if heard.chunk.embedding_D is not None])
        table = self._index.similarity_table(query_MD, keys)
        level_M = np.array([heard.cohort_similarity for heard in sounding], dtype=np.float32)
        normalised_MR = table.value_MR - level_M[:, None]
        hops_M = np.array([0.0, *(_hops(a, b) for a, b in pairwise(sounding))])
        ordered_TM = ordered_scores(normalised_MR, table.offset_T1, hops_M, self.config.path)
        # Window of M chunks -> its number of rows: silent chunks take a place but have no row.
        newest = window[-1].chunk.index
        rows_W = [sum(heard.chunk.index > newest - size for heard in sounding) for size in range(1, len(window) + 1)]
        ordered_TW = ordered_TM[:, [rows - 1 for rows in rows_W]].astype(np.float64)
        null = np.array(rows_W) - 1
        deviation_TW = (ordered_TW - self._null_mean[null]) / self._null_deviation[null]
        best_T = deviation_TW.max(axis=1)
        present_T = np.diff(table.offset_T1) > 0
        loose = [t for t in np.argsort(-best_T, kind="stable").tolist() if best_T[t] >= self.config.loose_score]
        reported = set([t for t in loose if keys[t] not in open_tracks][: self.config.reported_tracks])
        reported |= {t for t, key in enumerate(keys) if key in open_tracks}
        chosen = sorted((t for t in reported if present_T[t]), key=lambda t: (-best_T[t], keys[t]))
        score_TW = _window_scores(table, chosen)[:, [rows - 1 for rows in rows_W]]
        candidates = []
        for place, t in enumerate(chosen):
            size = int(np.argmax(deviation_TW[t]))
            rows = rows_W[size]
            block_MN = normalised_MR[:, table.offset_T1[t] : table.offset_T1[t + 1]]
            _, path = best_path(block_MN[-rows:], hops_M[-rows:], self.config.path)
            on_path = [heard.chunk.index for heard in sounding[-rows:]] if path else []
            candidates.append(
                Candidate(
                    track_key=keys[t],
                    window_scores=tuple(score_TW[place].tolist()),
                    ordered_scores=tuple(ordered_TW[t].tolist()),
                    ordered_deviations=tuple(deviation_TW[t].tolist()),
                    ordered_score=float(best_T[t]),
                    window=size + 1,
                    positions=tuple(zip(on_path, path, strict=True)),
                    path_similarities=tuple(float(block_MN[m - len(path), n]) for m, n in enumerate(path)),
                    similarity_N=block_MN[-1].copy(),
                    named=keys[t] in named,
                )
            )
        return tuple(candidates)


def cohort_levels(embedding_BD: Float32Array, cohort_CD: Float32Array) -> Float32Array:
    """Mean similarity of each embedding to its COHORT_NEAREST nearest cohort members, float32 [B].

    Each value depends on its own embedding only, to the bit, whatever the batch.
    """
    nearest = min(COHORT_NEAREST, len(cohort_CD))
    similarity_BC = pair_similarities(embedding_BD, cohort_CD)
    similarity_BC.partition(len(cohort_CD) - nearest, axis=1)
    level_B: Float32Array = similarity_BC[:, -nearest:].mean(axis=1)
    return level_B


def _window_scores(table: SimilarityTable, tracks: Sequence[int]) -> Float32Array:
    """MaxMean of every suffix window of the chosen tracks of a table, float32 [len(tracks), M]."""
    columns = [np.arange(table.offset_T1[t], table.offset_T1[t + 1]) for t in tracks]
    offset_T1 = np.cumsum([0, *(len(column) for column in columns)])
    value_MR = table.value_MR[:, np.concatenate([np.zeros(0, np.int64), *columns])]
    scores: Float32Array = window_scores_table(np.ascontiguousarray(value_MR), offset_T1)
    return scores


def _hops(before: NamedChunk, after: NamedChunk) -> float:
    """Time from one chunk's start to another's, in chunk hops of 10 s."""
    return (after.chunk.start_sample - before.chunk.start_sample) / CHUNK_HOP_SAMPLES


def _detached(chunk: EmbeddedChunk) -> EmbeddedChunk:
    """The chunk with its own copy of the embedding, which may be a view that keeps a whole batch alive."""
    if chunk.embedding_D is None:
        return chunk
    if not np.isfinite(chunk.embedding_D).all():
        raise InvalidEmbedding(f"chunk {chunk.index} of {chunk.stream.stream_id} has an embedding that is not finite")
    return replace(chunk, embedding_D=np.array(chunk.embedding_D, np.float32))
