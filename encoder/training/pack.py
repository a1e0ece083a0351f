"""Packs POP909's MIDI files and three tune books into the note arrays that the repository carries.

Run once by hand: ``python -m encoder.training.pack [MIDI_FOLDER]``. Needs mido and music21 (only for the books' ABC
files). Tempo maps are respected; the sustain pedal is left out, so that durations are those of the keys.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from pathlib import Path

import numpy as np

from encoder.errors import TrainingDataError
from encoder.training.books import tune_song, whole_bars
from encoder.training.corpus import DATA, PACKED
from encoder.training.midi_events import clock, notes_by_channel
from encoder.training.notes import BRIDGE, MELODY, PIANO, Song, sort_notes
from encoder.training.packed import write_songs
from encoder.training.tunebook import Tune, read_book

BOOK_FOLDERS = {"oneill": "oneills1850", "ryan": "ryansMammoth", "aird": "airdsAirs"}

TRACK_STEMS = {"MELODY": MELODY, "BRIDGE": BRIDGE, "PIANO": PIANO}


def read_midi(path: Path, work_id: str, source: str) -> Song:
    """One MIDI file with tracks named MELODY, BRIDGE and PIANO as a song."""
    import mido

    midi = mido.MidiFile(path)
    seconds = clock(midi)
    rows: list[tuple[int, int, int, int, int]] = []
    for track in midi.tracks:
        if track.name in TRACK_STEMS:
            rows += [(*note, TRACK_STEMS[track.name]) for notes in notes_by_channel(track).values() for note in notes]
    table = np.array(rows, np.int64).reshape(-1, 5)
    onset_s, stop_s = seconds(table[:, 0]), seconds(table[:, 1])
    notes_N5 = np.column_stack([onset_s, stop_s - onset_s, table[:, 2:]])
    beats = np.arange(0, table[:, 1].max() + 1, midi.ticks_per_beat)
    return Song(
        work_id=work_id,
        source=source,
        notes_N5=sort_notes(notes_N5),
        beats_s=seconds(beats).astype(np.float32),
        title="",
    )


def read_books(source: str) -> list[Song]:
    """Tunes of one book of music21's corpus as songs; what cannot be read as a tune in bars is left out."""
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise TrainingDataError("music21 is not installed: pip install music21")
    folder = Path(spec.origin).parent / "corpus" / BOOK_FOLDERS[source]
    songs: dict[str, Song] = {}
    for path in sorted(folder.glob("*.abc")):
        for place, tune in enumerate(read_book(path.read_text(encoding="utf-8", errors="replace"))):
            if not readable(tune):
                continue
            name = f"{source}-{path.stem.lower()}" + (f"-{tune.number}" if source != "ryan" else f"-{place}")
            if name not in songs:
                songs[name] = tune_song(tune, work_id=name, source=source)
    return list(songs.values())


def readable(tune: Tune) -> bool:
    """Whether a tune has 12 to 100 bars, most of them whole, and a song's length when played."""
    lengths = np.diff(whole_bars(tune))
    whole = np.mean(np.abs(lengths - tune.beats_per_bar) < 1e-6)
    return bool(whole > 0.6 and 12 <= len(lengths) <= 100)


def main() -> None:
    """Packs the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "midi_folder", type=Path, nargs="?", help="folder with 001.mid … and LICENSE (default: books only)"
    )
    folder: Path | None = parser.parse_args().midi_folder
    if folder is not None:
        songs = [read_midi(path, f"pop909-{path.stem}", "pop909") for path in sorted(folder.glob("[0-9]*.mid"))]
        write_songs(DATA / PACKED["pop909"], songs)
        shutil.copyfile(folder / "LICENSE", DATA / "pop909.LICENSE")
    for source in BOOK_FOLDERS:
        write_songs(DATA / PACKED[source], read_books(source))


if __name__ == "__main__":
    main()
