"""Averaging, silence and normalisation."""

from __future__ import annotations

import numpy as np
import torch

from encoder.features import SILENCE, average_time, is_sounding, normalise


def test_averaging_drops_the_remainder() -> None:
    """861 frames by 20 are 43 means; the last frame counts nowhere."""
    frames_FT = np.random.default_rng(0).random((84, 861)).astype(np.float32)
    mean_FT = average_time(frames_FT, 20)
    assert mean_FT.shape == (84, 43)
    np.testing.assert_allclose(mean_FT[:, 42], frames_FT[:, 840:860].mean(axis=1), rtol=1e-6)


def test_normalised_features_do_not_depend_on_gain() -> None:
    """A chunk 40 dB louder gives the same features."""
    mean_BFT = torch.rand((2, 84, 43), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalise(mean_BFT), normalise(100 * mean_BFT), atol=1e-5, rtol=0)


def test_normalised_chunks_have_mean_zero_and_deviation_one() -> None:
    """Each chunk is standardised on its own."""
    features = normalise(torch.rand((3, 84, 12), generator=torch.Generator().manual_seed(0)) ** 4)
    torch.testing.assert_close(features.mean(dim=(1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.std(dim=(1, 2), correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_digital_silence_stays_finite() -> None:
    """Zeros give zeros, not NaN."""
    assert torch.isfinite(normalise(torch.zeros((1, 84, 43)))).all()


def test_silence_is_an_absolute_floor() -> None:
    """A chunk sounds if its loudest mean reaches the floor, and an empty one does not."""
    quiet = np.full((84, 43), 0.9 * SILENCE, np.float32)
    assert not is_sounding(quiet)
    quiet[40, 3] = SILENCE
    assert is_sounding(quiet)
    assert not is_sounding(np.zeros((84, 0), np.float32))
