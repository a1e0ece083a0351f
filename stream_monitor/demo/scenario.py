"""What the demo plays: a catalogue of recordings and stations made of them, of covers, talk, jingles and unknown music.

Works come from the demo part of the split only, so nothing that training, calibration or tests saw. Everything follows
from one seed. Writes real files in real codecs; knows nothing of the monitor.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoder.grid import SAMPLE_RATE as RATE
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.corpus import load_songs
from encoder.training.encode import encode
from encoder.training.jingle import jingle
from encoder.training.notes import Song
from encoder.training.render import render
from encoder.training.speech import speech
from encoder.training.split import group_of
from stream_monitor.demo.scoring import Appearance
from stream_monitor.demo.stations import Audio, Item, assemble

SOURCES = ("composed", "oneill", "ryan", "aird")
CATALOGUE_CODECS = ((".flac", None), (".mp3", 192_000), (".m4a", 128_000), (".ogg", None))
STATION_CODECS = ((".mp3", 128_000), (".m4a", 96_000), (".opus", 64_000), (".flac", None))
SHORTEST_S, LONGEST_S = 60.0, 150.0

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioConfig:
    """How much is played. Each station broadcasts `plays` enrolled works and one that is not enrolled."""

    seed: int = 1
    tracks: int = 24
    stations: int = 3
    plays: int = 4
    recording_share: float = 0.4
    difficulty: float = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """A station's file and the truth about it."""

    name: str
    path: Path
    duration_s: float
    truth: tuple[Appearance, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Everything that was written: the catalogue's folder and CSV, the stations, titles by work_id."""

    metadata: Path
    tracks: Path
    stations: tuple[Station, ...]
    titles: dict[str, str]


def build(config: ScenarioConfig, folder: Path, progress: Progress) -> Scenario:
    """Renders the catalogue and the stations.

    Args:
        config: how much, from which seed.
        folder: where the files go; created.
        progress: is told one line for each thing that is made.

    Raises:
        TrainingDataError: If FluidSynth, a soundfont or espeak-ng is missing; the message names the package.
    """
    rng = np.random.default_rng([config.seed, 0xDE40])
    enrolled, unknown = _choose(config, rng)
    tracks, stations = folder / "tracks", folder / "stations"
    for place in (tracks, stations):
        place.mkdir(parents=True, exist_ok=True)
    recordings = _catalogue(enrolled, tracks, progress)
    order = [enrolled[i] for i in rng.permutation(len(enrolled))]
    made = []
    for number in range(config.stations):
        mine = order[number * config.plays : (number + 1) * config.plays]
        name = f"fm-{number + 1}"
        progress(f"station {name}")
        items = _programme(config, mine, unknown[number], recordings, rng)
        audio_S, truth = assemble(items, RATE)
        suffix, bit_rate = STATION_CODECS[number % len(STATION_CODECS)]
        path = encode(audio_S, RATE, stations / f"{name}{suffix}", bit_rate=bit_rate)
        made.append(Station(name=name, path=path, duration_s=len(audio_S) / RATE, truth=tuple(truth)))
    return Scenario(
        metadata=tracks / "tracks.csv",
        tracks=tracks,
        stations=tuple(made),
        titles={song.work_id: song.title.title() for song in (*enrolled, *unknown)},
    )


def _choose(config: ScenarioConfig, rng: np.random.Generator) -> tuple[list[Song], list[Song]]:
    """Works that are enrolled (half of them composed songs, half from tune books) and works that are not."""
    pools = []
    for sources in (SOURCES[:1], SOURCES[1:]):
        songs = [song for song in load_songs(sources, part="demo") if SHORTEST_S <= song.duration_s <= LONGEST_S]
        pools.append([songs[i] for i in rng.permutation(len(songs))])
    # Books hold settings of one tune under one title, which are not told apart by ear either.
    titled = {song.title.lower(): song for pair in zip(*pools, strict=False) for song in pair}
    mixed = list({group_of(song.work_id): song for song in titled.values()}.values())
    if len(mixed) < config.tracks + config.stations:
        raise ValueError(f"the demo has {len(mixed)} works, too few for {config.tracks} tracks; ask for fewer")
    return mixed[: config.tracks], mixed[config.tracks : config.tracks + config.stations]


def _catalogue(songs: list[Song], folder: Path, progress: Progress) -> dict[str, Audio]:
    """Writes the recordings and their CSV; gives the audio by work."""
    recordings: dict[str, Audio] = {}
    with (folder / "tracks.csv").open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(["track_id", "title", "artist", "work_id", "path"])
        for number, song in enumerate(songs):
            progress(f"recording {song.title.title()}")
            audio_S = render(plain(song), rate=RATE)
            suffix, bit_rate = CATALOGUE_CODECS[number % len(CATALOGUE_CODECS)]
            path = encode(audio_S, RATE, folder / f"{song.work_id}{suffix}", bit_rate=bit_rate)
            writer.writerow([f"rec-{song.work_id}", song.title.title(), "The Demo Band", song.work_id, path.name])
            recordings[song.work_id] = audio_S
    return recordings


def _programme(
    config: ScenarioConfig, songs: list[Song], unknown: Song, recordings: dict[str, Audio], rng: np.random.Generator
) -> list[Item]:
    """Items of one station: talk or a jingle between songs, a presenter over some of them, one song nobody knows."""
    cover = CoverConfig(difficulty=config.difficulty)
    music: list[Item] = []
    for song in songs:
        if rng.random() < config.recording_share:
            audio_S, how = recordings[song.work_id], "recording"
        else:
            audio_S, how = render(arrange(song, config.seed, cover), soundfont="TimGM6mb.sf2", rate=RATE), "version"
        music.append(Item(audio_S=audio_S, how=how, work_id=song.work_id, talk=_talk_over(audio_S, rng)))
    stranger_S = render(arrange(unknown, config.seed, cover), rate=RATE)
    music.insert(int(rng.integers(len(music) + 1)), Item(audio_S=stranger_S, how="unknown"))
    items = [_talk(rng, 12.0, 22.0)]
    for item in music:
        if rng.random() < 0.5:
            items.append(Item(audio_S=jingle(int(rng.integers(2**31))), how="jingle"))
        items += [item, _talk(rng, 6.0, 20.0)]
    return items


def _talk(rng: np.random.Generator, shortest_s: float, longest_s: float) -> Item:
    return Item(audio_S=speech(float(rng.uniform(shortest_s, longest_s)), int(rng.integers(2**31))), how="talk")


def _talk_over(audio_S: Audio, rng: np.random.Generator) -> tuple[tuple[float, Audio], ...]:
    """Talk over the first seconds of some songs, and in the middle of some."""
    spoken: list[tuple[float, Audio]] = []
    duration_s = len(audio_S) / RATE
    if rng.random() < 0.4:
        spoken.append((0.5, speech(float(rng.uniform(3.0, 7.0)), int(rng.integers(2**31)))))
    if rng.random() < 0.3:
        start_s = float(rng.uniform(0.35, 0.6)) * duration_s
        spoken.append((start_s, speech(float(rng.uniform(4.0, 9.0)), int(rng.integers(2**31)))))
    return tuple(spoken)
