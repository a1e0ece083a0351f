"""Where exactly a play lies: a stretch of stream placed on a catalogue track by chroma and by spectral peaks.

`align` works for every version (other key, tempo, instruments), `same_recording` for the recording itself. Pure
functions of arrays: this module knows nothing of catalogues, embeddings, trackers or events. Positions are samples
at 22,050 Hz, half-open, on the stream's and on the track's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """What `align` needs of one sketch; made once per track by `features` and worth keeping."""

    first_row: int
    chroma_NP: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """An expected place: stream sample and track sample that belong together, give or take `half_width_samples`.

    Away from it the band widens with the tempi that are possible.
    """

    stream_sample: int
    track_sample: int
    half_width_samples: int = 220_500


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """One stretch of stream that follows one stretch of a track."""

    stream_start_sample: int
    stream_end_sample: int
    track_start_sample: int
    track_end_sample: int
    transposition_semitones: int
    """Stream relative to track, -6 to 5."""
    tempo_ratio: float
    """Above 1: the stream is faster."""
    strength: float
    """How far the score lies above what chance gives, in standard deviations of the other transpositions' scores."""
    similarity: float
    """Mean similarity of the matched places, 0 to 1."""
    score: float
    """Sum of the local alignment: about the matched seconds times how much better than chance they are."""
    gaps: tuple[tuple[int, int], ...]
    """Stretches of the stream (samples) inside the play that do not follow the track, 4 s and longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingMatch:
    """What spectral peaks say: how much of the stream's stretch is the track's own recording."""

    match_type: Literal["recording", "version"]
    stream_start_sample: int
    stream_end_sample: int
    """First and last matched peak."""
    track_start_sample: int
    track_end_sample: int
    tempo_ratio: float
    transposition_semitones: int
    matched: int
    """Peaks of the stream that meet one of the track on the line."""
    share: float
    """Matched over all the stream's peaks between start and end."""
    significance: float
    """-log10 of the probability that chance gives as many."""


def features(sketch_NF: NDArray[np.uint8], first_row: int = 0) -> Features:
    """Chroma features of a sketch whose first row is `first_row`."""
    raise NotImplementedError


def align(
    stream: Features, track: Features, *, anchor: Anchor | None = None, transposition_semitones: int | None = None
) -> Alignment | None:
    """Best local alignment of a stretch of stream with a track; None where nothing fits better than chance."""
    raise NotImplementedError


def same_recording(
    stream_peaks_n: NDArray[np.uint32],
    track_peaks_n: NDArray[np.uint32],
    *,
    stream_span: tuple[int, int] | None = None,
) -> RecordingMatch | None:
    """Looks for the track's own recording in the stream's peaks (those within `stream_span`, samples, if given).

    None where the peaks show no common line at all.
    """
    raise NotImplementedError
