"""Recordings and cuts of them as sets of embeddings. A cut is heard like a stream of its own: silence around it.

It knows nothing of works or rankings.

Shapes: S samples, N embeddings, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoder.grid import MIN_SAMPLES, SAMPLE_RATE
from stream_monitor.chunk import Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.collaborators import EncoderLike
from stream_monitor.decode import decode
from stream_monitor.errors import SilentInputError, TooShortError
from stream_monitor.evaluation.dataset import Version
from stream_monitor.segments import Segment, StreamKey

Float32Array = npt.NDArray[np.float32]
BATCH_BLOCKS = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeardVersion:
    """A recording's embeddings, and those of its cuts."""

    version: Version
    duration_s: float
    embedding_ND: Float32Array
    cuts: dict[float, list[Float32Array]]
    """By length in seconds; none where the recording is shorter. A silent cut has no embeddings."""


def hear(encoder: EncoderLike, version: Version, lengths_s: Sequence[float], cuts: int, seed: int) -> HeardVersion:
    """Embeds a recording and so many cuts of each length, at random places.

    Args:
        encoder: The encoder.
        version: The recording.
        lengths_s: Lengths of cuts, 6 s and more.
        cuts: Cuts of each length.
        seed: Decides the places, with the recording's name.

    Raises:
        InputError: The file cannot be heard, is too short or silent.
    """
    blocks = list(decode(version.path))
    samples_S = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if len(samples_S) < MIN_SAMPLES:
        raise TooShortError(
            f"{version.path}: only {len(samples_S) / SAMPLE_RATE:.1f} s of audio; at least 6 s are needed"
        )
    whole_ND = embed_samples(encoder, samples_S)
    if len(whole_ND) == 0:
        raise SilentInputError(f"{version.path}: holds only silence")
    rng = np.random.default_rng([seed, *version.recording_id.encode()])
    found: dict[float, list[Float32Array]] = {}
    for length_s in lengths_s:
        wanted = max(MIN_SAMPLES, round(length_s * SAMPLE_RATE))
        places = rng.integers(0, max(1, len(samples_S) - wanted + 1), cuts).tolist()
        found[length_s] = (
            [embed_samples(encoder, samples_S[place : place + wanted]) for place in places]
            if wanted <= len(samples_S)
            else []
        )
    return HeardVersion(version=version, duration_s=len(samples_S) / SAMPLE_RATE, embedding_ND=whole_ND, cuts=found)


def embed_samples(encoder: EncoderLike, samples_S: Float32Array) -> Float32Array:
    """Embeddings [N, D] of all chunks of a piece of audio, cut as a stream of it would be; silent ones left out."""
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
    embeddings = encoder.embed([chunk.frames_FT for chunk in chunks])
    sounding_ND: Float32Array = embeddings.embedding_BD[embeddings.sounding_B]
    return sounding_ND
