"""What composed songs are made of: styles, forms, chord loops and words for titles.

Tables only; knows nothing of how they are used.
"""

from __future__ import annotations

from dataclasses import dataclass

Degree = tuple[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """What songs of one kind have in common; tempo is in beats a minute."""

    name: str
    bar: float
    tempo: tuple[float, float]
    grid: float
    density: tuple[float, float]
    leap: float
    chords: tuple[str, ...]
    bass: tuple[str, ...]
    scales: tuple[str, ...]


STYLES = (
    Style(
        name="pop",
        bar=4,
        tempo=(88, 128),
        grid=0.5,
        density=(0.5, 0.8),
        leap=0.12,
        scales=("major", "minor", "pentatonic"),
        chords=("pulse", "strum", "eighths", "sixteenths"),
        bass=("pop", "rock", "root"),
    ),
    Style(
        name="ballad",
        bar=4,
        tempo=(60, 84),
        grid=0.5,
        density=(0.35, 0.65),
        leap=0.15,
        scales=("major", "minor"),
        chords=("arpeggio", "half", "folk", "block"),
        bass=("root", "two"),
    ),
    Style(
        name="rock",
        bar=4,
        tempo=(110, 160),
        grid=0.5,
        density=(0.45, 0.75),
        leap=0.1,
        scales=("mixolydian", "minor pentatonic", "major"),
        chords=("eighths", "pulse", "strum"),
        bass=("rock", "octaves"),
    ),
    Style(
        name="swing",
        bar=4,
        tempo=(110, 190),
        grid=0.5,
        density=(0.35, 0.65),
        leap=0.25,
        scales=("major", "dorian", "harmonic minor"),
        chords=("charleston", "offbeat", "half"),
        bass=("walk", "two"),
    ),
    Style(
        name="waltz",
        bar=3,
        tempo=(90, 170),
        grid=0.5,
        density=(0.3, 0.6),
        leap=0.18,
        scales=("major", "minor", "harmonic minor"),
        chords=("waltz", "waltz arpeggio"),
        bass=("root", "three"),
    ),
    Style(
        name="folk",
        bar=4,
        tempo=(92, 132),
        grid=0.5,
        density=(0.55, 0.9),
        leap=0.12,
        scales=("major", "dorian", "mixolydian", "pentatonic"),
        chords=("folk", "oompah", "strum"),
        bass=("two", "root"),
    ),
    Style(
        name="latin",
        bar=4,
        tempo=(92, 136),
        grid=0.5,
        density=(0.45, 0.7),
        leap=0.15,
        scales=("minor", "harmonic minor", "major"),
        chords=("charleston", "strum", "offbeat"),
        bass=("pop", "two"),
    ),
    Style(
        name="dance",
        bar=4,
        tempo=(116, 132),
        grid=0.5,
        density=(0.5, 0.8),
        leap=0.1,
        scales=("minor", "minor pentatonic", "major"),
        chords=("offbeat", "pulse", "eighths"),
        bass=("octaves", "rock"),
    ),
    Style(
        name="six-eight",
        bar=3,
        tempo=(80, 150),
        grid=0.5,
        density=(0.45, 0.75),
        leap=0.15,
        scales=("major", "minor", "dorian"),
        chords=("jig", "jig chop", "waltz arpeggio"),
        bass=("root", "three"),
    ),
)

FORMS = ("ivcvcbcc", "ivvcvcbc", "vcvcbc", "ivcivcbc", "iaabaaba", "vcvcvc", "iabacab", "cvcvbcc")
MAJOR_LOOPS = (
    "1 5 6 4",
    "6 4 1 5",
    "1 6 4 5",
    "1 4 5 4",
    "1 4 6 5",
    "4 1 5 6",
    "1 3 4 5",
    "2 5 1 6",
    "1 5 4 4",
    "1 4 1 5",
    "1 5 6 3 4 1 4 5",
    "1 6 2 5",
    "4 5 3 6",
    "1 7 4 1",
    "6 5 4 5",
    "1 1 4 5",
    "4 4 1 1",
    "1 3 6 4",
)
MINOR_LOOPS = (
    "1 6 3 7",
    "1 7 6 5",
    "1 4 5 1",
    "1 7 6 7",
    "6 7 1 1",
    "1 3 7 4",
    "1 5 6 4",
    "1 4 7 3",
    "1 6 4 5",
    "1 1 6 7",
    "4 1 5 1",
    "1 3 6 7",
)
MAJOR_CHORDS: dict[str, Degree] = {
    "1": (0, "maj"),
    "2": (2, "min"),
    "3": (4, "min"),
    "4": (5, "maj"),
    "5": (7, "maj"),
    "6": (9, "min"),
    "7": (10, "maj"),
}
MINOR_CHORDS: dict[str, Degree] = {
    "1": (0, "min"),
    "2": (2, "dim"),
    "3": (3, "maj"),
    "4": (5, "min"),
    "5": (7, "maj"),
    "6": (8, "maj"),
    "7": (10, "maj"),
}
FOLLOWS = {"1": "4562371", "2": "5547", "3": "6442", "4": "1552", "5": "1164", "6": "4253", "7": "4136"}

ADJECTIVES = [
    "Silver",
    "Broken",
    "Quiet",
    "Golden",
    "Distant",
    "Paper",
    "Summer",
    "Hollow",
    "Velvet",
    "Northern",
    "Neon",
    "Little",
    "Crooked",
    "Amber",
    "Winter",
    "Second",
    "Painted",
    "Restless",
    "Blue",
    "Lantern",
    "Wandering",
    "Copper",
    "Early",
    "Sleeping",
]
NOUNS = [
    "River",
    "Harbour",
    "Window",
    "Garden",
    "Highway",
    "Letter",
    "Morning",
    "Orchard",
    "Signal",
    "Carousel",
    "Mountain",
    "Station",
    "Shadow",
    "Kite",
    "Avenue",
    "Tide",
    "Mirror",
    "Sparrow",
    "Fire",
    "Road",
    "Bridge",
    "Meadow",
    "Clock",
    "Ferry",
]
