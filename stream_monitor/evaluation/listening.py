"""Recordings and cuts of them as sets of embeddings. A cut is heard like a stream of its own: silence around it.

It knows nothing of works or rankings.

Shapes: S samples, N embeddings, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from encoder.grid import BINS, MIN_SAMPLES, SAMPLE_RATE, first_frame
from stream_monitor.chunk import Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.collaborators import EncoderLike
from stream_monitor.decode import decode
from stream_monitor.errors import SilentInputError, TooShortError
from stream_monitor.evaluation.dataset import Version
from stream_monitor.segments import Segment, StreamKey

Float32Array = npt.NDArray[np.float32]
BATCH_BLOCKS = 16
NO_SKETCH = np.zeros((0, BINS), np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """A recording or a cut of one, as heard."""

    embedding_ND: Float32Array
    """Of its chunks; none where it is silent."""
    sketch_nF: npt.NDArray[np.uint8]
    whole_D: Float32Array | None
    """One embedding of all of it, where that was asked for and it is not silent."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeardVersion:
    """A recording, and its cuts by length in seconds; none of a length that it does not have."""

    version: Version
    duration_s: float
    whole: Piece
    cuts: dict[float, list[Piece]]


def hear(
    encoder: EncoderLike,
    version: Version,
    lengths_s: Sequence[float],
    cuts: int,
    seed: int,
    *,
    whole: bool = False,
    sketched: int | None = None,
) -> HeardVersion:
    """Hears a recording and so many cuts of each length, at random places.

    Args:
        encoder: The encoder.
        version: The recording.
        lengths_s: Lengths of cuts, 6 s and more.
        cuts: Cuts of each length.
        seed: Decides the places, with the recording's name.
        whole: Also make one embedding of each piece.
        sketched: Cuts of each length whose sketch is kept; None: all.

    Raises:
        InputError: The file cannot be heard, is too short or silent.
    """
    samples_S = samples_of(version)
    piece = hear_samples(encoder, samples_S, whole=whole)
    if len(piece.embedding_ND) == 0:
        raise SilentInputError(f"{version.path}: holds only silence")
    rng = np.random.default_rng([seed, *version.recording_id.encode()])
    found: dict[float, list[Piece]] = {}
    for length_s in lengths_s:
        wanted = max(MIN_SAMPLES, round(length_s * SAMPLE_RATE))
        places = rng.integers(0, max(1, len(samples_S) - wanted + 1), cuts).tolist()
        found[length_s] = (
            [hear_samples(encoder, samples_S[place : place + wanted], whole=whole) for place in places]
            if wanted <= len(samples_S)
            else []
        )
        if sketched is not None:
            found[length_s][sketched:] = [replace(cut, sketch_nF=NO_SKETCH) for cut in found[length_s][sketched:]]
    return HeardVersion(version=version, duration_s=len(samples_S) / SAMPLE_RATE, whole=piece, cuts=found)


def samples_of(version: Version) -> Float32Array:
    """Samples [S] of a recording.

    Raises:
        InputError: The file cannot be heard or is too short.
    """
    blocks = list(decode(version.path))
    samples_S = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if len(samples_S) < MIN_SAMPLES:
        raise TooShortError(
            f"{version.path}: only {len(samples_S) / SAMPLE_RATE:.1f} s of audio; at least 6 s are needed"
        )
    return samples_S


def hear_samples(encoder: EncoderLike, samples_S: Float32Array, *, whole: bool = False) -> Piece:
    """A piece of audio, cut and sketched as a stream of it would be; silent chunks have no embedding."""
    chunks = _chunks(encoder, samples_S)
    embeddings = encoder.embed([chunk.frames_FT for chunk in chunks])
    rows = [rows.rows_NF for chunk in chunks for rows in chunk.sketch]
    return Piece(
        embedding_ND=embeddings.embedding_BD[embeddings.sounding_B],
        sketch_nF=np.concatenate(rows) if rows else NO_SKETCH,
        whole_D=_whole(encoder, chunks) if whole else None,
    )


def frames_of_samples(encoder: EncoderLike, samples_S: Float32Array) -> list[Float32Array]:
    """Frames [84, n] of the chunks of a piece of audio, on a stream of its own."""
    return [chunk.frames_FT for chunk in _chunks(encoder, samples_S)]


def _chunks(encoder: EncoderLike, samples_S: Float32Array) -> list[Chunk]:
    stream = StreamKey(kind="upload", stream_id="evaluation")
    chunker = Chunker(stream, support_samples=-encoder.block_window(0)[0])
    requests = chunker.push(Segment(stream=stream, seq=0, start_sample=0, samples_S=samples_S, last=True))
    chunks: list[Chunk] = []
    for first in range(0, len(requests), BATCH_BLOCKS):
        batch = requests[first : first + BATCH_BLOCKS]
        frames_BFT = encoder.frames(np.stack([request.wave_S for request in batch]))
        for request, frames_FT in zip(batch, frames_BFT, strict=True):
            chunks += chunker.accept(request.block, frames_FT)
    chunks += chunker.close().chunks
    return chunks


def _whole(encoder: EncoderLike, chunks: Sequence[Chunk]) -> Float32Array | None:
    """One embedding of all frames that the chunks hold, each once."""
    parts, have = [], 0
    for chunk in chunks:
        first = first_frame(chunk.start_sample)
        parts.append(chunk.frames_FT[:, have - first :])
        have = first + chunk.frames_FT.shape[1]
    frames_FT = np.concatenate(parts, axis=1)
    found = encoder.embed([frames_FT], longest=frames_FT.shape[1])
    return found.embedding_BD[0] if found.sounding_B[0] else None
