"""Which songs, where in them, how hard: the views of each step, as a pure function of (recipe, step). No state.

Shapes: G songs of a step, V views of each, F pitch bins, T averaged frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.training.augment import CHUNK_S, DrawnSong, ViewRequest, draw_views
from encoder.training.config import TrainingConfig

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSet:
    """Songs by source, and the talk to lay over them."""

    songs: dict[str, tuple[DrawnSong, ...]]
    speech_FN: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class StepViews:
    """The views of one step; the first view of each song is cut to `crop_frames` (T where it is whole)."""

    mean_GVFT: Array
    crop_frames: int
    difficulty: float


def difficulty(config: TrainingConfig, step: int) -> float:
    """Strength of the augmentation in a step: rises linearly to 1, then stays."""
    share = min(1.0, step / max(1.0, config.difficulty_full_at * config.steps))
    return config.difficulty_start + (1 - config.difficulty_start) * share


def song_counts(config: TrainingConfig, available: dict[str, int]) -> dict[str, int]:
    """How many songs of each source a step takes: by the mixture, no more than there are."""
    total = sum(config.mixture.values())
    wanted = {source: config.songs_per_step * share / total for source, share in config.mixture.items()}
    counts = {source: min(int(count), available[source]) for source, count in wanted.items()}
    # What rounding left over goes to the sources that lost most by it.
    for source in sorted(wanted, key=lambda name: int(wanted[name]) - wanted[name]):
        if sum(counts.values()) < config.songs_per_step and counts[source] < available[source]:
            counts[source] += 1
    return counts


def requests_of_step(config: TrainingConfig, songs: dict[str, tuple[DrawnSong, ...]], step: int) -> list[ViewRequest]:
    """The views to draw in a step, grouped by song; no two songs of one melody, since each is the other's negative."""
    rng = np.random.default_rng((config.seed, step))
    counts = song_counts(config, {source: len(members) for source, members in songs.items()})
    requests: list[ViewRequest] = []
    groups: set[str] = set()
    for source, count in counts.items():
        wanted = len(groups) + count
        for index in rng.permutation(len(songs[source])):
            song = songs[source][int(index)]
            if song.group in groups:
                continue
            if len(groups) == wanted:
                break
            groups.add(song.group)
            start_s = float(rng.uniform(-2.0, max(0.0, song.duration_s - 0.9 * CHUNK_S)))
            seeds = rng.integers(1, 2**31, size=config.views_per_song)
            requests.extend(ViewRequest(song=song, start_s=start_s, seed=int(seed)) for seed in seeds)
    return requests


def draw_step(
    config: TrainingConfig, data: TrainingSet, step: int, average_frames: int, pool: ThreadPoolExecutor | None
) -> StepViews:
    """Draws all views of a step."""
    hard = difficulty(config, step)
    requests = requests_of_step(config, data.songs, step)
    mean_VFT = draw_views(requests, difficulty=hard, average_frames=average_frames, speech_FN=data.speech_FN, pool=pool)
    bins, frames = mean_VFT.shape[1:]
    rng = np.random.default_rng((config.seed, step, 1))
    crop = frames
    if rng.random() < config.crop_share:
        crop = min(frames, int(rng.integers(config.crop_frames[0], config.crop_frames[1] + 1)))
    return StepViews(
        mean_GVFT=mean_VFT.reshape(-1, config.views_per_song, bins, frames), crop_frames=crop, difficulty=hard
    )


def drawn_by_source(songs: Sequence[tuple[str, DrawnSong]]) -> dict[str, tuple[DrawnSong, ...]]:
    """Songs grouped by source, order kept."""
    groups: dict[str, list[DrawnSong]] = {}
    for source, song in songs:
        groups.setdefault(source, []).append(song)
    return {source: tuple(members) for source, members in groups.items()}
