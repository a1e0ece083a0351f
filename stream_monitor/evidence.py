"""What passes from the encoder to the matcher, from the matcher to the tracker, and from the aligner to the tracker.

Values only: it knows nothing of how they are made, nor of what is decided on them. Positions are integer samples at
22,050 Hz on the stream's own clock; windows are half-open.

Legend: D dimensions, N embeddings of a track, M chunks of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_monitor.segments import StreamKey

WINDOW_CHUNKS = 5
"""The longest window, in chunks: 20 + 4 * 10 = 60 s."""

NO_PATH = -2.0
"""Ordered score of a window that has no path through the track; below every difference of two cosines."""

MatchType = Literal["recording", "version", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EmbeddedChunk:
    """One chunk of a stream with its embedding."""

    stream: StreamKey
    index: int
    """Its number on the stream's grid: chunk k begins at sample 220,500 k. It only rises, with holes where the stream
    had a gap; the tail has the number after the last regular chunk of its run, though it begins elsewhere."""
    start_sample: int
    end_sample: int
    tail: bool
    embedding_D: NDArray[np.float32] | None
    """Unit vector, float32 [D]; None for silence."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """One track as the last chunks show it."""

    track_key: int
    window_scores: tuple[float, ...]
    """MaxMean of the last M chunks against the track, M = 1 … WINDOW_CHUNKS (windows longer than the stream left out).
    A silent chunk takes a place in the window but has no row; a window of silence scores 0."""
    ordered_scores: tuple[float, ...]
    """For the same windows: mean cohort-normalised similarity along the best monotone path through the track; NO_PATH
    where the track is too short for one."""
    ordered_deviations: tuple[float, ...]
    """The same in null deviations: (score - null mean) / null deviation of that window."""
    ordered_score: float
    """The best window's: the maximum of ordered_deviations."""
    window: int
    """That window's M."""
    positions: tuple[tuple[int, int], ...]
    """The path of that window, oldest first: (chunk index, position in the track); silent chunks are left out."""
    path_similarities: tuple[float, ...]
    """Cohort-normalised similarity at each place of `positions`."""
    similarity_N: NDArray[np.float32]
    """Cohort-normalised similarity of the newest chunk with each of the track's embeddings."""
    named: bool
    """Whether a neighbour of one of the last chunks named the track (else it is here because it has an open play)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ChunkEvidence:
    """What the catalogue says about one chunk and the chunks before it."""

    chunk: EmbeddedChunk
    candidates: tuple[Candidate, ...]
    """Best ordered score first; only those over the loose score, and every track with an open play.
    Empty for silence."""
    cohort_similarity: float
    """The chunk's mean top-20 similarity to the cohort, which was subtracted; 0.0 for silence."""
    considered: int
    """Tracks that were named, before the loose score."""
    catalogue_embeddings: int
    """Live embeddings in the index, for the confidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """One stretch of stream placed on a track by its frames and spectral peaks."""

    stream_start_sample: int
    stream_end_sample: int
    track_start_sample: int
    track_end_sample: int
    transposition_semitones: int
    tempo_ratio: float
    strength: float
    """Of the alignment: what nothing but this track explains (`alignment.Alignment.strength`); 0.0 where only the peaks
    agreed."""
    recording: float
    """-log10 of the probability that chance gives as many common peaks; 0.0 where there is no common line."""
    match_type: MatchType
    gaps: tuple[tuple[int, int], ...] = ()
    """Stretches of the stream between start and end that do not follow the track."""


class Verifier(Protocol):
    """Looks at the stream's own sketch and peaks, which it keeps for a while; the tracker only asks."""

    def verify(
        self, track_key: int, start_sample: int, end_sample: int, *, anchor: tuple[int, int] | None = None
    ) -> Verification | None:
        """Places stream samples [start_sample, end_sample) on the track; None where nothing fits.

        Args:
            track_key: The track.
            start_sample: Begin of the stretch; what is no longer kept is left out.
            end_sample: End of the stretch.
            anchor: (stream sample, track sample) that are expected to belong together.
        """
        ...
