"""Covers at note level: another key, tempo, band, harmony, melody and structure, with the truth about time.

`plain` gives the recording that a catalogue would hold, `arrange` a cover of it; both deterministic. The steps, in
the original's own time: chords, melody, accompaniment, drums; then structure and tempo warp everything into the
cover's time. Knows nothing of sound or of the split.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.training.accompaniment import TRIPLE_BASS, TRIPLE_DRUMS, TRIPLE_STYLES, bass_part, chord_part, drum_part
from encoder.training.arrangement import Arrangement, Part, TimeMap
from encoder.training.backing import Grid, beat_grid, chord_spans, substitute, to_seconds
from encoder.training.bands import BANDS, Band
from encoder.training.notes import (
    BRIDGE,
    DURATION,
    MELODY,
    ONSET,
    PIANO,
    PITCH,
    VELOCITY,
    NotesN5,
    Song,
    sort_notes,
    stem,
)
from encoder.training.ornament import alter_melody, thin_piano
from encoder.training.structure import reorder, restructure, warp

BASS_BELOW = 52
"""Piano notes under this MIDI pitch that are the lowest of their moment count as the bass."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverConfig:
    """How far a cover may go from its original; chances and ranges at the given difficulty.

    Attributes:
        difficulty: 0 plays the same notes with another band, 1 changes about everything that covers change.
        max_transposition: Largest change of key in semitones.
        tempo: Range of the tempo ratio (cover over original).
        rubato: Largest slow deviation from that tempo, as a share.
        structure: Whether to add an introduction, cut and repeat sections.
        longest_s: With it sections are also reordered, and no more than so much of the original is kept (seconds).
        rewrite: Chance that the accompaniment is new (chords by rule) instead of the original's, thinned.
        substitution: Chance that a chord is substituted where the accompaniment is new.
    """

    difficulty: float = 0.6
    max_transposition: int = 6
    tempo: tuple[float, float] = (0.8, 1.25)
    rubato: float = 0.03
    structure: bool = False
    longest_s: float | None = None
    rewrite: float = 0.6
    substitution: float = 0.15


def plain(song: Song) -> Arrangement:
    """The recording that a catalogue holds: the song's own notes, played by a band that its name decides."""
    rng = np.random.default_rng([zlib.crc32(song.work_id.encode()), 1])
    band = BANDS[int(rng.integers(len(BANDS)))]
    grid = beat_grid(song)
    piano_N5 = stem(song.notes_N5, PIANO)
    chords_N5, bass_N5 = split_bass(piano_N5)
    parts = _players(
        band,
        {
            "melody": stem(song.notes_N5, MELODY),
            "bridge": stem(song.notes_N5, BRIDGE),
            "chords": chords_N5,
            "bass": bass_N5,
        },
        rng,
    )
    if band.drums and rng.random() < 0.8:
        parts.append(_drums(song, grid, band, rng))
    end = song.duration_s
    return Arrangement(
        work_id=song.work_id,
        parts=tuple(parts),
        time_map=TimeMap(spans_K4=np.array([[0.0, end, 0.0, end]])),
        transposition_semitones=0,
        tempo_ratio=1.0,
        description=("original", band.name),
    )


