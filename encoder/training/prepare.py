"""Gathers what a run needs from the corpus: the works of a part of the split, drawn-ready, and the talk.

Knows nothing of the network or of optimisers.
"""

from __future__ import annotations

from collections.abc import Sequence

from encoder.training.augment import DrawnSong, drawn_song
from encoder.training.batches import TrainingSet, drawn_by_source
from encoder.training.config import TrainingConfig
from encoder.training.corpus import load_songs
from encoder.training.speech_bank import speech_columns
from encoder.training.split import load_split


def training_set(config: TrainingConfig) -> TrainingSet:
    """The training works of the recipe's sources, and its bank of talk (seconds to prepare)."""
    groups = load_split()
    songs = load_songs(tuple(config.mixture), part="train", limit=config.works_per_source)
    drawn = [(song.source, drawn_song(song, groups[song.work_id].group)) for song in songs]
    return TrainingSet(songs=drawn_by_source(drawn), speech_FN=speech_columns(config.speech_minutes, config.seed))


def validation_songs(sources: Sequence[str] = ("pop909",), limit: int | None = None) -> list[DrawnSong]:
    """Validation works of some sources."""
    return [drawn_song(song) for song in load_songs(tuple(sources), part="validation", limit=limit)]
