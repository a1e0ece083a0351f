"""Neighbours to candidates: every track that a stream's last chunks named, scored over every suffix window.

It knows nothing of audio, of plays or of thresholds on them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.protocol import Index, Neighbours
from stream_monitor.evidence import ChunkEvidence, EmbeddedChunk
from stream_monitor.segments import StreamKey


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatcherState:
    """One stream's last chunks (at most WINDOW_CHUNKS - 1), oldest first; all that a restart needs."""

    recent: tuple[EmbeddedChunk, ...] = ()


class Matcher:
    """Turns embedded chunks of many streams into evidence, one index call for each batch."""

    def __init__(self, index: Index, cohort_CD: NDArray[np.float32]) -> None:
        raise NotImplementedError

    def match(
        self,
        chunks: Sequence[EmbeddedChunk],
        neighbours: Neighbours | None,
        open_tracks: Callable[[StreamKey], Collection[int]],
    ) -> Iterator[ChunkEvidence]:
        """Yields the evidence of each chunk, in the order given (a stream's chunks rising by index).

        Args:
            chunks: Of any streams.
            neighbours: One row for each chunk that has an embedding, in the same order; None if none has.
            open_tracks: Asked lazily, when a chunk's turn comes, so that the tracker has seen the chunk before:
                `for evidence in matcher.match(...): step = trackers[evidence.chunk.stream].update(evidence)`.
        """
        raise NotImplementedError

    def snapshot(self, stream: StreamKey) -> MatcherState:
        """The stream's state; empty for a stream that was never seen."""
        raise NotImplementedError

    def restore(self, stream: StreamKey, state: MatcherState) -> None:
        """Takes a state back. Its neighbours are asked for again."""
        raise NotImplementedError

    def forget(self, stream: StreamKey) -> None:
        """Lets the stream's state go."""
        raise NotImplementedError
