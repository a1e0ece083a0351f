"""Covers beside their originals, row by row: what the network of tonal features is trained on.

Works of the training part, of every source, are rendered as their own recording and as covers, and again with speech
over the covers; renderings are kept in a folder. It knows nothing of networks.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.cqt import ConstantQ
from encoder.grid import HOP, SAMPLE_RATE
from encoder.sketch import sketch
from encoder.tonal import FEATURE_HOP_SAMPLES, deviation_of, registers
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.corpus import load_song
from encoder.training.render import render
from encoder.training.speech import speech
from encoder.training.split import evenly_spread, works

COVERS_PER_WORK: Final = 2
SOUNDFONTS: Final = ("FluidR3_GM.sf2", "TimGM6mb.sf2")
"""The original has one, its covers have another."""
LOG_TEMPO: Final = math.log(1.35)
"""Half of the covers are up to so much faster or slower than `arrange` made them."""
COVER_CENTS: Final = 50.0
ORIGINAL_CENTS: Final = 30.0
"""Most covers and half of the originals are up to so far from concert pitch."""
FORMAT: Final = 2
"""Of the kept renderings; those of another format are made again."""
SPEECH_S: Final = 120.0
TALK_EVERY_S: Final = 8.0

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """A cover and its original.

    Attributes:
        cover_NRP: What `encoder.tonal.registers` gives for the cover.
        original_NRP: The same of the original.
        place_N: Row of the original that each row of the cover plays (fractional); -1 where none.
        transposition: Semitones, cover relative to original, both at concert pitch.
    """

    cover_NRP: Float
    original_NRP: Float
    place_N: NDArray[np.float64]
    transposition: int

    def starts(self, rows: int, reach: int) -> NDArray[np.int64]:
        """Rows of the cover from which `rows` rows follow the original without a jump and within `reach` rows."""
        place = self.place_N
        count = len(place) - rows + 1
        step = np.concatenate(([0], np.cumsum(~((np.diff(place) > 0) & (np.diff(place) < 2)))))
        first = np.arange(max(0, count))
        last = first + rows - 1
        fits = (place[first] >= 0) & (place[last] < len(self.original_NRP) - 1) & (step[last] == step[first])
        return np.asarray(first[fits & (place[last] - place[first] < reach - 22)], np.int64)


def magnitudes(wave_S: Float) -> Float:
    """CQT magnitudes [84, T] of a whole recording."""
    front = ConstantQ()
    frames = (len(wave_S) - 1) // HOP + 1
    padded = np.zeros((frames - 1) * HOP + 1 + 2 * front.support_samples, np.float32)
    kept = min(len(wave_S), len(padded) - front.support_samples)
    padded[front.support_samples : front.support_samples + kept] = wave_S[:kept]
    return np.asarray(front(torch.from_numpy(padded[None]))[0].numpy(), np.float32)


def load_pairs(counts: Mapping[str, int], cache: Path, processes: int = 1) -> list[Pair]:
    """Pairs of works of the training part, four a work: two covers, each plain and with speech over it.

    Args:
        counts: How many works of each source, evenly spread over it.
        cache: Renderings are kept here.
        processes: How many render at once.
    """
    cache.mkdir(parents=True, exist_ok=True)
    train = works("train")
    names = [
        name
        for source, count in counts.items()
        for name in evenly_spread([name for name in train if name.startswith(f"{source}-")], count)
    ]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(partial(_render_work, cache=cache), names, chunksize=4))
    rng = np.random.default_rng(0)
    talk_FT = magnitudes(speech(SPEECH_S, 0))
    pairs = []
    for name in names:
        original = _rendered(name, None, cache)
        original_NF = sketch(original.magnitude_FT)
        original_NRP = registers(original_NF)
        original_pitch = original.cents / 100 - deviation_of(original_NF)
        for seed in range(COVERS_PER_WORK):
            cover = _rendered(name, seed, cache)
            for heard_FT in (cover.magnitude_FT, with_talk(cover.magnitude_FT, talk_FT, rng)):
                cover_NF = sketch(heard_FT)
                cover_NRP = registers(cover_NF)
                pairs.append(
                    Pair(
                        cover_NRP=cover_NRP,
                        original_NRP=original_NRP,
                        place_N=_places(cover.spans_K4, len(cover_NRP)),
                        transposition=round(cover.cents / 100 - deviation_of(cover_NF) - original_pitch),
                    )
                )
    return pairs


def cover_config(name: str, seed: int) -> CoverConfig:
    """How far a cover goes: anything from the same notes in another band to little but the melody."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), 3, seed])
    return CoverConfig(
        difficulty=float(rng.uniform(0.3, 1.0)),
        rewrite=0.75,
        substitution=float(rng.uniform(0.1, 0.25)),
        structure=bool(rng.random() < 0.2),
    )


