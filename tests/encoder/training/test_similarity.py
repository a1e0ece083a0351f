"""Melody n-grams find the same tune in any key and tempo."""

import dataclasses

import numpy as np

from encoder.training.compose import compose
from encoder.training.notes import DURATION, ONSET, PITCH
from encoder.training.similarity import melody_grams, merge, shared_pairs


def test_key_and_tempo_change_no_gram() -> None:
    """A song a fourth higher and a quarter faster has the same grams."""
    song = compose(5)
    notes_N5 = song.notes_N5.copy()
    notes_N5[:, PITCH] += 5
    notes_N5[:, [ONSET, DURATION]] *= np.float32(0.8)
    other = dataclasses.replace(song, notes_N5=notes_N5)
    assert len(melody_grams(song)) > 20
    assert melody_grams(other) == melody_grams(song)


def test_different_songs_share_little() -> None:
    """Composed songs of different seeds share less than a tenth of their grams."""
    grams = {str(seed): melody_grams(compose(seed)) for seed in range(30)}
    assert all(share < 0.1 for _, _, share in shared_pairs(grams, minimum=1))


def test_pairs_join_into_groups() -> None:
    """Works joined by a chain of pairs are one group, named by the first of them."""
    groups = merge(["a", "b", "c", "d", "e"], [("d", "c"), ("b", "d")])
    assert groups == {"a": "a", "b": "b", "c": "b", "d": "b", "e": "e"}
