"""Writes a trial: a catalogue of recordings and hours of stations, some with enrolled works and some without any.

The works of one part of the split are divided: some are enrolled, the others are never enrolled and fill the
stations, so that a play of a work that is not in the catalogue can be counted. One tune in two books is one work.
Stations hold covers, recordings, talk, jingles and noise, in lossless and lossy codecs. All follows from a seed,
station by station, so that a trial can be cut off and taken up again. Knows nothing of the monitor.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from encoder.grid import SAMPLE_RATE as RATE
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.corpus import load_song
from encoder.training.encode import encode
from encoder.training.jingle import jingle
from encoder.training.noise import noise
from encoder.training.render import render
from encoder.training.speech import speech
from encoder.training.split import group_of, works
from stream_monitor.demo.scoring import Appearance
from stream_monitor.demo.stations import Audio, Item, assemble

SOUNDFONTS = ("FluidR3_GM.sf2", "TimGM6mb.sf2")
CODECS = (*[(".flac", None)] * 5, (".mp3", 64_000), (".mp3", 128_000), (".m4a", 96_000), (".opus", 48_000))
BED_S = 15.0
"""Noise under a whole station is a piece of this length, again and again."""
SHORTEST_S = 45.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldConfig:
    """A trial.

    Attributes:
        part: Part of the split that enrolled and unknown works come from.
        seed: Of everything.
        tracks: Size of the catalogue; where the part has too few works, works of `train` fill it up (never played).
        enrolled: Works of the part that are enrolled; the rest of the part is unknown.
        strange_hours: Hours of stations without any enrolled work.
        mixed_hours: Hours of stations where every other song is enrolled.
        played: Only this many of the enrolled works are played (0: all), so that a small catalogue holds them all.
        station_s: Length of a station at least.
        recording_share: Share of enrolled plays that are the recording itself, not a cover.
        recombined: Share of unknown songs that are an earlier one of the station at another speed (pitch with it).
    """

    part: str
    seed: int = 1
    tracks: int = 1000
    enrolled: int = 500
    strange_hours: float = 60.0
    mixed_hours: float = 20.0
    played: int = 0
    station_s: float = 1800.0
    recording_share: float = 0.35
    recombined: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Cast:
    """Who is in a trial: works that are enrolled, those of them that are played, and works that never are enrolled."""

    enrolled: tuple[str, ...]
    played: tuple[str, ...]
    unknown: tuple[str, ...]


def cast(config: WorldConfig) -> Cast:
    """Divides the works of the part; deterministic.

    A work is not enrolled if another one of its group, the same tune from another book, is among the unknown.
    """
    rng = np.random.default_rng([config.seed, 0xCA57])
    names = sorted(works(config.part))
    shuffled = [names[i] for i in rng.permutation(len(names))]
    unknown = shuffled[config.enrolled :]
    heard = {group_of(name) for name in unknown}
    own = [name for name in shuffled[: config.enrolled] if group_of(name) not in heard]
    filler = sorted(set(works("train")) - set(names))
    extra = [filler[i] for i in rng.permutation(len(filler))[: max(0, config.tracks - len(own))]]
    return Cast(enrolled=(*own, *extra), played=tuple(own[: config.played or len(own)]), unknown=tuple(unknown))


def build(config: WorldConfig, folder: Path, *, workers: int = 2) -> Iterator[str]:
    """Writes what is not there yet; yields the name of each file as it is done.

    Args:
        config: The trial.
        folder: Gets `tracks/` with `tracks.csv`, `stations/` with a truth file beside each station, `world.json`.
        workers: Processes.
    """
    members = cast(config)
    (folder / "tracks").mkdir(parents=True, exist_ok=True)
    (folder / "stations").mkdir(exist_ok=True)
    (folder / "world.json").write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
    _write_metadata(members, folder / "tracks" / "tracks.csv")
    strange = round(config.strange_hours * 3600 / config.station_s)
    mixed = round(config.mixed_hours * 3600 / config.station_s)
    names = [f"strange-{i:03d}" for i in range(strange)] + [f"mixed-{i:03d}" for i in range(mixed)]
    with ProcessPoolExecutor(workers, initializer=_calm) as pool:
        yield from pool.map(partial(_track, folder / "tracks"), members.enrolled, chunksize=8)
        yield from pool.map(partial(_station, config, folder / "stations"), names)


def read_truth(station: Path) -> tuple[float, list[Appearance]]:
    """Duration in seconds and true appearances of a station that `build` wrote."""
    told = json.loads(station.with_suffix(".json").read_text(encoding="utf-8"))
    return float(told["duration_s"]), [Appearance(**row) for row in told["truth"]]


def _calm() -> None:
    os.nice(10)


def _write_metadata(members: Cast, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(["track_id", "title", "work_id", "path"])
        writer.writerows([f"rec-{work}", work, group_of(work), f"{work}.flac"] for work in members.enrolled)


def _track(folder: Path, work: str) -> str:
    path = folder / f"{work}.flac"
    if not path.exists():
        _write(render(plain(load_song(work)), rate=RATE), path, None)
    return path.name


def _station(config: WorldConfig, folder: Path, name: str) -> str:
    kind, _, number = name.partition("-")
    rng = np.random.default_rng([config.seed, kind == "mixed", int(number)])
    suffix, bit_rate = CODECS[int(rng.integers(len(CODECS)))]
    path = folder / f"{name}{suffix}"
    if path.exists():
        return path.name
    members = cast(config)
    items: list[Item] = []
    heard: list[Item] = []
    seconds = 0.0
    while seconds < config.station_s:
        for item in _break(rng):
            items.append(item)
            seconds += len(item.audio_S) / RATE
        known = kind == "mixed" and rng.random() < 0.5
        if not known and heard and rng.random() < config.recombined:
            item = _sped(heard.pop(int(rng.integers(len(heard)))), rng)
        else:
            item = _song(config, members, known, rng)
            if not known:
                heard.append(item)
        items.append(item)
        seconds += len(item.audio_S) / RATE
    audio_S, truth = assemble(items, RATE)
    if rng.random() < 0.3:
        bed_S = noise(BED_S, int(rng.integers(2**31)), level_dbfs=float(rng.uniform(-50, -34)))
        audio_S = np.clip(audio_S + np.resize(bed_S, len(audio_S)), -1.0, 1.0)
    told = {"duration_s": len(audio_S) / RATE, "truth": [asdict(each) for each in truth]}
    path.with_suffix(".json").write_text(json.dumps(told), encoding="utf-8")
    _write(audio_S, path, bit_rate)
    return path.name


def _break(rng: np.random.Generator) -> list[Item]:
    """What is between songs: nothing, talk, a jingle, noise."""
    items = []
    if rng.random() < 0.55:
        items.append(Item(audio_S=speech(float(rng.uniform(4, 25)), int(rng.integers(2**31))), how="talk"))
    if rng.random() < 0.25:
        items.append(Item(audio_S=jingle(int(rng.integers(2**31))), how="jingle"))
    if rng.random() < 0.1:
        items.append(Item(audio_S=noise(float(rng.uniform(3, 20)), int(rng.integers(2**31))), how="pause"))
    return items


def _song(config: WorldConfig, members: Cast, known: bool, rng: np.random.Generator) -> Item:
    pool = members.played if known else members.unknown
    song = load_song(pool[int(rng.integers(len(pool)))])
    seed = int(rng.integers(2**31))
    font = SOUNDFONTS[int(rng.integers(2))]
    if known and rng.random() < config.recording_share:
        audio_S, how = render(plain(song), rate=RATE), "recording"
    else:
        cover = CoverConfig(difficulty=float(rng.uniform(0.2, 0.9)))
        room = float(rng.choice([0.0, 0.0, 0.3]))
        audio_S, how = render(arrange(song, seed, cover), soundfont=font, rate=RATE, room=room), "version"
    if rng.random() < 0.25 and len(audio_S) > SHORTEST_S * RATE:
        audio_S = _excerpt(audio_S, rng)
    talk = []
    if rng.random() < 0.35:
        start_s = float(rng.uniform(0, 0.7)) * len(audio_S) / RATE
        talk.append((start_s, speech(float(rng.uniform(3, 15)), int(rng.integers(2**31)))))
    if known:
        return Item(audio_S=audio_S, how=how, work_id=group_of(song.work_id), talk=tuple(talk))
    return Item(audio_S=audio_S, how="unknown", talk=tuple(talk))


def _sped(item: Item, rng: np.random.Generator) -> Item:
    """The song up to 9 % faster or slower, pitch with it: to a monitor another performance."""
    part = int(rng.integers(92, 98))
    up, down = (part, 100) if rng.random() < 0.5 else (100, part)
    return Item(audio_S=resample_poly(item.audio_S, up, down).astype(np.float32), how=item.how)


def _excerpt(audio_S: Audio, rng: np.random.Generator) -> Audio:
    """A piece of at least `SHORTEST_S`, as stations fade songs in late and out early."""
    shortest = round(SHORTEST_S * RATE)
    length = int(rng.integers(shortest, len(audio_S) + 1))
    start = int(rng.integers(0, len(audio_S) - length + 1))
    return audio_S[start : start + length]


def _write(audio_S: Audio, path: Path, bit_rate: int | None) -> None:
    """Writes through a temporary name, so that a file that is there is whole."""
    temporary = path.with_name(f"part-{os.getpid()}{path.suffix}")
    encode(audio_S, RATE, temporary, bit_rate=bit_rate)
    temporary.replace(path)
