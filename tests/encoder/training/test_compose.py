"""Songs by rule are songs, each its own."""

import numpy as np

from encoder.training.compose import compose, work_id
from encoder.training.notes import MELODY, PITCH, STEM, stem


def test_a_seed_always_gives_the_same_song() -> None:
    """Composing twice gives equal notes, another seed other notes."""
    assert np.array_equal(compose(3).notes_N5, compose(3).notes_N5)
    assert not np.array_equal(compose(3).notes_N5[:50], compose(4).notes_N5[:50])
    assert compose(3).work_id == work_id(3) == "composed-000003"


def test_songs_have_a_songs_measure() -> None:
    """Songs last 40 s to 5 min, sing most of the time, and stay in playable ranges."""
    for seed in range(40):
        song = compose(seed)
        assert 40 < song.duration_s < 300
        assert set(song.notes_N5[:, STEM]) == {0.0, 1.0, 2.0}
        melody = stem(song.notes_N5, MELODY)
        assert len(melody) > 0.5 * song.duration_s
        assert melody[:, PITCH].min() >= 48
        assert melody[:, PITCH].max() <= 96
        assert np.isfinite(song.notes_N5).all()


def test_choruses_return() -> None:
    """A song repeats itself: at least a fifth of its melody's four-note figures come back."""
    song = compose(11)
    steps = np.diff(stem(song.notes_N5, MELODY)[:, PITCH])
    figures = [tuple(steps[i : i + 4]) for i in range(len(steps) - 3)]
    assert len(set(figures)) < 0.8 * len(figures)
