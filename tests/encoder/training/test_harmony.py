"""Chords are found under songs and for melodies, and turned into accompaniment."""

import numpy as np
import pytest

from encoder.training.accompaniment import (
    BASS_STYLES,
    CHORD_STYLES,
    DRUM_STYLES,
    ChordSpan,
    bass_part,
    chord_part,
    drum_part,
)
from encoder.training.harmony import Chord, estimate_chords, harmonise, span_chroma

C, A_MINOR, F, G = (Chord(root=r, quality=q) for r, q in ((0, "maj"), (9, "min"), (5, "maj"), (7, "maj")))


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("style", list(CHORD_STYLES))
def test_a_pattern_implies_its_chords(style: str) -> None:
    """The chords that a pattern was made from are estimated from its notes with a bass."""
    spans = [ChordSpan(start=4.0 * i, length=4.0, chord=c) for i, c in enumerate([C, A_MINOR, F, G, C])]
    rows = chord_part(spans, style, bar=4, centre=60, velocity=60, rng=_rng())
    rows += bass_part(spans, "root", bar=4, velocity=70, rng=_rng())
    notes_N5 = np.array([(*row, 2) for row in rows], np.float32)
    assert estimate_chords(notes_N5, np.arange(0, 21, 4.0)) == [C, A_MINOR, F, G, C]


def test_a_scale_is_harmonised_in_its_key() -> None:
    """A melody in C gets chords of C, ending on the tonic."""
    pitches = [60, 64, 67, 64, 65, 69, 72, 69, 67, 71, 74, 71, 72, 67, 64, 60]
    notes_N5 = np.array([(i, 1, pitch, 80, 0) for i, pitch in enumerate(pitches)], np.float32)
    chords = harmonise(span_chroma(notes_N5, np.arange(0, 17, 4.0)), tonic=0, minor=False)
    assert chords == [C, F, G, C]


@pytest.mark.parametrize("style", list(BASS_STYLES))
def test_bass_lines_stay_low_and_in_their_span(style: str) -> None:
    """Bass notes are between MIDI 26 and 60, start on the root and end with their chord."""
    spans = [ChordSpan(start=0, length=4, chord=G), ChordSpan(start=4, length=2, chord=A_MINOR)]
    rows = bass_part(spans, style, bar=4, velocity=70, rng=_rng())
    assert all(26 <= pitch <= 60 for _, _, pitch, _ in rows)
    assert rows[0][2] % 12 == 7
    assert all(onset + length <= 6 + 1e-6 for onset, length, _, _ in rows)


@pytest.mark.parametrize("style", list(DRUM_STYLES))
def test_drums_keep_to_their_bars(style: str) -> None:
    """Drum hits lie between the first and the last bar."""
    rows = drum_part(8, 24, style, bar=4, rng=_rng())
    assert rows
    assert all(8 <= onset < 24 for onset, _, _, _ in rows)
