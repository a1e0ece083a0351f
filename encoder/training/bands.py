"""Bands: which General MIDI instruments play together in a cover.

Tables only; knows nothing of notes.
"""

from __future__ import annotations

from dataclasses import dataclass

from encoder.training.accompaniment import DUPLE_BASS, DUPLE_STYLES


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Programs that may play each role, and the patterns that suit them; no `drums` means no drummer."""

    name: str
    melody: tuple[int, ...]
    bridge: tuple[int, ...]
    chords: tuple[int, ...]
    bass: tuple[int, ...]
    styles: tuple[str, ...] = DUPLE_STYLES
    bass_styles: tuple[str, ...] = DUPLE_BASS
    drums: tuple[str, ...] = ()


BANDS = (
    Band(name="piano ballad", melody=(0, 1, 73, 40, 52), bridge=(48, 40, 0), chords=(0, 2, 4), bass=(32, 33, 0),
         styles=("arpeggio", "half", "alberti", "folk"), bass_styles=("root", "two"), drums=("ballad",)),
    Band(name="rock", melody=(29, 30, 27, 81, 53), bridge=(27, 18, 30), chords=(27, 29, 18), bass=(33, 34),
         styles=("eighths", "pulse", "strum"), bass_styles=("rock", "octaves", "pop"), drums=("rock",)),
    Band(name="acoustic", melody=(73, 22, 40, 105, 21), bridge=(40, 72, 21), chords=(24, 25, 46), bass=(32, 33),
         styles=("folk", "strum", "arpeggio"), bass_styles=("root", "two"), drums=("train",)),
    Band(name="jazz trio", melody=(66, 65, 56, 11, 26), bridge=(11, 26, 64), chords=(0, 4, 26), bass=(32,),
         styles=("charleston", "offbeat", "half"), bass_styles=("walk", "two"), drums=("swing",)),
    Band(name="synth pop", melody=(80, 81, 82, 87, 62), bridge=(90, 89, 88), chords=(90, 63, 88, 4), bass=(38, 39),
         styles=("offbeat", "pulse", "sixteenths"), bass_styles=("octaves", "rock"), drums=("disco", "pop")),
    Band(name="strings", melody=(40, 41, 42, 68), bridge=(41, 70, 60), chords=(48, 49, 46), bass=(43, 42),
         styles=("block", "half", "pulse"), bass_styles=("root", "two")),
    Band(name="brass", melody=(56, 57, 59, 65), bridge=(60, 57, 66), chords=(61, 0, 62), bass=(58, 33),
         styles=("half", "charleston", "pulse"), bass_styles=("two", "pop"), drums=("pop", "latin")),
    Band(name="organ", melody=(19, 16, 53, 52), bridge=(17, 20), chords=(19, 16, 17), bass=(19, 33),
         styles=("block", "half"), bass_styles=("root", "two")),
    Band(name="latin", melody=(73, 56, 24, 12), bridge=(11, 66, 21), chords=(24, 25, 0), bass=(32, 33),
         styles=("charleston", "strum", "offbeat"), bass_styles=("pop", "two"), drums=("latin",)),
    Band(name="music box", melody=(10, 9, 11, 14, 108), bridge=(8, 88), chords=(46, 10, 107), bass=(46, 32),
         styles=("alberti", "arpeggio", "sixteenths"), bass_styles=("root",)),
    Band(name="winds", melody=(68, 71, 73, 74, 75), bridge=(71, 70, 69), chords=(71, 60, 48), bass=(70, 43),
         styles=("block", "pulse", "half"), bass_styles=("root", "two")),
    Band(name="choir", melody=(52, 53, 54, 85), bridge=(52, 91), chords=(52, 89, 19), bass=(32, 43),
         styles=("block", "half"), bass_styles=("root",), drums=("ballad",)),
    Band(name="solo guitar", melody=(24, 25, 26), bridge=(24, 25), chords=(24, 25, 26), bass=(24, 32),
         styles=("folk", "arpeggio", "strum"), bass_styles=("two", "root")),
    Band(name="country", melody=(105, 110, 22, 25), bridge=(110, 25), chords=(25, 105, 3), bass=(32, 33),
         styles=("oompah", "strum", "folk"), bass_styles=("two",), drums=("train", "rock")),
)  # fmt: skip
