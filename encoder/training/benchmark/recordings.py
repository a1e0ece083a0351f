"""One recording of the benchmark: how it is arranged, played and disguised, and the file that it becomes.

Every number is drawn from the work's name and the benchmark's seed. What goes beyond the training: bands, soundfont,
tuning, chorus, keys to 9 semitones away (6), tempi of .72 to 1.38 (.8 to 1.25), reordered sections. Knows nothing of
the list of works.

Shapes: S samples.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.grid import SAMPLE_RATE
from encoder.training.arrange import CoverConfig, arrange
from encoder.training.arrangement import Arrangement
from encoder.training.benchmark.bands import BENCHMARK_BANDS
from encoder.training.corpus import load_song
from encoder.training.encode import encode
from encoder.training.noise import noise
from encoder.training.render import levelled, render
from encoder.training.speech import speech

SOUNDFONT = "MuseScore_General_Lite.sf3"
LONGEST_S = 120.0
"""Of the original; 87 to 167 s at the benchmark's tempi, and an introduction."""
LADDER = ((0.3, 0.3, 0.1), (0.6, 0.6, 0.2), (0.8, 0.8, 0.3), (1.0, 0.9, 0.4))
"""Difficulty, chance of a new accompaniment and of each chord to be substituted, by arrangement."""
DISGUISED_FROM = 2
CODECS = ((".mp3", 64_000), (".m4a", 64_000), (".opus", 32_000))
TALK_CHANCE, NOISE_CHANCE = 0.6, 0.5
TALK_DB, NOISE_DB = (-8.0, 2.0), (-25.0, -10.0)
TALK_SHARE = (0.3, 0.7)
PAUSE_S = 0.05
"""Talk fades in and out over so long."""

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Disguise:
    """What lies over a recording, and how it is stored.

    Attributes:
        talk_db: Level of talk relative to the music; None without.
        talk_share: Part of the time that is talked over.
        noise_db: Level of noise; None without.
        suffix: Of the file, which names the codec.
        bit_rate: Bits a second; None for FLAC.
    """

    talk_db: float | None = None
    talk_share: float = 0.0
    noise_db: float | None = None
    suffix: str = ".flac"
    bit_rate: int | None = None

    @property
    def description(self) -> str:
        """For the list."""
        talk = f"talk {self.talk_db:+.0f} dB over {self.talk_share:.0%}" if self.talk_db is not None else ""
        hiss = f"noise {self.noise_db:+.0f} dB" if self.noise_db is not None else ""
        codec = f"{self.suffix[1:]} {self.bit_rate // 1000}k" if self.bit_rate is not None else ""
        return ", ".join(part for part in (talk, hiss, codec) if part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """One recording to make: a work, which of its arrangements, and the benchmark's seed."""

    work_id: str
    number: int
    seed: int
    plain_structure: bool = False

    @property
    def rng_seed(self) -> list[int]:
        """Where all randomness of this recording comes from."""
        return [zlib.crc32(self.work_id.encode()), self.number, self.seed, 0xBE4C]


def arrangement_of(take: Take) -> Arrangement:
    """The notes: who plays what and when."""
    difficulty, rewrite, substitution = LADDER[take.number]
    config = CoverConfig(
        difficulty=difficulty,
        max_transposition=9,
        tempo=(0.72, 1.38),
        rubato=0.04,
        structure=not take.plain_structure,
        longest_s=None if take.plain_structure else LONGEST_S,
        rewrite=rewrite,
        substitution=substitution,
    )
    seed = int(np.random.default_rng(take.rng_seed).integers(1 << 31))
    return arrange(load_song(take.work_id), seed, config, BENCHMARK_BANDS)


def disguise_of(take: Take) -> Disguise:
    """Talk, noise and codec of the later half of the arrangements; none for the others."""
    if take.number < DISGUISED_FROM:
        return Disguise()
    rng = np.random.default_rng([*take.rng_seed, 1])
    suffix, bit_rate = CODECS[int(rng.integers(len(CODECS)))]
    talks, hisses = rng.random() < TALK_CHANCE, rng.random() < NOISE_CHANCE
    return Disguise(
        talk_db=float(rng.uniform(*TALK_DB)) if talks else None,
        talk_share=float(rng.uniform(*TALK_SHARE)) if talks else 0.0,
        noise_db=float(rng.uniform(*NOISE_DB)) if hisses else None,
        suffix=suffix,
        bit_rate=bit_rate,
    )


def sound_of(take: Take, arrangement: Arrangement) -> Array:
    """Samples [S] at 22,050 Hz, with talk and noise.

    Raises:
        TrainingDataError: FluidSynth, the soundfont or espeak-ng is not installed.
    """
    rng = np.random.default_rng([*take.rng_seed, 2])
    music_S = render(
        arrangement,
        soundfont=SOUNDFONT,
        room=float(rng.uniform(0.0, 0.9)),
        chorus=bool(rng.random() < 0.5),
        tuning_cents=float(rng.uniform(-40.0, 40.0)),
    )
    disguise = disguise_of(take)
    level = float(np.sqrt(np.mean(np.square(music_S, dtype=np.float64))))
    mixed_S = music_S
    if disguise.talk_db is not None:
        talk_S = _talk(len(music_S), disguise.talk_share, rng)
        mixed_S = mixed_S + talk_S * np.float32(level * 10 ** (disguise.talk_db / 20))
    if disguise.noise_db is not None:
        hiss_S = noise(len(music_S) / SAMPLE_RATE + 1.0, int(rng.integers(1 << 31)))[: len(music_S)]
        power = float(np.sqrt(np.mean(np.square(hiss_S, dtype=np.float64)))) or 1.0
        mixed_S = mixed_S + hiss_S * np.float32(level * 10 ** (disguise.noise_db / 20) / power)
    return levelled(mixed_S, -18.0)


def make(take: Take, folder: Path) -> tuple[Path, str]:
    """Writes the recording's file, whole or not at all, unless it is there; returns it and what was done.

    Raises:
        TrainingDataError: A program or the soundfont is missing.
    """
    arrangement, disguise = arrangement_of(take), disguise_of(take)
    path = folder / f"{take.work_id}-{take.number}{disguise.suffix}"
    if not path.exists():
        partial = path.with_name(f"{path.stem}.part{path.suffix}")
        encode(sound_of(take, arrangement), SAMPLE_RATE, partial, bit_rate=disguise.bit_rate)
        partial.replace(path)
    return path, "; ".join(arrangement.description)


def _talk(samples: int, share: float, rng: np.random.Generator) -> Array:
    """Talk of RMS 1 over `share` of the time, in two stretches, silence elsewhere."""
    talk_S = np.zeros(samples, np.float32)
    length = int(samples * share / 2)
    fade = min(length // 2, round(PAUSE_S * SAMPLE_RATE))
    for half in range(2):
        spoken_S = speech(length / SAMPLE_RATE + 0.01, int(rng.integers(1 << 31)))[:length]
        power = float(np.sqrt(np.mean(np.square(spoken_S, dtype=np.float64)))) or 1.0
        window_S = np.ones(length, np.float32)
        window_S[:fade] = np.linspace(0, 1, fade, dtype=np.float32)
        window_S[length - fade :] = window_S[:fade][::-1]
        start = half * (samples // 2) + int(rng.integers(0, samples // 2 - length + 1))
        talk_S[start : start + length] = spoken_S / np.float32(power) * window_S
    return talk_S
