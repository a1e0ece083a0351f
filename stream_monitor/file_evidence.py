"""What the matcher, which streams use, says about the tracks of a whole file: the ground of their confidence.

It knows nothing of frames, peaks or ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from index.protocol import Index
from stream_monitor.enrol import HeardFile
from stream_monitor.evidence import EmbeddedChunk
from stream_monitor.matcher import Matcher, MatcherConfig
from stream_monitor.rivals import margin
from stream_monitor.segments import StreamKey
from stream_monitor.window_score import WindowNull

SLICE_CHUNKS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenTrack:
    """A track at the chunk where it did best; the terms are those of `confidence.PlayFeatures`."""

    ordered: float
    margin: float
    chunks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEvidence:
    """All tracks that the matcher reported for a file."""

    floor: float
    seen: Mapping[int, SeenTrack] = field(default_factory=dict)

    def of(self, track_key: int) -> SeenTrack:
        """A track's best; for one that was never reported, what is just not reported."""
        best = max((seen.ordered for seen in self.seen.values()), default=self.floor)
        return self.seen.get(track_key, SeenTrack(ordered=self.floor, margin=self.floor - best, chunks=1))


def file_evidence(
    heard: HeardFile,
    index: Index,
    cohort_CD: npt.NDArray[np.float32],
    null: WindowNull,
    work_of: Callable[[int], str],
    tracks: Collection[int],
) -> FileEvidence:
    """Runs a file through the matcher.

    Args:
        heard: The file.
        index: The catalogue's embeddings.
        cohort_CD: The encoder's cohort.
        null: Of the calibration.
        work_of: Work of a track key.
        tracks: Tracks that are wanted; others count as rivals only.
    """
    config = MatcherConfig()
    if not len(cohort_CD):
        return FileEvidence(floor=config.loose_score)
    matcher = Matcher(index, cohort_CD, config, null=null)
    stream = StreamKey(kind="upload", stream_id=str(heard.path))
    chunks = [
        EmbeddedChunk(
            stream=stream,
            index=place,
            start_sample=int(heard.starts_N[place]),
            end_sample=int(heard.ends_N[place]),
            tail=False,
            embedding_D=heard.embedding_ND[place],
        )
        for place in range(len(heard.embedding_ND))
    ]
    seen: dict[int, SeenTrack] = {}
    for start in range(0, len(chunks), SLICE_CHUNKS):
        part = chunks[start : start + SLICE_CHUNKS]
        neighbours = index.neighbours(heard.embedding_ND[start : start + SLICE_CHUNKS], config.neighbours)
        for evidence in matcher.match(part, neighbours, lambda _: ()):
            for candidate in evidence.candidates:
                before = seen.get(candidate.track_key)
                if candidate.track_key in tracks and (before is None or candidate.ordered_score > before.ordered):
                    seen[candidate.track_key] = SeenTrack(
                        ordered=candidate.ordered_score,
                        margin=margin(candidate, evidence.candidates, work_of, config.loose_score),
                        chunks=max(1, len(candidate.positions)),
                    )
    return FileEvidence(floor=config.loose_score, seen=seen)
