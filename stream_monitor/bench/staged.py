"""The real pipeline with a stopwatch at each step. Every step runs as it is; only its time is taken.

It knows nothing of what is done with the times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from index.protocol import Index, Neighbours, SimilarityTable
from stream_monitor.bench.stopwatch import Stopwatch
from stream_monitor.bench.workbench import Workbench
from stream_monitor.chunk import BlockRequest, Frames
from stream_monitor.collaborators import Repertoire, StreamMemory, TrackerLike
from stream_monitor.evidence import ChunkEvidence, EmbeddedChunk
from stream_monitor.lane import Lane, Ready
from stream_monitor.matcher import NamedChunk
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline, Turn
from stream_monitor.segments import Segment, StreamKey

Float32Array = npt.NDArray[np.float32]
T = TypeVar("T")

DECODE, CUTTING, CQT, CHUNKS, NETWORK, NEIGHBOURS, MATCHING, TRACKING, GLUE, EVENTS = (
    "decode", "segments to blocks", "CQT", "chunks, sketch, peaks", "network", "neighbours", "matching",
    "tracking, alignment", "glue", "events",
)  # fmt: skip
PIPELINE_STAGES = (CUTTING, CQT, CHUNKS, NETWORK, NEIGHBOURS, MATCHING, TRACKING, GLUE, EVENTS)


class StagedPipeline(Pipeline):
    """A pipeline that counts the time of each step."""

    def __init__(self, bench: Workbench, watch: Stopwatch) -> None:
        super().__init__(bench.encoder, _StagedRepertoire(bench.repertoire, watch), bench.config.pipeline)
        self._watch = watch

    def push(self, segments: Iterable[Segment], *, now_s: float = math.inf) -> list[Outcome]:
        """See `Pipeline.push`."""
        with self._watch.stage(GLUE):
            return super().push(segments, now_s=now_s)

    def _cut(self, segment: Segment) -> list[tuple[Lane, BlockRequest]]:
        with self._watch.stage(CUTTING):
            return super()._cut(segment)

    def _transform(self, requests: Sequence[BlockRequest]) -> Frames:
        with self._watch.stage(CQT):
            return super()._transform(requests)

    def _assemble(self, blocks: Sequence[tuple[Lane, BlockRequest]], frames_BFT: Frames) -> Iterator[Ready]:
        return _timed(super()._assemble(blocks, frames_BFT), CHUNKS, self._watch)

    def _embed(self, ready: Sequence[Ready]) -> list[EmbeddedChunk]:
        with self._watch.stage(NETWORK):
            return super()._embed(ready)

    def _name(self, embedded: Sequence[EmbeddedChunk]) -> list[NamedChunk]:
        with self._watch.stage(MATCHING):
            return super()._name(embedded)

    def _score(self, named: NamedChunk, lane: Lane) -> ChunkEvidence:
        with self._watch.stage(MATCHING):
            return super()._score(named, lane)

    def _follow(self, turn: Turn) -> Outcome:
        with self._watch.stage(TRACKING):
            return super()._follow(turn)


def _timed(items: Iterator[T], name: str, watch: Stopwatch) -> Iterator[T]:
    while True:
        with watch.stage(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


class _StagedRepertoire:
    """A repertoire whose index is timed."""

    def __init__(self, repertoire: Repertoire, watch: Stopwatch) -> None:
        self._repertoire = repertoire
        self._index = _StagedIndex(repertoire.index, watch)

    @property
    def index(self) -> Index:
        return self._index

    def memory(self, stream: StreamKey) -> StreamMemory:
        return self._repertoire.memory(stream)

    def tracker(self, stream: StreamKey, memory: StreamMemory) -> TrackerLike:
        return self._repertoire.tracker(stream, memory)


class _StagedIndex:
    """An index whose first stage is timed; the second belongs to matching."""

    def __init__(self, index: Index, watch: Stopwatch) -> None:
        self._index = index
        self._watch = watch

    @property
    def version(self) -> int:
        return self._index.version

    def __len__(self) -> int:
        return len(self._index)

    def neighbours(self, query_BD: Float32Array, k: int = 50) -> Neighbours:
        with self._watch.stage(NEIGHBOURS):
            return self._index.neighbours(query_BD, k)

    def similarities(self, query_MD: Float32Array, track_keys: Sequence[int]) -> list[Float32Array]:
        return self._index.similarities(query_MD, track_keys)

    def similarity_table(self, query_MD: Float32Array, track_keys: Sequence[int]) -> SimilarityTable:
        return self._index.similarity_table(query_MD, track_keys)

    def add(self, track_key: int, embedding_ND: Float32Array) -> None:
        self._index.add(track_key, embedding_ND)

    def remove(self, track_key: int) -> None:
        self._index.remove(track_key)
