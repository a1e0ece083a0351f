"""A catalogue of real embeddings at the benchmark's size: a few works from sound, the many from drawn spectra.

Drawing a composed song's notes as CQT magnitudes and embedding those with the real encoder takes a hundredth of the
time that rendering and enrolling its sound would take; sketch, peaks and tonal features come from the same spectra,
so alignment meets real material too. The works that stations play are rendered and enrolled like any file. Kept
between benchmarks, by the encoder's fingerprint. It knows nothing of streams.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from encoder.grid import BINS, HOP, spans
from encoder.peaks import peaks
from encoder.sketch import sketch
from encoder.tonal_print import tonal_print
from encoder.training.augment import EMPTY_SPEECH, DrawnSong, draw_view, drawn_song
from encoder.training.compose import VERSION as COMPOSE_VERSION
from encoder.training.compose import compose
from encoder.training.draw import COLUMN_S, FRAMES_PER_COLUMN, LEAKAGE
from index.catalogue import Catalogue
from index.live_config import LiveConfig
from index.track import NewTrack
from stream_monitor.bench.music import music_of
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.bench.workers import workers
from stream_monitor.enrol import HeardFile, Listener, new_track

if TYPE_CHECKING:
    from encoder.model import Encoder

DRAWN_SEED = 1_000_000
PIECE_COLUMNS = 215
"""Columns drawn at a time, 20 s."""
PIECE_SONGS = 50
DIFFICULTY = 0.2
"""Of the drawing: a band, a room and some noise of the song's own."""
DRAWN_VERSION = 1

Array = npt.NDArray[np.float32]


def catalogue_folder(plan: BenchPlan, tracks: int, fingerprint: str) -> Path:
    """Where the catalogue of so many tracks is, made or not."""
    works = len(music_of(plan).recordings)
    name = f"catalogue-{DRAWN_VERSION}.{COMPOSE_VERSION}-{fingerprint}-{tracks}-{works}"
    return plan.cache / name


def prepare_catalogue(plan: BenchPlan, tracks: int, fingerprint: str) -> Iterator[tuple[int, int]]:
    """Makes the catalogue where it is missing; yields (tracks done, to do). The graph is built at the end."""
    folder = catalogue_folder(plan, tracks, fingerprint)
    if folder.exists():
        return
    making = folder.with_name(f"part-{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    recordings = music_of(plan).recordings[: tracks - 1]
    seeds = range(DRAWN_SEED, DRAWN_SEED + tracks - len(recordings))
    pieces = [seeds[first : first + PIECE_SONGS] for first in range(0, len(seeds), PIECE_SONGS)]
    with (
        workers(plan.threads, initializer=_one_thread) as pool,
        Catalogue.create(making, encoder_fingerprint=fingerprint, live=LiveConfig(background=False)) as catalogue,
    ):
        catalogue.add_many(pool.submit(_enrolled, recordings).result())
        yield len(recordings), tracks
        done = len(recordings)
        for drawn in pool.map(_drawn, pieces):
            catalogue.add_many(drawn)
            done += len(drawn)
            yield done, tracks
        catalogue.save_graph()
    making.replace(folder)


def _one_thread() -> None:
    # Read when torch is loaded, which is later: a process per core and one thread each is quickest.
    os.environ["OMP_NUM_THREADS"] = "1"


def _enrolled(recordings: Sequence[Path]) -> list[NewTrack]:
    from encoder.model import Encoder

    heard = Listener(Encoder.load(), decode_threads=1).hear(recordings)
    return [new_track(each, each.path.stem, {"title": each.path.stem}) for each in heard if isinstance(each, HeardFile)]


def _drawn(seeds: Sequence[int]) -> list[NewTrack]:
    from encoder.model import Encoder

    encoder = Encoder.load()
    return [_drawn_track(encoder, seed) for seed in seeds]


def _drawn_track(encoder: Encoder, seed: int) -> NewTrack:
    song = drawn_song(compose(seed))
    magnitude_FT = np.repeat(draw_song(song, seed), FRAMES_PER_COLUMN, axis=1)
    duration_samples = magnitude_FT.shape[1] * HOP
    places = spans(duration_samples)
    chunks = [magnitude_FT[:, span.first_frame : span.first_frame + span.frames] for span in places]
    result = encoder.embed(chunks)
    sketch_nF = sketch(magnitude_FT)
    return NewTrack(
        track_id=song.work_id,
        metadata={"title": song.work_id, "artist": "drawn"},
        audio_hash=f"drawn-{seed}",
        duration_samples=duration_samples,
        embedding_ND=result.embedding_BD,
        starts_N=np.array([span.start_sample for span in places], np.int64),
        sketch_nF=sketch_nF,
        peaks_n=peaks(magnitude_FT),
        tonal_nV=tonal_print(sketch_nF),
    )


def draw_song(song: DrawnSong, seed: int) -> Array:
    """Magnitudes [84, C] of a whole song, one column for four CQT frames, always the same band for one seed."""
    pieces = []
    for piece in range(int(np.ceil(song.duration_s / (PIECE_COLUMNS * COLUMN_S)))):
        piece_FC = np.zeros((BINS, PIECE_COLUMNS), np.float32)
        start_s = piece * PIECE_COLUMNS * COLUMN_S
        draw_view(song.notes_N5, song.chords_K4, start_s, seed, DIFFICULTY, EMPTY_SPEECH, LEAKAGE, 1, piece_FC)
        pieces.append(piece_FC)
    return np.concatenate(pieces, axis=1)
