"""Validation on sound: works played by a synthesiser, through the real CQT, covers against plain recordings.

Knows nothing of training. Slow (seconds a recording), so frames can be kept in a folder between calls.

Shapes: F pitch bins (84), T CQT frames, M and N embeddings, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.cqt import ConstantQ
from encoder.grid import CHUNK_FRAMES, HOP, MIN_SAMPLES, SAMPLE_RATE, first_frame, spans
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.arrangement import Arrangement
from encoder.training.evaluation import RetrievalScore, score_ranking, similarity_table
from encoder.training.notes import Song
from encoder.training.render import render

Array = NDArray[np.float32]
EmbedChunks = Callable[[Sequence[Array]], Array]
"""Chunks [84, n] of magnitudes to unit vectors [B, D], zeros for silence."""

LENGTHS_S = (6.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """CQT frames of one rendering of a work."""

    work_id: str
    frames_FT: Array


def frames_of(arrangement: Arrangement, transform: ConstantQ, keep: Path | None = None, room: float = 0.0) -> Array:
    """Magnitudes [84, T] of a rendering; read from `keep` if they are there, else rendered and kept there."""
    path = None
    if keep is not None:
        path = keep / f"{arrangement.work_id}-{arrangement.digest}-{room:g}.npy"
        if path.exists():
            kept: Array = np.load(path).astype(np.float32) / 1000
            return kept
    wave_S = render(arrangement, room=room)
    support = transform.support_samples
    with torch.inference_mode():
        padded = np.pad(wave_S, (support, support))
        frames_FT: Array = transform(torch.from_numpy(padded)[None])[0].numpy()
    frames_FT = frames_FT[:, : first_frame(len(wave_S))]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # float16 of 1000 times the magnitude: small values keep their digits.
        np.save(path, (1000 * frames_FT).astype(np.float16))
    return frames_FT


def plain_recordings(songs: Sequence[Song], keep: Path | None = None) -> list[Recording]:
    """The catalogue's side: each work as it is."""
    transform = ConstantQ()
    return [Recording(work_id=song.work_id, frames_FT=frames_of(plain(song), transform, keep)) for song in songs]


def cover_recordings(
    songs: Sequence[Song], seed: int, config: CoverConfig | None = None, keep: Path | None = None
) -> list[Recording]:
    """The other side: one cover of each work."""
    transform = ConstantQ()
    covers = []
    for index, song in enumerate(songs):
        cover = arrange(song, seed + index, config)
        covers.append(Recording(work_id=song.work_id, frames_FT=frames_of(cover, transform, keep, room=0.3)))
    return covers


def chunks_of(frames_FT: Array, first: int = 0, frames: int | None = None) -> list[Array]:
    """Chunks of a stretch of a recording on the grid that a stream starting there would have."""
    stretch_FT = frames_FT[:, first : None if frames is None else first + frames]
    samples = stretch_FT.shape[1] * HOP
    return [stretch_FT[:, s.first_frame : s.first_frame + s.frames][:, :CHUNK_FRAMES] for s in spans(samples)]


def score_rendered(
    embed: EmbedChunks,
    catalogue: Sequence[Recording],
    covers: Sequence[Recording],
    *,
    lengths_s: Sequence[float] = LENGTHS_S,
    places: int = 3,
    seed: int = 11,
) -> dict[str, RetrievalScore]:
    """Scores covers against a catalogue by MaxMean, by query length, and whole ("full").

    Args:
        embed: The encoder.
        catalogue: Plain recordings; works without a cover are what a query must be told from.
        covers: Queries are cut from these, at `places` random places each.
        lengths_s: Lengths of the queries, 6 s and more.
        places: Queries of each length per cover.
        seed: Decides the places.
    """
    tracks = [embed(chunks_of(recording.frames_FT)) for recording in catalogue]
    names = np.array([recording.work_id for recording in catalogue])
    rng = np.random.default_rng(seed)
    scores: dict[str, RetrievalScore] = {}
    for length_s in (*lengths_s, None):
        queries: list[Array] = []
        works: list[str] = []
        for cover in covers:
            total = cover.frames_FT.shape[1]
            if length_s is None:
                stretches = [(0, total)]
            else:
                wanted = min(total, -(-max(MIN_SAMPLES, round(length_s * SAMPLE_RATE)) // HOP))
                stretches = [(int(rng.integers(0, total - wanted + 1)), wanted) for _ in range(places)]
            for first, frames in stretches:
                queries.append(embed(chunks_of(cover.frames_FT, first, frames)))
                works.append(cover.work_id)
        right_QR = np.array(works)[:, None] == names[None, :]
        table_QR = similarity_table(queries, tracks)
        scores["full" if length_s is None else f"{length_s:g}s"] = score_ranking(table_QR, right_QR)
    return scores
