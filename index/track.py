"""A catalogue recording: what it is called, which work it is, and what was measured of its audio. Knows no storage.

Legend: N embeddings, D dimensions, F bins, n frames, peaks or tonal rows, V values of a tonal row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.errors import CatalogueError, InvalidTrack
from index.protocol import Float32Array, Int64Array, checked_embeddings

KNOWN_COLUMNS = ("title", "artist", "isrc", "iswc", "work_id")
SKETCH_BINS = 84


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTrack:
    """A recording to be enrolled.

    Attributes:
        track_id: Its name in the catalogue.
        metadata: The row of the CSV: ``title``, ``artist``, ``isrc``, ``iswc``, ``work_id`` and any other column.
        audio_hash: Names the decoded samples; two recordings with one hash are the same audio.
        duration_samples: Length at 22,050 Hz.
        embedding_ND: Unit vectors, one a chunk, float32; silent chunks have none. At least one.
        starts_N: First sample of each embedding's chunk, int64, rising.
        sketch_nF: Quantised frames, uint8 [n, 84], of which everything else about its sound can be made anew.
        peaks_n: Packed spectral peaks, uint32, sorted.
        tonal_nV: Quantised tonal features for alignment, int8; as many values a row as the encoder makes.
    """

    track_id: str
    metadata: Mapping[str, str]
    audio_hash: str
    duration_samples: int
    embedding_ND: Float32Array
    starts_N: Int64Array
    sketch_nF: NDArray[np.uint8]
    peaks_n: NDArray[np.uint32]
    tonal_nV: NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """An enrolled recording. A field that nobody gave is None.

    Attributes:
        key: Names the recording in the index; never used again after a removal.
        work_id: Joins the recordings of one work (see ``work_of``).
        embeddings: How many the index holds.
        starts_N: First sample of each embedding's chunk at 22,050 Hz, int64.
        extra: The other columns of the CSV.
    """

    key: int
    track_id: str
    work_id: str
    title: str | None
    artist: str | None
    isrc: str | None
    iswc: str | None
    audio_hash: str
    duration_samples: int
    embeddings: int
    starts_N: Int64Array
    extra: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """The recording was enrolled."""

    track: Track


@dataclass(frozen=True, kw_only=True, slots=True)
class AlreadyEnrolled:
    """The same audio was there already, as ``track``; nothing was changed."""

    track_id: str
    track: Track


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The recording was not enrolled; the error says why."""

    track_id: str
    error: CatalogueError


def known(metadata: Mapping[str, str], column: str) -> str | None:
    """A known column's value; None where it is missing or blank."""
    return metadata.get(column, "").strip() or None


def plain_iswc(iswc: str) -> str:
    """An ISWC without the punctuation that catalogues write differently: T-034.524.680-1 is T0345246801."""
    return "".join(letter for letter in iswc.upper() if letter.isalnum())


def work_of(track_id: str, metadata: Mapping[str, str], work_of_iswc: Mapping[str, str]) -> str:
    """The work that a recording belongs to: the CSV's ``work_id``, else the ISWC, else the recording itself.

    Args:
        track_id: The recording.
        metadata: Its row of the CSV.
        work_of_iswc: Works that are named by an ISWC, by :func:`plain_iswc`, so that two spellings are one work.
    """
    iswc = known(metadata, "iswc")
    if work_id := known(metadata, "work_id"):
        return work_id
    if iswc is not None:
        return work_of_iswc.get(plain_iswc(iswc), iswc)
    return track_id


def checked_track(track: NewTrack, dimensions: int) -> None:
    """Check a recording before any of it is written.

    Raises:
        InvalidTrack: A text is empty or a length, type or order is wrong.
        InvalidEmbedding: The embeddings are not unit vectors.
    """
    name = f"track {track.track_id!r}"
    if not track.track_id or not track.audio_hash:
        raise InvalidTrack(f"{name}: track_id and audio_hash must not be empty")
    if track.duration_samples <= 0:
        raise InvalidTrack(f"{name}: duration_samples must be above 0, got {track.duration_samples}")
    if any(not isinstance(text, str) for pair in track.metadata.items() for text in pair):
        raise InvalidTrack(f"{name}: metadata must map text to text")
    checked_embeddings(track.embedding_ND, dimensions, what=f"embeddings of {name}")
    for array, dtype, shape, what in (
        (track.starts_N, np.int64, (len(track.embedding_ND),), "starts_N"),
        (track.sketch_nF, np.uint8, (len(track.sketch_nF), SKETCH_BINS), "sketch_nF"),
        (track.peaks_n, np.uint32, (len(track.peaks_n),), "peaks_n"),
        (track.tonal_nV, np.int8, (len(track.tonal_nV), track.tonal_nV.shape[-1]), "tonal_nV"),
    ):
        if array.dtype != dtype or array.shape != shape:
            raise InvalidTrack(
                f"{name}: {what} must be {np.dtype(dtype).name} of shape {list(shape)}, "
                f"got {array.dtype} of shape {list(array.shape)}"
            )
    if np.any(np.diff(track.starts_N) <= 0) or np.any(track.starts_N < 0):
        raise InvalidTrack(f"{name}: starts_N must rise from 0 or above")
