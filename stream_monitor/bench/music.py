"""The benchmarks' music: stations in which every second is different, half of it enrolled, as FLAC and as MP3.

A station plays an enrolled work (its recording, or on every other station a cover of it) and a song that nobody
enrolled, in turns; no talk, no silence. Songs are composed by rule and played by FluidSynth. Files are kept and used
again. It knows nothing of the monitor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.compose import VERSION as COMPOSE_VERSION
from encoder.training.compose import compose
from encoder.training.encode import encode
from encoder.training.render import render
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.bench.workers import workers

RATE = 44_100
MP3_BIT_RATE = 128_000
TURN_S = 60.0
"""Longest stretch of one song."""
FIRST_SEED = 900_000
"""Composed works from here on are in no part of the split."""
UNKNOWN_SEED = 950_000
SONGS_PER_STATION = 16
"""Seeds set aside for each station's songs that are not enrolled."""
MUSIC_VERSION = 1

Audio = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Music:
    """Files of a benchmark.

    Attributes:
        recordings: The enrolled works that stations play, whole.
        flac: Stations, 22,050 Hz mono.
        mp3: The first of them, 44,100 Hz stereo at 128 kbit/s.
    """

    recordings: tuple[Path, ...]
    flac: tuple[Path, ...]
    mp3: tuple[Path, ...]


def music_of(plan: BenchPlan) -> Music:
    """Where the files of a plan are, made or not."""
    enrolled = min(plan.streams, plan.tracks - 1)
    folder = plan.cache / f"music-{MUSIC_VERSION}.{COMPOSE_VERSION}-{plan.minutes:g}min-{enrolled}works"
    works = [folder / f"work-{i:04d}.flac" for i in range(enrolled)]
    flac = [folder / f"station-{i:04d}.flac" for i in range(plan.streams)]
    mp3 = [folder / f"station-{i:04d}.mp3" for i in range(min(plan.streams, plan.mp3_streams))]
    return Music(recordings=tuple(works), flac=tuple(flac), mp3=tuple(mp3))


def prepare_music(plan: BenchPlan) -> Iterator[tuple[int, int]]:
    """Renders what is not there yet, in as many processes as threads are allowed; yields (done, to do)."""
    music = music_of(plan)
    music.flac[0].parent.mkdir(parents=True, exist_ok=True)
    missing = [path for path in (*music.mp3, *music.recordings, *music.flac) if not path.exists()]
    if not missing:
        return
    works = len(music.recordings)
    with workers(plan.threads) as pool:
        for done, _ in enumerate(pool.map(partial(_make, works, plan.minutes * 60.0), missing), 1):
            yield done, len(missing)


def _make(works: int, station_s: float, path: Path) -> None:
    """Renders one file, under another name until it is whole."""
    kind, number = path.stem.split("-")
    temporary = path.with_name(f"part-{path.name}")
    rate = RATE if path.suffix == ".mp3" else RATE // 2
    if kind == "work":
        encode(render(plain(compose(FIRST_SEED + int(number))), rate=rate), rate, temporary)
    else:
        stereo = path.suffix == ".mp3"
        audio = _station(int(number), works, station_s, rate=rate, stereo=stereo)
        encode(audio, rate, temporary, bit_rate=MP3_BIT_RATE if stereo else None)
    temporary.replace(path)


def _station(number: int, works: int, station_s: float, *, rate: int, stereo: bool) -> Audio:
    """[S] or [2, S]: enrolled and unknown songs in turns, a minute each, the parts taken from within the songs."""
    rng = np.random.default_rng([17, number])
    pieces: list[Audio] = []
    length, turn = 0, number % 2
    while length < station_s * rate:
        seed = UNKNOWN_SEED + number * SONGS_PER_STATION + turn % SONGS_PER_STATION
        if turn % 2 == 0:
            seed = FIRST_SEED + (number + 7 * (turn // 2)) % works
        song = compose(seed)
        cover = turn % 2 == 0 and number % 4 >= 2
        arrangement = arrange(song, number, CoverConfig(difficulty=0.5)) if cover else plain(song)
        audio = render(arrangement, rate=rate, stereo=stereo, tail_s=0.0)
        stretch = min(round(TURN_S * rate), audio.shape[-1])
        start = int(rng.integers(0, audio.shape[-1] - stretch + 1))
        pieces.append(audio[..., start : start + stretch])
        length += stretch
        turn += 1
    joined: Audio = np.concatenate(pieces, axis=-1)[..., : round(station_s * rate)]
    return joined