def with_talk(music_FT: Float, talk_FT: Float, rng: np.random.Generator) -> Float:
    """Music with speech over about half of it, at -12 to 8 dB of its level (powers add)."""
    frames = np.arange(music_FT.shape[1])
    voice_FT = talk_FT[:, (frames + int(rng.integers(talk_FT.shape[1]))) % talk_FT.shape[1]]
    phase = rng.uniform(0, 2 * np.pi)
    speaks_T = np.sin(frames * HOP / SAMPLE_RATE / TALK_EVERY_S * 2 * np.pi + phase) > -0.2
    level = np.sqrt(np.mean(np.square(music_FT)) / np.mean(np.square(talk_FT))) * 10 ** (rng.uniform(-12, 8) / 20)
    return np.asarray(np.sqrt(np.square(music_FT) + np.square(level * voice_FT * speaks_T)), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Rendering:
    """Magnitudes [84, T], the map of time to the original, and cents above the notes as they are written."""

    magnitude_FT: Float
    spans_K4: NDArray[np.float64]
    cents: float


def _render_work(name: str, cache: Path) -> None:
    for seed in (None, *range(COVERS_PER_WORK)):
        _file(name, seed, cache)


def _rendered(name: str, seed: int | None, cache: Path) -> _Rendering:
    """A work's recording (None) or one of its covers."""
    with np.load(_file(name, seed, cache)) as kept:
        return _Rendering(
            magnitude_FT=kept["magnitude_FT"].astype(np.float32),
            spans_K4=kept["spans_K4"],
            cents=float(kept["cents"]),
        )


def _file(name: str, seed: int | None, cache: Path) -> Path:
    """Where a rendering is kept; it is made if it is not there yet."""
    path = cache / f"{name}_{'original' if seed is None else seed}-{FORMAT}.npz"
    if not path.exists():
        _render(name, seed, path)
    return path


def _render(name: str, seed: int | None, path: Path) -> None:
    song = load_song(name)
    own = seed is None
    rng = np.random.default_rng([zlib.crc32(name.encode()), 4, 0 if seed is None else seed + 1])
    arrangement = plain(song) if seed is None else arrange(song, seed, cover_config(name, seed))
    if not own and rng.random() < 0.5:
        arrangement = arrangement.at_tempo(math.exp(rng.uniform(-LOG_TEMPO, LOG_TEMPO)))
    limit = ORIGINAL_CENTS if own else COVER_CENTS
    cents = float(rng.uniform(-limit, limit)) if rng.random() < (0.5 if own else 0.7) else 0.0
    font = (zlib.crc32(name.encode()) + (0 if own else 1)) % len(SOUNDFONTS)
    wave_S = render(arrangement, soundfont=SOUNDFONTS[font], room=0.0 if own else 0.3, tuning_cents=cents)
    partial_path = path.with_suffix(".part.npz")
    np.savez(
        partial_path,
        magnitude_FT=magnitudes(wave_S).astype(np.float16),
        spans_K4=arrangement.time_map.spans_K4,
        cents=100.0 * arrangement.transposition_semitones + cents,
    )
    partial_path.replace(path)


def _places(spans_K4: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Row of the original for each row of the cover, -1 where the cover plays something else."""
    row_s = FEATURE_HOP_SAMPLES / SAMPLE_RATE
    at_s = np.arange(rows) * row_s
    place_N = np.full(rows, -1.0)
    for cover_start, cover_end, start, end in spans_K4.tolist():
        here = (at_s >= cover_start) & (at_s < cover_end)
        place_N[here] = (start + (at_s[here] - cover_start) * (end - start) / (cover_end - cover_start)) / row_s
    return place_N
