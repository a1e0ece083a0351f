"""Embeddings of the corpus's works without end, drawn and not played: to fill an index as real music would.

Shapes: N embeddings of a track, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise

import numpy as np

from encoder.training.augment import CHUNK_S, EMPTY_SPEECH, ViewRequest, draw_views, drawn_song
from encoder.training.corpus import SOURCES, load_songs
from encoder.training.stage import embed_means
from encoder.training.versions import Array
from encoder.weights import Weights

DIFFICULTY = 0.5
TRACKS_AT_ONCE = 32


def drawn_tracks(weights: Weights, seed: int = 0) -> Iterator[Array]:
    """Tracks [N, D], a chunk every 10 s: every training work once, then other versions of all of them, and so on.

    Args:
        weights: The encoder's.
        seed: Decides the versions.
    """
    songs = [drawn_song(song) for song in load_songs(SOURCES, part="train")]
    for again in count():
        for first in range(0, len(songs), TRACKS_AT_ONCE):
            requests, ends = [], [0]
            for number, song in enumerate(songs[first : first + TRACKS_AT_ONCE], first):
                version = (seed << 40) + (again << 28) + (number << 8)
                starts = np.arange(0.0, max(1.0, song.duration_s - CHUNK_S / 2), CHUNK_S / 2).tolist()
                requests += [
                    ViewRequest(song=song, start_s=start, seed=(version + place) % (1 << 32))
                    for place, start in enumerate(starts)
                ]
                ends.append(len(requests))
            mean_VFT = draw_views(
                requests,
                difficulty=DIFFICULTY,
                average_frames=weights.config.average_frames,
                speech_FN=EMPTY_SPEECH,
            )
            emb_VD = embed_means(weights.network, mean_VFT)
            for start, end in pairwise(ends):
                yield emb_VD[start:end]