def arrange(song: Song, seed: int, config: CoverConfig | None = None, bands: Sequence[Band] = BANDS) -> Arrangement:
    """A cover of a song.

    Args:
        song: The original.
        seed: Decides everything that is random; equal seeds give equal covers.
        config: How far to go; the default is of middling difficulty and keeps the structure.
        bands: Who may play; never the band of the original.

    Returns:
        The cover with its map of time. Its melody is recognisable, its key, tempo, band, accompaniment and details
        are others.
    """
    config = config or CoverConfig()
    rng = np.random.default_rng([zlib.crc32(song.work_id.encode()), 2, seed])
    own = BANDS[int(np.random.default_rng([zlib.crc32(song.work_id.encode()), 1]).integers(len(BANDS)))]
    others = [band for band in bands if band is not own]
    band = others[int(rng.integers(len(others)))]
    grid = beat_grid(song)
    voices, said = _voices(song, grid, band, config, rng)
    parts = _players(band, voices, rng)
    if band.drums and rng.random() < 0.75:
        parts.append(_drums(song, grid, band, rng))
    shift = int(rng.integers(-config.max_transposition, config.max_transposition + 1))
    ratio = float(np.exp(rng.uniform(*np.log(config.tempo))))
    sections, intro_s = [(0.0, song.duration_s)], 0.0
    if config.structure and config.longest_s is not None:
        sections, intro_s = reorder(song, grid.beats_s, config.longest_s, rng)
    elif config.structure:
        sections, intro_s = restructure(song, grid.beats_s, rng)
    time_map = warp(sections, grid.beats_s, ratio=ratio, rubato=config.rubato, lead_s=intro_s / ratio, rng=rng)
    jitter_s = 0.004 + 0.014 * config.difficulty
    moved = [_move(part, time_map, shift, jitter_s, rng) for part in parts]
    if intro_s:
        moved += _introduction(moved, time_map, rng)
    return Arrangement(
        work_id=song.work_id,
        parts=tuple(part for part in moved if len(part.notes_N5)),
        time_map=time_map,
        transposition_semitones=shift,
        tempo_ratio=ratio,
        description=(band.name, *said, f"{shift:+d} semitones", f"tempo x{ratio:.2f}"),
    )


def split_bass(piano_N5: NotesN5) -> tuple[NotesN5, NotesN5]:
    """Piano notes as chords and bass: notes under `BASS_BELOW` that are the lowest within a twentieth of a second."""
    if not len(piano_N5):
        return piano_N5, piano_N5
    moment = np.rint(piano_N5[:, ONSET] * 20).astype(np.int64)
    _, moment = np.unique(moment, return_inverse=True)
    lowest = np.full(moment.max() + 1, 128.0)
    np.minimum.at(lowest, moment, piano_N5[:, PITCH])
    bass = (piano_N5[:, PITCH] < BASS_BELOW) & (piano_N5[:, PITCH] == lowest[moment])
    return piano_N5[~bass], piano_N5[bass]


def _voices(
    song: Song, grid: Grid, band: Band, config: CoverConfig, rng: np.random.Generator
) -> tuple[dict[str, NotesN5], list[str]]:
    """Notes of each role in the original's time, and what was decided."""
    hard = config.difficulty
    melody_N5 = alter_melody(stem(song.notes_N5, MELODY), grid.beat_s, hard, rng)
    bridge_N5 = stem(song.notes_N5, BRIDGE)
    voices = {"melody": melody_N5}
    said = []
    if rng.random() < config.rewrite:
        spans = substitute(chord_spans(song, grid), config.substitution, rng)
        triple = grid.bar == 3
        style = str(rng.choice(TRIPLE_STYLES if triple else band.styles))
        bass = str(rng.choice(TRIPLE_BASS if triple else band.bass_styles))
        centre = float(rng.uniform(52, 64))
        chords = chord_part(spans, style, bar=grid.bar, centre=centre, velocity=60, rng=rng)
        voices["chords"] = to_seconds(chords, grid, PIANO)
        voices["bass"] = to_seconds(bass_part(spans, bass, bar=grid.bar, velocity=76, rng=rng), grid, PIANO)
        said += [f"new accompaniment ({style}, bass {bass})"]
        if rng.random() < 0.5 * (1 - hard) + 0.2:
            voices["bridge"] = bridge_N5
    else:
        chords_N5, bass_N5 = split_bass(thin_piano(stem(song.notes_N5, PIANO), hard, rng))
        voices["chords"], voices["bass"] = chords_N5, bass_N5
        said += ["own accompaniment"]
        if rng.random() < 1 - 0.5 * hard:
            voices["bridge"] = bridge_N5
    if rng.random() < 0.1 * hard:
        del voices["bass"]
        said.append("no bass")
    return voices, said


