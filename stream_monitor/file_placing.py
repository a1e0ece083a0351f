"""Where in a whole file a track lies, from chunk similarities, frames and spectral peaks.

The pair of chunks that are most alike says roughly where; frames and peaks around it say exactly. It knows nothing of
catalogues or of scores.

M chunks of the file, N embeddings of a track.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoder.grid import CHUNK_SAMPLES, SAMPLE_RATE
from stream_monitor.alignment import HIGHEST_TEMPO, Alignment, Anchor, align, features
from stream_monitor.enrol import HeardFile
from stream_monitor.evidence import MatchType
from stream_monitor.recording import RecordingConfig, RecordingMatch, same_recording
from stream_monitor.track_peaks import TrackPeaks
from stream_monitor.verifier import ROW_SAMPLES, TrackPrint

VERSION_STRENGTH = 4.0
"""`Alignment.strength` from which an alignment is believed wherever it lies (as in the tracker)."""
LONGEST_STRETCH_SAMPLES = 600 * SAMPLE_RATE
"""Longest stretch of the file that is aligned."""
MARGIN_SAMPLES = 5 * SAMPLE_RATE
ALIKE = 0.7
"""A chunk belongs to the same stretch as the best one from this fraction of its similarity."""
_OWN_SPEED = RecordingConfig(highest_speed_change=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """One stretch of the file on one stretch of the track."""

    match_type: MatchType
    query_start_sample: int
    query_end_sample: int
    track_start_sample: int
    track_end_sample: int
    strength: float
    """Of the alignment; 0 where there is none."""
    recording: float
    """-log10 of the probability that chance gives as many common peaks; 0 where there is no common line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    """The chunk of the file and the chunk of the track that are most alike."""

    chunk: int
    position: int
    similarity: float


def place(
    heard: HeardFile,
    similarity_MN: npt.NDArray[np.float32],
    starts_N: npt.NDArray[np.int64],
    track_samples: int,
    track_print: TrackPrint,
) -> Placement:
    """Places a track in a file.

    Args:
        heard: The file.
        similarity_MN: Cosine of each chunk of the file with each of the track, [M, N], both at least 1.
        starts_N: First sample of each chunk of the track.
        track_samples: The track's length.
        track_print: The track's features and peaks.

    Returns:
        `recording` where peaks say so, `version` where the alignment is strong, else `unknown`: then the place is
        that of the chunks that are alike.
    """
    pair = _best_pair(similarity_MN)
    start, end = _stretch(heard, starts_N, track_samples, pair)
    same = same_recording(heard.peaks_n, track_print.peaks, stream_span=(start, end))
    first_row, end_row = -(-start // ROW_SAMPLES), end // ROW_SAMPLES
    aligned = align(
        features(heard.sketch_nF[first_row:end_row], first_row),
        track_print.features,
        anchor=Anchor(stream_sample=int(heard.starts_N[pair.chunk]), track_sample=int(starts_N[pair.position])),
    )
    return _joined(same, aligned, _of_chunks(heard, similarity_MN, starts_N, track_samples, pair))


def holds_recording(
    heard: HeardFile,
    similarity_MN: npt.NDArray[np.float32],
    starts_N: npt.NDArray[np.int64],
    track_samples: int,
    track_peaks: TrackPeaks,
) -> bool:
    """Whether peaks say that a file holds a track's own recording at its own speed: `place` in short, and quick."""
    span = _stretch(heard, starts_N, track_samples, _best_pair(similarity_MN))
    same = same_recording(heard.peaks_n, track_peaks, stream_span=span, config=_OWN_SPEED)
    return same is not None and same.match_type == "recording"


def _stretch(heard: HeardFile, starts_N: npt.NDArray[np.int64], track_samples: int, pair: _Pair) -> tuple[int, int]:
    """Samples of the file in which the track may lie, if `pair` is right and the file plays it slowly."""
    file_sample, track_sample = int(heard.starts_N[pair.chunk]), int(starts_N[pair.position])
    start = file_sample - round(track_sample * HIGHEST_TEMPO) - MARGIN_SAMPLES
    end = file_sample + round((track_samples - track_sample) * HIGHEST_TEMPO) + MARGIN_SAMPLES
    half = LONGEST_STRETCH_SAMPLES // 2
    return max(0, start, file_sample - half), min(heard.duration_samples, end, file_sample + half)


def _best_pair(similarity_MN: npt.NDArray[np.float32]) -> _Pair:
    chunk, position = np.unravel_index(int(similarity_MN.argmax()), similarity_MN.shape)
    return _Pair(chunk=int(chunk), position=int(position), similarity=float(similarity_MN[chunk, position]))


def _of_chunks(
    heard: HeardFile,
    similarity_MN: npt.NDArray[np.float32],
    starts_N: npt.NDArray[np.int64],
    track_samples: int,
    pair: _Pair,
) -> Placement:
    """The run of chunks around the best pair that stay alike one step along the diagonal after the other."""
    reached = {step: _follow(similarity_MN, pair, step) for step in (-1, 1)}
    (first, first_position), (last, last_position) = reached[-1], reached[1]
    return Placement(
        match_type="unknown",
        query_start_sample=int(heard.starts_N[first]),
        query_end_sample=int(heard.ends_N[last]),
        track_start_sample=int(starts_N[first_position]),
        track_end_sample=min(track_samples, int(starts_N[last_position]) + CHUNK_SAMPLES),
        strength=0.0,
        recording=0.0,
    )


def _follow(similarity_MN: npt.NDArray[np.float32], pair: _Pair, step: int) -> tuple[int, int]:
    """The chunk and position that the diagonal from `pair` reaches in one direction."""
    chunk, position = pair.chunk, pair.position
    chunks, positions = similarity_MN.shape
    while 0 <= chunk + step < chunks and 0 <= position + step < positions:
        if similarity_MN[chunk + step, position + step] < ALIKE * pair.similarity:
            break
        chunk, position = chunk + step, position + step
    return chunk, position


def _joined(same: RecordingMatch | None, aligned: Alignment | None, chunks: Placement) -> Placement:
    """Peaks know a recording's place to a frame, a strong alignment any version's, chunks the rest."""
    strength = 0.0 if aligned is None else aligned.strength
    recording = 0.0 if same is None else same.significance
    found: RecordingMatch | Alignment
    match_type: MatchType
    if same is not None and same.match_type == "recording":
        found, match_type = same, "recording"
    elif aligned is not None and strength >= VERSION_STRENGTH:
        found, match_type = aligned, "version"
    else:
        return Placement(
            match_type="unknown",
            query_start_sample=chunks.query_start_sample,
            query_end_sample=chunks.query_end_sample,
            track_start_sample=chunks.track_start_sample,
            track_end_sample=chunks.track_end_sample,
            strength=strength,
            recording=recording,
        )
    return Placement(
        match_type=match_type,
        query_start_sample=found.stream_start_sample,
        query_end_sample=found.stream_end_sample,
        track_start_sample=found.track_start_sample,
        track_end_sample=found.track_end_sample,
        strength=strength,
        recording=recording,
    )
