"""The corpus: every song that training, tests and the demo may use, read from the packed data in this package.

Knows nothing of MIDI files or tune books (`pack.py` read those once) and nothing of audio.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from encoder.errors import TrainingDataError
from encoder.training.notes import Song
from encoder.training.packed import read_songs

DATA = Path(__file__).parent / "data"
PACKED = {"pop909": "pop909.npz", "oneill": "oneill.npz", "ryan": "ryan.npz", "aird": "aird.npz"}
"""Source to the packed file that holds it."""


def load_songs(sources: Sequence[str] = ("pop909",)) -> list[Song]:
    """Songs of the named sources in a fixed order.

    Args:
        sources: Names out of `PACKED`.

    Raises:
        TrainingDataError: If a source is not known.
    """
    songs: list[Song] = []
    for source in sources:
        if source not in PACKED:
            raise TrainingDataError(f"no source named {source!r}; known are {', '.join(PACKED)}")
        songs.extend(_packed(PACKED[source]))
    return songs


@lru_cache(maxsize=4)
def _packed(name: str) -> tuple[Song, ...]:
    return tuple(read_songs(DATA / name))
