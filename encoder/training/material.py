"""What a run trains on and is scored with: works of the corpus, or a list of recordings and MIDI files.

Knows nothing of networks or of how the list came to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from encoder.errors import TrainingDataError
from encoder.grid import BINS
from encoder.training.augment import DrawnSong, drawn_song
from encoder.training.config import NotesData, RecordingsData, RenderedData
from encoder.training.corpus import load_songs
from encoder.training.cqt_cache import CqtCache
from encoder.training.draw import FRAMES_PER_COLUMN
from encoder.training.drawn_versions import DrawnVersions, training_versions
from encoder.training.evaluation import EmbedMeans, RetrievalScore, score_drawn, score_recorded
from encoder.training.joined_versions import JoinedVersions
from encoder.training.loop import Score
from encoder.training.midi import SUFFIXES, read_song
from encoder.training.recorded_versions import RecordedClique, RecordedVersions
from encoder.training.recordings import Failure, Hear, ListedRecording, gather, hold_out
from encoder.training.rendered_works import rendered_works
from encoder.training.speech_bank import speech_columns
from encoder.training.versions import Array, Versions

__all__ = [
    "Failure",
    "Hear",
    "ListedRecording",
    "Material",
    "material_of_list",
    "material_of_notes",
    "material_of_rendered",
]

MIDI = "midi"


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """Works to train on, scores of others, and recordings that cannot be used."""

    versions: Versions
    score: Score
    failures: tuple[Failure, ...] = ()


def material_of_notes(
    data: NotesData, validation: Sequence[str], average_frames: int, seed: int, device: torch.device | None = None
) -> Material:
    """Training works of the corpus; scored on drawn versions of validation works of the sources `validation`."""
    versions = training_versions(data, seed, device)
    held = [drawn_song(song) for song in load_songs(tuple(validation), part="validation")]

    def score(embed: EmbedMeans) -> dict[str, Any]:
        return _rounded(score_drawn(held, embed, average_frames=average_frames, speech_FN=versions.speech_FN))

    return Material(versions=versions, score=score)


def material_of_rendered(
    data: RenderedData,
    validation: Sequence[str],
    average_frames: int,
    seed: int,
    *,
    threads: int,
    progress: Callable[[int, int], None],
) -> Material:
    """Training works of the corpus, played; scored as `material_of_notes`.

    Raises:
        TrainingDataError: FluidSynth or a soundfont is not installed.
    """
    speech_FN = speech_columns(data.speech_minutes, seed)
    works = rendered_works(data, seed, threads, progress)
    held = [drawn_song(song) for song in load_songs(tuple(validation), part="validation")]

    def score(embed: EmbedMeans) -> dict[str, Any]:
        return _rounded(score_drawn(held, embed, average_frames=average_frames, speech_FN=speech_FN))

    return Material(versions=RecordedVersions(works, _averaged_talk(speech_FN, average_frames)), score=score)


def material_of_list(
    rows: Sequence[ListedRecording],
    data: RecordingsData,
    hear: Hear,
    *,
    unheard: tuple[type[Exception], ...],
    average_frames: int,
    seed: int,
    progress: Callable[[int], None],
) -> Material:
    """Works of a list: recordings through the cache, MIDI files drawn; some works of the recordings are held out.

    Raises:
        TrainingDataError: There are too few works.
    """
    audio = [row for row in rows if row.path.suffix.lower() not in SUFFIXES]
    works, failures = gather(audio, CqtCache(data.cache), hear, unheard=unheard, progress=progress)
    songs, unread = _songs([row for row in rows if row.path.suffix.lower() in SUFFIXES])
    speech_FN = speech_columns(data.speech_minutes, seed)
    if not works:
        return _midi_only(songs, data, speech_FN, average_frames, (*failures, *unread))
    trained, held = hold_out(works, data.validation_share)
    versions: Versions = RecordedVersions(trained, _averaged_talk(speech_FN, average_frames))
    kept = [song for song in songs if song.group not in {work.name for work in held}]
    if kept:
        versions = JoinedVersions(versions, DrawnVersions({MIDI: kept}, {MIDI: 1.0}, speech_FN))

    def score(embed: EmbedMeans) -> dict[str, Any]:
        return _rounded(score_recorded(held, embed, average_frames=average_frames))

    return Material(versions=versions, score=score, failures=(*failures, *unread))


def _midi_only(
    songs: Sequence[DrawnSong],
    data: RecordingsData,
    speech_FN: Array,
    average_frames: int,
    failures: tuple[Failure, ...],
) -> Material:
    """All is drawn; works are held out as of recordings."""
    empty = (np.zeros((BINS, 1), np.float16),) * 2
    stand_ins = [RecordedClique(name=song.group, recordings=(song.work_id,) * 2, cqts=empty) for song in songs]
    names = {work.name for work in hold_out(stand_ins, data.validation_share)[1]}
    held = [song for song in songs if song.group in names]
    versions = DrawnVersions({MIDI: [song for song in songs if song.group not in names]}, {MIDI: 1.0}, speech_FN)

    def score(embed: EmbedMeans) -> dict[str, Any]:
        return _rounded(score_drawn(held, embed, average_frames=average_frames, speech_FN=speech_FN))

    return Material(versions=versions, score=score, failures=failures)


def _songs(rows: Sequence[ListedRecording]) -> tuple[list[DrawnSong], list[Failure]]:
    """MIDI files as songs, each a work of its own in the group of its clique."""
    songs, failures = [], []
    for row in rows:
        try:
            songs.append(drawn_song(read_song(row.path, row.name), row.clique))
        except TrainingDataError as error:
            failures.append(Failure(name=row.name, reason=str(error)))
    return songs, failures


def _averaged_talk(speech_FN: Array, average_frames: int) -> Array:
    """Talk in averaged frames instead of drawn columns of four frames."""
    factor = max(1, average_frames // FRAMES_PER_COLUMN)
    kept = speech_FN.shape[1] // factor * factor
    mean_FN: Array = speech_FN[:, :kept].reshape(BINS, -1, factor).mean(axis=2)
    return mean_FN


def _rounded(scores: dict[str, RetrievalScore]) -> dict[str, Any]:
    return {name: score.rounded() for name, score in scores.items()}
