"""The corpus gives every song of every source and part."""

import numpy as np
import pytest

from encoder.errors import TrainingDataError
from encoder.training.corpus import DATA, PACKED, load_song, load_songs
from encoder.training.notes import STEM


def test_pop909_is_whole() -> None:
    """All 700 songs are there, sorted notes of three stems, with beats."""
    songs = load_songs(("pop909",))
    assert [song.work_id for song in songs] == [f"pop909-{number:03d}" for number in range(1, 701)]
    for song in songs[::50]:
        assert set(song.notes_N5[:, STEM]) == {0.0, 1.0, 2.0}
        assert np.all(np.diff(song.notes_N5[:, 0]) >= 0)
        assert song.beats_s is not None
        assert song.beats_s[-1] > song.duration_s - 5
        assert song.notes_N5.dtype == np.float32


def test_the_books_hold_thousands_of_tunes_with_accompaniment() -> None:
    """Each book's tunes have titles, a melody and a piano part, and are songs of 30 s and more."""
    songs = load_songs(("oneill", "ryan", "aird"))
    assert len(songs) > 4000
    assert len({song.work_id for song in songs}) == len(songs)
    for song in songs[::200]:
        assert song.title
        assert {0.0, 2.0} <= set(song.notes_N5[:, STEM])
        assert song.duration_s > 30


def test_parts_and_limits_choose_songs() -> None:
    """A part gives only its works, and a limit the first of them."""
    test = load_songs(("pop909",), part="test")
    assert {int(song.work_id[-3:]) for song in test} >= set(range(601, 701))
    assert [song.work_id for song in load_songs(("composed",), part="demo", limit=2)] == [
        "composed-300000",
        "composed-300001",
    ]


def test_unknown_names_are_errors() -> None:
    """An unknown source, part or work is named in the error."""
    with pytest.raises(TrainingDataError, match="'beatles'"):
        load_songs(("beatles",))
    with pytest.raises(TrainingDataError, match="'exam'"):
        load_songs(("pop909",), part="exam")
    with pytest.raises(TrainingDataError, match="'pop909-999'"):
        load_song("pop909-999")


def test_the_data_are_small_and_licensed() -> None:
    """Packed data stay under 8 MB and their licences lie beside them."""
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 8_000_000
    text = (DATA / "LICENSES.md").read_text(encoding="utf-8")
    assert all(name in text for name in PACKED.values())
    assert "MIT License" in (DATA / "pop909.LICENSE").read_text(encoding="utf-8")
