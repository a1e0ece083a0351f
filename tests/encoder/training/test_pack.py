"""MIDI files are packed by their tempo maps, tunes by their bars."""

from pathlib import Path

import mido
import numpy as np

from encoder.training.pack import read_midi, readable
from encoder.training.tunebook import read_book


def test_tempo_changes_and_repeated_keys_are_respected(tmp_path: Path) -> None:
    """Notes lie where the tempo map puts them; a key struck again ends its last note."""
    midi = mido.MidiFile(ticks_per_beat=480)
    tempo, melody, piano = mido.MidiTrack(), mido.MidiTrack(), mido.MidiTrack()
    midi.tracks.extend([tempo, melody, piano])
    tempo.append(mido.MetaMessage("set_tempo", tempo=500_000, time=0))
    tempo.append(mido.MetaMessage("set_tempo", tempo=1_000_000, time=960))
    melody.append(mido.MetaMessage("track_name", name="MELODY", time=0))
    for kind, velocity, ticks in (("note_on", 90, 480), ("note_on", 80, 480), ("note_on", 0, 480)):
        melody.append(mido.Message(kind, note=60, velocity=velocity, time=ticks))
    piano.append(mido.MetaMessage("track_name", name="PIANO", time=0))
    piano.append(mido.Message("note_on", note=40, velocity=70, time=960))
    piano.append(mido.Message("note_off", note=40, velocity=0, time=960))
    midi.save(tmp_path / "x.mid")

    song = read_midi(tmp_path / "x.mid", "x-1", "x")

    expected = [(0.5, 0.5, 60, 90, 0), (1.0, 1.0, 60, 80, 0), (1.0, 2.0, 40, 70, 2)]
    np.testing.assert_allclose(song.notes_N5, np.array(expected), atol=1e-5)
    assert song.beats_s is not None
    np.testing.assert_allclose(song.beats_s, [0.0, 0.5, 1.0, 2.0, 3.0], atol=1e-5)


def test_tunes_without_whole_bars_are_left_out() -> None:
    """A tune of sixteen full bars is kept, one whose bars do not fit its metre is not."""
    head = "X:1\nT:T\nM:4/4\nL:1/4\nK:C\n"
    good = read_book(head + "|C D E F" * 16 + "|\n")[0]
    bad = read_book(head + "|C D E F G" * 16 + "|\n")[0]
    assert readable(good)
    assert not readable(bad)
