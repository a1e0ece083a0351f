"""Packed songs come back as they went in, to the millisecond."""

from pathlib import Path

import numpy as np
import pytest

from encoder.errors import TrainingDataError
from encoder.training.notes import Song, sort_notes
from encoder.training.packed import read_songs, write_songs


def _song(name: str, notes: int, seed: int, *, beats: bool) -> Song:
    rng = np.random.default_rng(seed)
    table = np.column_stack(
        [
            rng.uniform(0, 200, notes),
            rng.uniform(0.01, 3, notes),
            rng.integers(20, 100, notes),
            rng.integers(1, 128, notes),
            rng.integers(0, 3, notes),
        ]
    )
    beats_s = np.cumsum(rng.uniform(0.4, 0.6, 50)).astype(np.float32) if beats else None
    return Song(work_id=name, source="made", notes_N5=sort_notes(table), beats_s=beats_s, title="Die Brücke")


def test_songs_come_back_to_the_millisecond(tmp_path: Path) -> None:
    """Writing and reading keeps order, titles, notes and beats, with times within half a millisecond."""
    songs = [_song("made-1", 300, 1, beats=True), _song("made-2", 40, 2, beats=False)]
    write_songs(tmp_path / "songs.npz", songs)
    back = read_songs(tmp_path / "songs.npz")
    assert [song.work_id for song in back] == ["made-1", "made-2"]
    assert back[0].title == "Die Brücke"
    assert back[1].beats_s is None
    np.testing.assert_allclose(back[0].beats_s, songs[0].beats_s, atol=0.00051)
    for before, after in zip(songs, back, strict=True):
        np.testing.assert_allclose(np.sort(after.notes_N5[:, 0]), np.sort(before.notes_N5[:, 0]), atol=0.00051)
        np.testing.assert_array_equal(
            np.bincount(after.notes_N5[:, 4].astype(int)), np.bincount(before.notes_N5[:, 4].astype(int))
        )
        assert sorted(after.notes_N5[:, 2]) == sorted(before.notes_N5[:, 2])


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """The packed file is a function of its songs."""
    for name in ("a.npz", "b.npz"):
        write_songs(tmp_path / name, [_song("made-1", 100, 3, beats=True)])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A packed file that is not there is an error with its path."""
    with pytest.raises(TrainingDataError, match=r"nothing\.npz"):
        read_songs(tmp_path / "nothing.npz")
