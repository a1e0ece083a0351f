"""Works of the corpus as sound: each played by FluidSynth in several versions, some through a codec, kept as CQTs.

The slow and truer sibling of `drawn_versions.py`: a second of CPU for a minute of music, once, where drawing costs a
fraction of a millisecond each time. What comes out trains like recordings do (`recorded_versions.py`). Knows nothing
of batches.

Shapes: S samples.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from encoder.grid import SAMPLE_RATE
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.arrangement import Arrangement
from encoder.training.config import RenderedData
from encoder.training.corpus import load_songs
from encoder.training.cqt_cache import CqtCache
from encoder.training.encode import through_codec
from encoder.training.fluidsynth import find_soundfont
from encoder.training.notes import Song
from encoder.training.recorded_versions import RecordedClique
from encoder.training.render import render

Array = NDArray[np.float32]

CODECS = ((".mp3", 64_000), (".m4a", 64_000), (".opus", 32_000))
HARDEST = 0.9
TEMPO = (0.8, 1.25)
TUNING_CENTS = 40.0
ROOM = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class Performance:
    """One version of a work and how it is recorded; a codec is (suffix, bits a second)."""

    arrangement: Arrangement
    soundfont: str
    room: float
    tuning_cents: float
    codec: tuple[str, int] | None

    @property
    def key(self) -> str:
        """What decides the sound, for the cache."""
        how = f"{self.soundfont} {self.room:.3f} {self.tuning_cents:.2f} {self.codec}"
        return f"rendered {self.arrangement.work_id} {self.arrangement.digest} {how}"


def performance(song: Song, version: int, data: RenderedData, seed: int) -> Performance:
    """Version 0 is the work as it is written, the others covers of rising difficulty; all by the seed."""
    rng = np.random.default_rng([zlib.crc32(song.work_id.encode()), version, seed, 0x5E7])
    difficulty = HARDEST * version / (data.versions - 1)
    config = CoverConfig(difficulty=difficulty, tempo=TEMPO, structure=bool(rng.random() < 0.5), rewrite=difficulty)
    made = arrange(song, int(rng.integers(1 << 31)), config) if version else plain(song)
    return Performance(
        arrangement=made,
        soundfont=data.soundfonts[int(rng.integers(len(data.soundfonts)))],
        room=float(rng.uniform(0.0, ROOM)),
        tuning_cents=float(rng.uniform(-TUNING_CENTS, TUNING_CENTS)) if version else 0.0,
        codec=CODECS[int(rng.integers(len(CODECS)))] if rng.random() < data.codec_share else None,
    )


def sound(performance: Performance) -> Array:
    """Samples [S] at 22,050 Hz.

    Raises:
        TrainingDataError: FluidSynth or the soundfont is not installed.
    """
    wave_S = render(
        performance.arrangement,
        soundfont=performance.soundfont,
        rate=SAMPLE_RATE,
        room=performance.room,
        tuning_cents=performance.tuning_cents,
    )
    return wave_S if performance.codec is None else through_codec(wave_S, SAMPLE_RATE, *performance.codec)


def rendered_works(
    data: RenderedData, seed: int, threads: int, progress: Callable[[int, int], None]
) -> list[RecordedClique]:
    """The training works of the sources in all their versions; what the cache holds is not played again.

    Args:
        data: Which works, how many versions, where the cache is.
        seed: Decides the versions.
        threads: The synthesiser runs without Python's lock.
        progress: Called with recordings done and their number.

    Raises:
        TrainingDataError: FluidSynth or a soundfont is not installed.
    """
    for font in data.soundfonts:
        find_soundfont(font)
    songs = load_songs(data.sources, part="train", limit=data.works_per_source)
    cache = CqtCache(data.cache)
    done = 0

    def made(song: Song, version: int) -> NDArray[np.float16]:
        played = performance(song, version, data, seed)
        return cache.get(played.key, partial(sound, played))

    works: list[RecordedClique] = []
    with ThreadPoolExecutor(threads) as pool:
        for song, cqts in zip(songs, _in_order(pool, made, songs, data.versions), strict=True):
            names = tuple(f"{song.work_id} {version}" for version in range(data.versions))
            works.append(RecordedClique(name=song.work_id, recordings=names, cqts=cqts))
            done += data.versions
            progress(done, len(songs) * data.versions)
    return works


def _in_order(
    pool: ThreadPoolExecutor,
    made: Callable[[Song, int], NDArray[np.float16]],
    songs: Sequence[Song],
    versions: int,
) -> Iterator[tuple[NDArray[np.float16], ...]]:
    """All versions of song after song."""
    flat = pool.map(lambda pair: made(*pair), [(song, version) for song in songs for version in range(versions)])
    for _ in songs:
        yield tuple(next(flat) for _ in range(versions))
