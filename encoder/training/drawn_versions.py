"""Works as notes, each view drawn anew: another key, tempo, band, room. Knows nothing of batches or of networks.

Shapes: F pitch bins (84), T averaged frames, N columns of talk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from encoder.grid import BINS
from encoder.training.augment import EMPTY_SPEECH, DrawnSong, draw_view, drawn_song
from encoder.training.config import AugmentConfig, NotesData
from encoder.training.corpus import load_songs
from encoder.training.draw import FRAMES_PER_COLUMN, LEAKAGE
from encoder.training.spectrum import masked
from encoder.training.speech_bank import speech_columns
from encoder.training.split import load_split
from encoder.training.versions import Array, Clique, VersionRequest, frames_of

EARLY_S = 2.0
"""A view may begin so long before the first note ..."""
LAST = 0.9
"""... and holds at least this share of its length."""


class DrawnVersions:
    """Songs of which views are drawn."""

    def __init__(self, songs: Mapping[str, Sequence[DrawnSong]], shares: Mapping[str, float], speech_FN: Array) -> None:
        """Args: songs by source, share of each source in a step, talk [84, N] to lay over views."""
        self.songs = tuple(song for members in songs.values() for song in members)
        self.cliques = tuple(
            Clique(name=song.work_id, source=source, group=song.group)
            for source, members in songs.items()
            for song in members
        )
        self.shares = dict(shares)
        self.speech_FN = speech_FN

    def views(
        self,
        requests: Sequence[VersionRequest],
        *,
        average_frames: int,
        difficulty: float,
        augment: AugmentConfig,
        pool: ThreadPoolExecutor | None,
    ) -> list[Array]:
        """See `Versions.views`. What is done to notes follows `difficulty`; of `augment`
        only masks count, and whether there is talk at all.

        Raises:
            ValueError: `average_frames` is not a multiple of 4.
        """
        per_frame = columns_per_frame(average_frames)
        speech_FN = self.speech_FN if augment.speech_share > 0 else EMPTY_SPEECH

        def draw(request: VersionRequest) -> Array:
            song = self.songs[request.clique]
            length_s = min(request.length_s, max(song.duration_s, 6.0))
            start_s = -EARLY_S + request.place * (max(0.0, song.duration_s - LAST * length_s) + EARLY_S)
            view_FT = np.zeros((BINS, frames_of(length_s, average_frames)), np.float32)
            draw_view(
                song.notes_N5, song.chords_K4, start_s, request.seed, difficulty, speech_FN, LEAKAGE, per_frame,
                view_FT,
            )  # fmt: skip
            return masked(view_FT, np.random.default_rng(request.seed), augment.mask_share)

        return [draw(request) for request in requests] if pool is None else list(pool.map(draw, requests, chunksize=8))


def columns_per_frame(average_frames: int) -> int:
    """Drawn columns of an averaged frame.

    Raises:
        ValueError: `average_frames` is not a multiple of 4.
    """
    if average_frames % FRAMES_PER_COLUMN:
        raise ValueError(f"average_frames is {average_frames}; drawing needs a multiple of {FRAMES_PER_COLUMN}")
    return average_frames // FRAMES_PER_COLUMN


def training_versions(data: NotesData, seed: int) -> DrawnVersions:
    """The training works of the recipe's sources and its talk (seconds to prepare)."""
    groups = load_split()
    songs: dict[str, list[DrawnSong]] = {source: [] for source in data.mixture}
    for song in load_songs(tuple(data.mixture), part="train", limit=data.works_per_source):
        songs[song.source].append(drawn_song(song, groups[song.work_id].group))
    return DrawnVersions(songs, data.mixture, speech_columns(data.speech_minutes, seed))
