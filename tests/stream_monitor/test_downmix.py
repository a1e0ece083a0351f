"""Samples of any format to finite mono."""

from __future__ import annotations

import numpy as np
import pytest

from stream_monitor.downmix import to_mono


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("u1", 128, 128), ("i2", 2**15, 0), ("i4", 2**31, 0), ("f4", 1, 0), ("f8", 1, 0)],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("planar", [False, True])
def test_mono_is_the_mean_of_the_channels_in_every_format(dtype, scale, offset, channels, planar) -> None:
    """Integers and floats, packed and planar, mono to 5.1 give the mean with full scale 1."""
    wave_CS = np.random.default_rng(3).uniform(-0.9, 0.9, (channels, 50))
    coded_CS = (wave_CS * scale + offset).astype(dtype)
    samples = coded_CS if planar else np.ascontiguousarray(coded_CS.T).reshape(1, -1)
    mono_S, replaced = to_mono(samples, channels)
    assert mono_S.dtype == np.float32
    assert replaced == 0
    np.testing.assert_allclose(mono_S, wave_CS.mean(axis=0), atol=0.009 if dtype == "u1" else 1e-4)


def test_what_is_no_sound_becomes_zeros_and_is_counted() -> None:
    """NaN, infinities and garbage are replaced; the other channel and clipped samples stay."""
    wave_CS = np.array([[np.nan, np.inf, -np.inf, 1e30, 0.5, 1.5], [0.5, 0.5, 0.5, 0.5, 0.5, 1.5]])
    for dtype in ("f4", "f8"):
        mono_S, replaced = to_mono(wave_CS.astype(dtype), 2)
        assert mono_S.tolist() == [0.25, 0.25, 0.25, 0.25, 0.5, 1.5]
        assert replaced == 4


def test_an_unknown_kind_of_samples_is_refused() -> None:
    """Complex samples are nothing that can be mixed."""
    with pytest.raises(TypeError, match="complex64"):
        to_mono(np.zeros((1, 4), np.complex64), 1)
