"""The streaming resampler against torchaudio's on whole signals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchaudio.functional import resample

from encoder.errors import AudioShapeError, ResamplerStateError, SampleRateError
from encoder.resample import LOWPASS_FILTER_WIDTH, ROLLOFF, Samples, StreamingResampler

RATES = [4_000, 8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_056, 44_100, 47_999, 48_000, 96_000, 192_000, 384_000]


def noise(samples: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)


def resampled(rate: int, pieces: list[Samples]) -> Samples:
    resampler = StreamingResampler(rate)
    return np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.flush()])


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate not in (44_056, 47_999)])
def test_equals_torchaudio(rate: int) -> None:
    """Every sample, edges included, equals torchaudio's with the same filter in double precision."""
    signal = noise(rate * 3 // 5 + 11)
    expected = resample(
        torch.from_numpy(signal).double(),
        rate,
        22_050,
        lowpass_filter_width=LOWPASS_FILTER_WIDTH,
        rolloff=ROLLOFF,
        resampling_method="sinc_interp_hann",
    )
    np.testing.assert_allclose(resampled(rate, [signal]), expected.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [22_051, 44_056, 47_999])
def test_rates_without_a_common_divisor(rate: int) -> None:
    """A rate that shares next to nothing with 22,050 gives the samples of the filter's definition."""
    signal = noise(rate // 3)
    output = resampled(rate, [signal])
    cutoff = min(rate, 22_050) * ROLLOFF
    for m in (0, 1, 777, 4_321, output.size - 1):
        distance = (np.arange(signal.size) / rate - m / 22_050) * cutoff
        window = np.cos(np.clip(distance / LOWPASS_FILTER_WIDTH, -1, 1) * np.pi / 2) ** 2
        expected = signal @ (np.sinc(distance) * window) * cutoff / rate
        assert output[m] == pytest.approx(expected, abs=2e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rate=st.one_of(st.sampled_from(RATES), st.integers(4_000, 60_000)),
    samples=st.integers(0, 30_000),
    cuts=st.lists(st.floats(0, 1), max_size=12),
    small=st.integers(1, 40),
)
def test_same_bits_however_cut(rate: int, samples: int, cuts: list[float], small: int) -> None:
    """Any cutting of the input, empty and tiny pieces included, gives bit-identical output of the exact length."""
    signal = noise(samples, seed=samples)
    whole = resampled(rate, [signal])
    pieces = np.split(signal, sorted(int(cut * samples) for cut in cuts))
    tiny = np.split(pieces[0][: small * 50], range(small, min(pieces[0].size, small * 50), small))
    pieces = [*tiny, pieces[0][small * 50 :], *pieces[1:]]
    assert whole.dtype == np.float32
    assert whole.size == math.ceil(samples * 22_050 / rate)
    assert resampled(rate, pieces).tobytes() == whole.tobytes()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(rate=st.integers(4_000, 384_000), samples=st.integers(0, 3_000))
def test_every_rate_has_exact_length(rate: int, samples: int) -> None:
    """Any integer rate of the range gives ceil(n 22050 / rate) finite samples, in one piece or two."""
    signal = noise(samples)
    whole = resampled(rate, [signal])
    assert whole.size == math.ceil(samples * 22_050 / rate)
    assert np.isfinite(whole).all()
    assert np.array_equal(resampled(rate, [signal[: samples // 3], signal[samples // 3 :]]), whole)


def test_memory_is_bounded() -> None:
    """What is held back stays under a block and its filter, however long the stream is."""
    resampler = StreamingResampler(48_000)
    sent = 0
    for second in range(20):
        sent += resampler.push(noise(48_000, seed=second)).size
        assert (second + 1) * 22_050 - sent < 1_100
    assert sent + resampler.flush().size == 20 * 22_050


def test_the_callers_array_may_be_used_again() -> None:
    """Overwriting an array after it was pushed changes nothing."""
    signal = noise(4_410)
    resampler = StreamingResampler(44_100)
    got = []
    scratch = np.empty(441, np.float32)
    for start in range(0, signal.size, 441):
        scratch[:] = signal[start : start + 441]
        got.append(resampler.push(scratch))
        scratch[:] = np.nan
    assert np.array_equal(np.concatenate([*got, resampler.flush()]), resampled(44_100, [signal]))


def test_own_rate_passes_through() -> None:
    """Input at 22,050 Hz comes out untouched at once."""
    signal = noise(1_000)
    resampler = StreamingResampler(22_050)
    assert resampler.push(signal).tobytes() == signal.tobytes()
    assert resampler.flush().size == 0


@pytest.mark.parametrize("rate", [0, -44_100, 3_999, 384_001])
def test_refuses_other_rates(rate: int) -> None:
    """A rate outside the range is refused with its number."""
    with pytest.raises(SampleRateError, match=str(rate)):
        StreamingResampler(rate)


def test_refuses_wrong_arrays() -> None:
    """Samples that are not one-dimensional float32 are refused."""
    resampler = StreamingResampler(44_100)
    with pytest.raises(AudioShapeError):
        resampler.push(np.zeros((2, 10), np.float32))
    with pytest.raises(AudioShapeError):
        resampler.push(np.zeros(10))  # type: ignore[arg-type]


def test_refuses_use_after_flush() -> None:
    """A flushed resampler takes neither samples nor another flush."""
    resampler = StreamingResampler(44_100)
    resampler.flush()
    with pytest.raises(ResamplerStateError):
        resampler.push(noise(10))
    with pytest.raises(ResamplerStateError):
        resampler.flush()
