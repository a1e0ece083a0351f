"""Random views: reproducible, finite, and recognisably of their song."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from encoder.training.augment import EMPTY_SPEECH, DrawnSong, ViewRequest, draw_views, drawn_song
from encoder.training.chords import chord_segments
from encoder.training.corpus import load_songs
from encoder.training.notes import Song


@pytest.fixture(scope="module")
def songs() -> list[DrawnSong]:
    """A few training works of two kinds."""
    return [drawn_song(song) for song in load_songs(("pop909", "oneill"), part="train", limit=3)]


def _requests(songs: list[DrawnSong]) -> list[ViewRequest]:
    return [ViewRequest(song=song, start_s=20.0, seed=100 + index) for index, song in enumerate(songs)]


@pytest.mark.parametrize("difficulty", [0.0, 0.1, 1.0])
def test_views_are_finite_and_sound(songs: list[DrawnSong], difficulty: float) -> None:
    """At every difficulty a view is [84, 43], finite, not negative, and not silent."""
    speech_FN = np.random.default_rng(0).random((84, 500)).astype(np.float32)
    mean_VFT = draw_views(_requests(songs), difficulty=difficulty, average_frames=20, speech_FN=speech_FN)
    assert mean_VFT.shape == (len(songs), 84, 43)
    assert np.isfinite(mean_VFT).all()
    assert (mean_VFT >= 0).all()
    assert (mean_VFT.max(axis=(1, 2)) > 1e-3).all()


def test_a_view_depends_on_its_seed_only(songs: list[DrawnSong]) -> None:
    """The same request gives the same bits in any order and on any thread; another seed gives another view."""
    requests = _requests(songs)
    one = draw_views(requests, difficulty=1.0, average_frames=20, speech_FN=EMPTY_SPEECH)
    with ThreadPoolExecutor(2) as pool:
        other = draw_views(requests[::-1], difficulty=1.0, average_frames=20, speech_FN=EMPTY_SPEECH, pool=pool)
    np.testing.assert_array_equal(one, other[::-1])
    changed = [ViewRequest(song=requests[0].song, start_s=20.0, seed=999)]
    assert not np.array_equal(draw_views(changed, difficulty=1.0, average_frames=20, speech_FN=EMPTY_SPEECH)[0], one[0])


def test_averaging_must_fit_the_columns(songs: list[DrawnSong]) -> None:
    """Drawing has columns of 4 frames, so other averages are refused."""
    with pytest.raises(ValueError, match="multiple of 4"):
        draw_views(_requests(songs), difficulty=0.5, average_frames=10, speech_FN=EMPTY_SPEECH)


def test_chords_are_those_that_were_played() -> None:
    """C major, then A minor, then F major, each two seconds in block chords, are named so."""
    rows: list[tuple[float, float, float, float, float]] = []
    for number, pitches in enumerate(((48, 60, 64, 67), (45, 57, 60, 64), (41, 57, 60, 65))):
        for beat in range(4):
            rows.extend((2.0 * number + 0.5 * beat, 0.45, pitch, 80, 2) for pitch in pitches)
    notes_N5 = np.array(sorted(rows), np.float32)
    song = Song(
        work_id="x", source="test", notes_N5=notes_N5, beats_s=np.arange(0, 6.5, 0.5, dtype=np.float32), title=""
    )
    segments = chord_segments(song)
    assert segments[:, 2:].astype(int).tolist() == [[0, 0], [9, 1], [5, 0]]
    np.testing.assert_allclose(segments[:, 0], [0.0, 2.0, 4.0], atol=0.01)


def test_a_song_without_notes_has_no_chords() -> None:
    """Nothing is guessed where nothing sounds."""
    song = Song(work_id="x", source="test", notes_N5=np.zeros((0, 5), np.float32), beats_s=None, title="")
    assert chord_segments(song).shape == (0, 4)