def _players(band: Band, voices: dict[str, NotesN5], rng: np.random.Generator) -> list[Part]:
    volumes = {"melody": (95, 120), "bridge": (60, 95), "chords": (60, 95), "bass": (75, 105)}
    programs = {"melody": band.melody, "bridge": band.bridge, "chords": band.chords, "bass": band.bass}
    return [
        Part(
            role=role,
            program=int(rng.choice(programs[role])),
            volume=int(rng.integers(*volumes[role])),
            pan=int(rng.integers(40, 89)),
            notes_N5=notes_N5,
        )
        for role, notes_N5 in voices.items()
        if len(notes_N5)
    ]


def _drums(song: Song, grid: Grid, band: Band, rng: np.random.Generator) -> Part:
    style = str(rng.choice(TRIPLE_DRUMS if grid.bar == 3 else band.drums))
    start = float(np.searchsorted(grid.beats_s, song.notes_N5[0, ONSET], side="right") - 1)
    last = float(np.searchsorted(grid.beats_s, song.duration_s) - 1)
    rows = drum_part(max(start, 0.0), last, style, bar=grid.bar, rng=rng)
    return Part(
        role="drums",
        program=0,
        percussion=True,
        volume=int(rng.integers(60, 100)),
        notes_N5=to_seconds(rows, grid, PIANO),
    )


def _move(part: Part, time_map: TimeMap, shift: int, jitter_s: float, rng: np.random.Generator) -> Part:
    """The part in the cover's time and key; what the structure cuts is gone, what it repeats sounds again."""
    pieces: list[NDArray[np.float64]] = []
    onset = part.notes_N5[:, ONSET].astype(np.float64)
    for cover_start, cover_end, start, end in time_map.spans_K4.tolist():
        here = part.notes_N5[(onset >= start) & (onset < end)].astype(np.float64)
        slope = (cover_end - cover_start) / (end - start)
        here[:, ONSET] = cover_start + (here[:, ONSET] - start) * slope
        here[:, DURATION] *= slope
        pieces.append(here)
    notes = np.concatenate(pieces)
    notes[:, ONSET] = np.maximum(0.0, notes[:, ONSET] + rng.normal(0, jitter_s, len(notes)))
    notes[:, VELOCITY] = np.clip(notes[:, VELOCITY] + rng.normal(0, 6, len(notes)), 15, 127)
    if not part.percussion:
        notes[:, PITCH] = _in_range(notes[:, PITCH] + shift)
    return Part(
        role=part.role,
        program=part.program,
        percussion=part.percussion,
        volume=part.volume,
        pan=part.pan,
        notes_N5=sort_notes(notes),
    )


def _in_range(pitch: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pitches outside a piano's range, moved by octaves."""
    return np.where(pitch < 24, pitch + 12, np.where(pitch > 103, pitch - 12, pitch)).astype(np.float64)


def _introduction(parts: list[Part], time_map: TimeMap, rng: np.random.Generator) -> list[Part]:
    """Before the song begins: the accompaniment's later bars, which are not the song's beginning, with other drums."""
    lead_s = time_map.start_s
    source_s = lead_s + float(rng.uniform(0.3, 0.6)) * (time_map.end_s - lead_s)
    added = []
    for part in parts:
        if part.role in ("chords", "drums"):
            notes = part.notes_N5[(part.notes_N5[:, ONSET] >= source_s) & (part.notes_N5[:, ONSET] < source_s + lead_s)]
            moved = notes.copy()
            moved[:, ONSET] -= source_s
            moved[:, DURATION] = np.minimum(moved[:, DURATION], lead_s - moved[:, ONSET])
            added.append(
                Part(role=part.role, program=part.program, percussion=part.percussion, volume=part.volume,
                     pan=part.pan, notes_N5=moved)
            )  # fmt: skip
    return added
