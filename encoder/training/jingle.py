"""Station idents: three to eight seconds of music by rule, bright and final.

Knows nothing of stations; the sound comes from `render.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encoder.training.accompaniment import ChordSpan, bass_part, chord_part
from encoder.training.arrangement import Arrangement, Part, TimeMap
from encoder.training.harmony import Chord
from encoder.training.melody import section_motifs, sing
from encoder.training.notes import PIANO, NotesN5, sort_notes
from encoder.training.render import render

LEADS = (80, 81, 11, 14, 56, 61, 98, 9, 114, 55)
PADS = (88, 90, 48, 61, 62, 89)
CADENCES = (
    ((0, "maj"), (5, "maj"), (7, "maj"), (0, "maj")),
    ((9, "min"), (5, "maj"), (7, "7"), (0, "maj7")),
    ((0, "maj"), (8, "maj"), (10, "maj"), (0, "maj")),
    ((5, "maj7"), (7, "7"), (0, "maj"), (0, "maj")),
)


def jingle(seed: int) -> NDArray[np.float32]:
    """A short ident at 22,050 Hz, mono, 3 to 8 s, deterministic.

    Raises:
        TrainingDataError: If FluidSynth or a soundfont is not installed.
    """
    rng = np.random.default_rng([53, seed])
    length_s = float(rng.uniform(2.2, 7.0))
    beats = 4 if length_s < 4 else 8
    beat_s = length_s / beats
    tonic = int(rng.integers(12))
    cadence = CADENCES[int(rng.integers(len(CADENCES)))]
    spans = [
        ChordSpan(start=i * beats / 4, length=beats / 4, chord=Chord(root=(tonic + root) % 12, quality=quality))
        for i, (root, quality) in enumerate(cadence)
    ]
    motifs = section_motifs(rng, bars=beats // 4, bar=4, grid=0.5, density=0.8, leap=0.3)
    lead = sing(motifs, spans, tonic=tonic, scale="major", centre=76, bar=4, rng=rng)
    pad = chord_part(spans, str(rng.choice(["block", "pulse", "half"])), bar=4, centre=62, velocity=75, rng=rng)
    bass = bass_part(spans, str(rng.choice(["root", "rock", "octaves"])), bar=4, velocity=85, rng=rng)
    parts = (
        Part(role="melody", program=int(rng.choice(LEADS)), volume=115, notes_N5=_seconds(lead, beat_s)),
        Part(role="chords", program=int(rng.choice(PADS)), volume=85, notes_N5=_seconds(pad, beat_s)),
        Part(role="bass", program=38, volume=95, notes_N5=_seconds(bass, beat_s)),
    )
    ident = Arrangement(
        work_id=f"jingle-{seed}",
        parts=parts,
        time_map=TimeMap(spans_K4=np.array([[0.0, length_s, 0.0, length_s]])),
        transposition_semitones=0,
        tempo_ratio=1.0,
        description=("jingle",),
    )
    wave = render(ident, room=0.4, level_dbfs=-16.0, tail_s=0.8)
    fade = min(len(wave), 8820)
    wave[len(wave) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return wave


def _seconds(rows: list[tuple[float, float, float, float]], beat_s: float) -> NotesN5:
    table = np.array([(*row, PIANO) for row in rows], np.float64)
    table[:, :2] *= beat_s
    return sort_notes(table)
