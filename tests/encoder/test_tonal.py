"""Tonal features: the NumPy network against torch, keys, gain and grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from encoder.errors import AudioShapeError
from encoder.sketch import sketch
from encoder.tonal import WEIGHTS, feature_of, features, registers, sample_of
from encoder.training.tonal import TonalNetwork, TonalTrainingConfig
from encoder.tuning import hann_response


def music(seed: int, rows: int) -> np.ndarray:
    """A sketch of chords that change every ten rows, over noise; nothing in the lowest and highest octave."""
    rng = np.random.default_rng(seed)
    level = rng.integers(60, 90, (rows, 84))
    for start in range(0, rows, 10):
        for pitch in rng.integers(14, 70, 5):
            level[start : start + 10, pitch] = 200
    return level.astype(np.uint8)


def test_numpy_and_torch_agree() -> None:
    """The features that are used are those of the network that was trained."""
    with safe_open(WEIGHTS, framework="pt") as kept:
        recipe = TonalTrainingConfig.model_validate_json(kept.metadata()["recipe"])
    network = TonalNetwork(recipe.width, recipe.channels, recipe.taps, recipe.mixes)
    network.load_state_dict(load_file(WEIGHTS))
    some = music(0, 300)
    with torch.no_grad():
        expected = network(torch.from_numpy(registers(some)[None]))[0].numpy()
    np.testing.assert_allclose(features(some).tonal_NCP, expected, atol=2e-5)


def test_a_transposition_turns_the_pitch_classes() -> None:
    """Music three semitones higher gives nearly the same rows, turned by three."""
    some = music(1, 200)
    higher = np.roll(some, 3, axis=1)
    turned = np.roll(features(some).tonal_NCP, 3, axis=2)
    cosine_N = (features(higher).tonal_NCP * turned).sum(axis=(1, 2))
    assert np.median(cosine_N) > 0.9


def test_gain_does_not_matter() -> None:
    """Music 20 dB quieter gives the same rows but for rounding."""
    some = music(2, 200)
    np.testing.assert_allclose(features(some - 40).tonal_NCP, features(some).tonal_NCP, atol=1e-4)


def test_rows_sit_on_the_streams_grid() -> None:
    """A sketch that begins with row 7 gives features from place 4 (row 8) on, like those of the whole."""
    some = music(3, 200)
    part = features(some[7:], 7)
    assert part.first == 4
    np.testing.assert_allclose(part.tonal_NCP[12:], features(some).tonal_NCP[16:], atol=1e-4)


def test_silence_has_no_features() -> None:
    """Rows without sound are zeros, and an empty sketch gives no row."""
    assert not features(np.zeros((40, 84), np.uint8)).tonal_NCP.any()
    assert len(features(np.zeros((0, 84), np.uint8)).tonal_NCP) == 0


def test_samples_and_rows_convert_both_ways() -> None:
    """A row's middle is half-way between the centres of its sketch row's inner frames."""
    assert sample_of(3) == 3 * 4096 + 768
    assert feature_of(sample_of(3)) == 3


def test_other_shapes_are_refused() -> None:
    """A sketch with another number of bins is an error that names the shape."""
    with pytest.raises(AudioShapeError, match=r"\[4, 12\]"):
        features(np.zeros((4, 12), np.uint8))


@pytest.mark.parametrize("cents", [30, 45, 60])
def test_tuning_changes_little(cents: float) -> None:
    """Chords that far from concert pitch have nearly the features of those in tune, turned by a semitone or not."""
    rng = np.random.default_rng(4)
    bins = np.arange(84)

    def levels(off: float) -> np.ndarray:
        power_NF = np.zeros((120, 84))
        for n in range(0, 120, 6):
            for pitch in rng.choice(np.arange(14, 50), 4, replace=False):
                for h in range(1, 6):
                    place = pitch + off / 100 + 12 * np.log2(h)
                    power_NF[n : n + 6] += (0.2 / h * hann_response(place - bins)) ** 2
        return sketch(np.repeat(np.sqrt(power_NF).T, 4, axis=1).astype(np.float32))

    state = rng.bit_generator.state
    plain_NCP = features(levels(0)).tonal_NCP
    rng.bit_generator.state = state
    off_NCP = features(levels(cents)).tonal_NCP
    found = [(np.roll(plain_NCP, k, axis=2) * off_NCP).sum(axis=(1, 2)).mean() for k in (0, 1)]
    assert max(found) > 0.9
