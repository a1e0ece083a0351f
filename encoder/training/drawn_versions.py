"""Works as notes, each view drawn anew: another key, tempo, band, room. Knows nothing of batches or of networks.

Shapes: F pitch bins (84), T averaged frames, N columns of talk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from encoder.grid import BINS
from encoder.training.augment import EMPTY_SPEECH, DrawnSong, arranged, draw_view, drawn_song
from encoder.training.bulk_draw import bulk_power, finished_views, padded_events
from encoder.training.config import AugmentConfig, NotesData
from encoder.training.corpus import load_songs
from encoder.training.draw import COLUMN_S, FRAMES_PER_COLUMN, LEAKAGE
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

    def __init__(
        self,
        songs: Mapping[str, Sequence[DrawnSong]],
        shares: Mapping[str, float],
        speech_FN: Array,
        bulk: torch.device | None = None,
    ) -> None:
        """Args: songs by source, share of each in a step, talk [84, N] to lay over views, where to draw in bulk."""
        self.songs = tuple(song for members in songs.values() for song in members)
        self.cliques = tuple(
            Clique(name=song.work_id, source=source, group=song.group)
            for source, members in songs.items()
            for song in members
        )
        self.shares = dict(shares)
        self.speech_FN = speech_FN
        self._bulk = bulk

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

        if self._bulk is not None:
            views = self._in_bulk(requests, average_frames, difficulty, speech_FN, self._bulk, pool)
            return [
                masked(view_FT, np.random.default_rng(request.seed), augment.mask_share)
                for request, view_FT in zip(requests, views, strict=True)
            ]

        def draw(request: VersionRequest) -> Array:
            song, start_s, frames = self._place(request, average_frames)
            view_FT = np.zeros((BINS, frames), np.float32)
            draw_view(
                song.notes_N5, song.chords_K4, start_s, request.seed, difficulty, speech_FN, LEAKAGE, per_frame,
                view_FT,
            )  # fmt: skip
            return masked(view_FT, np.random.default_rng(request.seed), augment.mask_share)

        return [draw(request) for request in requests] if pool is None else list(pool.map(draw, requests, chunksize=8))

    def _place(self, request: VersionRequest, average_frames: int) -> tuple[DrawnSong, float, int]:
        """The song, where in it the view begins, and how many averaged frames it has."""
        song = self.songs[request.clique]
        length_s = min(request.length_s, max(song.duration_s, 6.0))
        start_s = -EARLY_S + request.place * (max(0.0, song.duration_s - LAST * length_s) + EARLY_S)
        return song, start_s, frames_of(length_s, average_frames)

    def _in_bulk(
        self,
        requests: Sequence[VersionRequest],
        average_frames: int,
        difficulty: float,
        speech_FN: Array,
        device: torch.device,
        pool: ThreadPoolExecutor | None,
    ) -> list[Array]:
        """Views of one length at a time as tensors; only the notes are arranged on the CPU."""
        per_frame = columns_per_frame(average_frames)
        by_frames: dict[int, list[int]] = {}
        for number, request in enumerate(requests):
            by_frames.setdefault(self._place(request, average_frames)[2], []).append(number)
        views: dict[int, Array] = {}
        for frames, numbers in sorted(by_frames.items()):
            span_s = frames * per_frame * COLUMN_S

            def arrange(number: int, span_s: float = span_s) -> tuple[Array, Array, Array]:
                song, start_s, _ = self._place(requests[number], average_frames)
                return arranged(song, start_s, span_s, requests[number].seed, difficulty)

            parts = list(map(arrange, numbers) if pool is None else pool.map(arrange, numbers, chunksize=8))
            events, instruments, harmonics = zip(*parts, strict=True)
            power_VFC = bulk_power(
                torch.from_numpy(padded_events(events)).to(device),
                torch.from_numpy(np.stack(instruments)).to(device),
                torch.from_numpy(np.stack(harmonics)).to(device),
                frames * per_frame,
            )
            generator = torch.Generator(device).manual_seed(requests[numbers[0]].seed)
            mean_VFT = finished_views(
                power_VFC, difficulty=difficulty, speech_FN=torch.from_numpy(speech_FN).to(device),
                per_frame=per_frame, generator=generator,
            )  # fmt: skip
            views.update(zip(numbers, mean_VFT.cpu().numpy(), strict=True))
        return [views[number] for number in range(len(requests))]


def columns_per_frame(average_frames: int) -> int:
    """Drawn columns of an averaged frame.

    Raises:
        ValueError: `average_frames` is not a multiple of 4.
    """
    if average_frames % FRAMES_PER_COLUMN:
        raise ValueError(f"average_frames is {average_frames}; drawing needs a multiple of {FRAMES_PER_COLUMN}")
    return average_frames // FRAMES_PER_COLUMN


def training_versions(data: NotesData, seed: int, device: torch.device | None = None) -> DrawnVersions:
    """The training works of the recipe's sources and its talk (seconds to prepare); bulk drawing is on `device`."""
    groups = load_split()
    songs: dict[str, list[DrawnSong]] = {source: [] for source in data.mixture}
    for song in load_songs(tuple(data.mixture), part="train", limit=data.works_per_source):
        songs[song.source].append(drawn_song(song, groups[song.work_id].group))
    bulk = (device or torch.device("cpu")) if data.bulk else None
    return DrawnVersions(songs, data.mixture, speech_columns(data.speech_minutes, seed), bulk)
