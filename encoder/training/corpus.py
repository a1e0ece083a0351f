"""The corpus: every song that training, tests and the demo may use.

Packed songs are read from this package's data, composed ones are made from their seeds. Knows nothing of MIDI files
or tune books (`pack.py` read those once) and nothing of audio.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from encoder.errors import TrainingDataError
from encoder.training.compose import compose
from encoder.training.notes import Song
from encoder.training.packed import read_songs
from encoder.training.split import load_split, works

DATA = Path(__file__).parent / "data"
PACKED = {"pop909": "pop909.npz", "oneill": "oneill.npz", "ryan": "ryan.npz", "aird": "aird.npz"}
"""Source to the packed file that holds it."""

COMPOSED = "composed"
SOURCES = (*PACKED, COMPOSED)

__all__ = ["COMPOSED", "DATA", "PACKED", "SOURCES", "Song", "load_song", "load_songs"]


def load_songs(
    sources: Sequence[str] = ("pop909",), *, part: str | None = None, limit: int | None = None
) -> list[Song]:
    """Songs of the named sources in a fixed order.

    Args:
        sources: Names out of `SOURCES`. Composed songs take about 4 ms each, packed ones 0.1 ms.
        part: Only works of this part of the split (train, validation, test, demo); None gives all.
        limit: At most this many songs of each source, the first in order.

    Raises:
        TrainingDataError: If a source or part is not known, or the data are missing.
    """
    wanted = set(works(part)) if part is not None else None
    songs: list[Song] = []
    for source in sources:
        if source == COMPOSED:
            names = [w for w in load_split() if w.startswith(f"{COMPOSED}-") and (wanted is None or w in wanted)]
            songs.extend(load_song(name) for name in names[:limit])
        elif source in PACKED:
            packed = _packed(PACKED[source])
            songs.extend([song for song in packed if wanted is None or song.work_id in wanted][:limit])
        else:
            raise TrainingDataError(f"no source named {source!r}; known are {', '.join(SOURCES)}")
    return songs


@lru_cache(maxsize=256)
def load_song(work_id: str) -> Song:
    """One song by its name; composed songs of any seed are there.

    Raises:
        TrainingDataError: If there is no such song.
    """
    source, _, rest = work_id.partition("-")
    if source == COMPOSED and rest.isdigit():
        return compose(int(rest))
    for song in _packed(PACKED[source]) if source in PACKED else ():
        if song.work_id == work_id:
            return song
    raise TrainingDataError(f"no song named {work_id!r}")


@lru_cache(maxsize=4)
def _packed(name: str) -> tuple[Song, ...]:
    return tuple(read_songs(DATA / name))
