"""The constant-Q transform against nnAudio's, and what the rest of the program relies on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from encoder import cqt, grid
from encoder.cqt import ConstantQ
from encoder.errors import AudioShapeError
from encoder.reference_cqt import ReferenceConstantQ

CQT = ConstantQ()
H = CQT.support_samples
FRAMES = 24


def window(frames: int) -> int:
    return (frames - 1) * grid.HOP + 1 + 2 * H


def music(rows: int, samples: int, seed: int = 0) -> Tensor:
    """Additive music: decaying bright chords over the whole range, with bursts of noise as drums."""
    rng = np.random.default_rng(seed)
    wave = np.zeros((rows, samples))
    seconds = np.arange(samples) / grid.SAMPLE_RATE
    for row in range(rows):
        for onset in np.arange(-1.0, seconds[-1], 0.2):
            since = np.maximum(seconds - onset, 0.0)
            envelope = np.where(seconds >= onset, np.exp(-4 * since), 0.0)
            fundamental = 440.0 * 2.0 ** ((rng.integers(26, 96) - 69) / 12)
            for harmonic in range(1, 1 + min(20, int(10_000 / fundamental))):
                phase = 2 * np.pi * fundamental * harmonic * seconds + rng.uniform(0, 6)
                wave[row] += 0.2 / harmonic * envelope * np.sin(phase)
            wave[row] += 0.1 * rng.standard_normal(samples) * envelope**4
    return torch.from_numpy(wave.astype(np.float32))


def noise(rows: int, frames: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, window(frames), generator=torch.Generator().manual_seed(seed))


def relative_error(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).norm() / expected.norm())


def test_equals_nnaudio_on_music() -> None:
    """Frames of music are nnAudio's to a relative L2 error of 0.001, ten times less than what was asked."""
    wave = music(3, window(FRAMES))
    got, expected = CQT(wave), ReferenceConstantQ(H)(wave)
    assert got.shape == expected.shape == (3, 84, FRAMES)
    for row in range(3):
        assert relative_error(got[row], expected[row]) < 1e-3


def test_equals_nnaudio_in_every_octave_of_white_noise() -> None:
    """White noise, the hardest case for aliasing, is nnAudio's to 0.001 in each octave."""
    wave = noise(2, FRAMES)
    got, expected = CQT(wave), ReferenceConstantQ(H)(wave)
    for octave in range(7):
        bins = slice(12 * octave, 12 * octave + 12)
        assert relative_error(got[:, bins], expected[:, bins]) < 1e-3


def test_zero_padding_is_the_references_edge() -> None:
    """Zeros before the first sample give the frames that the reference has there with its own zero padding."""
    sound = music(1, 6 * grid.HOP)
    wave = torch.nn.functional.pad(sound, (H, H + 1))
    expected = ReferenceConstantQ(0)(sound)
    assert relative_error(CQT(wave)[:, :, : expected.shape[2]], expected) < 1e-3


def test_a_sine_gives_half_its_amplitude_at_every_pitch() -> None:
    """A sine of amplitude 0.3 at a bin's frequency gives 0.15 there, and that bin is the largest."""
    seconds = np.arange(window(2)) / grid.SAMPLE_RATE
    waves = 0.3 * np.sin(2 * np.pi * cqt.bin_frequencies()[:, None] * seconds)
    frames = CQT(torch.from_numpy(waves.astype(np.float32)))[:, :, 1]
    assert torch.allclose(frames.diagonal(), torch.tensor(0.15), rtol=2e-3, atol=0)
    assert torch.equal(frames.argmax(dim=1), torch.arange(84))


def test_tones_above_the_top_bin_do_not_fold_back() -> None:
    """A full-scale tone from 7 to 11 kHz leaves less than -70 dB of itself in every bin."""
    seconds = np.arange(window(2)) / grid.SAMPLE_RATE
    waves = np.sin(2 * np.pi * np.linspace(7_000, 11_000, 41)[:, None] * seconds)
    frames = CQT(torch.from_numpy(waves.astype(np.float32)))
    assert float(frames.max()) < 0.5 * 10 ** (-70 / 20)


def test_frames_are_centred_and_see_no_further_than_the_support() -> None:
    """A click at a frame's centre shows most in that frame; outside the support it changes no bit of it."""
    frame = 30
    wave = noise(1, 61) * 1e-3
    clicked = wave.clone()
    clicked[0, H + frame * grid.HOP] += 1.0
    energy = CQT(clicked)[0].square().sum(dim=0)
    assert int(energy.argmax()) == frame
    outside = wave.clone()
    outside[0, : frame * grid.HOP] += 1.0
    outside[0, frame * grid.HOP + 2 * H + 1 :] -= 1.0
    assert torch.equal(CQT(outside)[:, :, frame], CQT(wave)[:, :, frame])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(batch=st.sampled_from([1, 2, 7, 8, 9, 16, 17]), seed=st.integers(0, 1_000), data=st.data())
def test_a_row_does_not_depend_on_the_others(batch: int, seed: int, data: st.DataObject) -> None:
    """At a fixed batch size a row's frames have the same bits at any place and beside any other rows."""
    row = noise(1, FRAMES, seed)
    place = data.draw(st.integers(0, batch - 1))
    first, second = noise(batch, FRAMES, seed + 1), 100 * noise(batch, FRAMES, seed + 2)
    first[0], second[place] = row[0], row[0]
    assert torch.equal(CQT(first)[0], CQT(second)[place])


def test_a_block_has_the_same_bits_beside_any_others() -> None:
    """The same holds for whole blocks of 431 frames, as the monitor computes them."""
    batch = noise(12, grid.BLOCK_FRAMES)
    assert batch.shape[1] == 430 * 512 + 1 + 2 * H
    straight, reversed_ = CQT(batch), CQT(batch.flip(0))
    assert torch.equal(straight, reversed_.flip(0))


def test_blocks_join_into_the_frames_of_the_whole() -> None:
    """Blocks cut on the grid give the frames of the whole signal, to rounding."""
    padded = torch.nn.functional.pad(music(1, 44_100).repeat(1, 15), (H, H + 512))
    whole = CQT(padded)[0]
    for block in range(2):
        start, end = grid.block_sample_window(block, H)
        first = grid.block_first_frame(block)
        got = CQT(padded[:, start + H : end + H])[0]
        assert torch.allclose(got, whole[:, first : first + grid.BLOCK_FRAMES], rtol=0, atol=1e-6)


@pytest.mark.parametrize("gain_db", [-20, 20])
def test_gain_scales_magnitudes(gain_db: int) -> None:
    """A gain of 20 dB either way scales every magnitude by it, to rounding."""
    gain = 10 ** (gain_db / 20)
    wave = music(1, window(FRAMES))
    frames = CQT(wave)
    assert torch.allclose(CQT(wave * gain), frames * gain, rtol=1e-4, atol=1e-6 * gain * float(frames.max()))


def test_powers_of_two_scale_exactly() -> None:
    """A gain that is a power of two scales every bit pattern exactly."""
    wave = noise(2, 5)
    assert torch.equal(CQT(wave * 8), CQT(wave) * 8)


@pytest.mark.parametrize("level", [0.0, 1e-39, 1e-20])
def test_silence_and_denormals(level: float) -> None:
    """Silence gives zeros, and samples too small to square give finite magnitudes near zero."""
    frames = CQT(noise(2, 3) * level)
    assert torch.isfinite(frames).all()
    assert float(frames.max()) <= level


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 33, 100])
def test_any_number_of_frames(frames: int) -> None:
    """A window of any length gives the frames that fit, up to 511 spare samples being ignored."""
    wave = noise(1, 100)
    whole = CQT(wave)
    assert torch.allclose(CQT(wave[:, : window(frames)]), whole[:, :, :frames], rtol=0, atol=1e-5)
    assert CQT.frames_of(window(frames) + 511) == frames
    assert torch.allclose(CQT(wave[:, : window(frames) + 511])[:, :, -1], whole[:, :, frames - 1], rtol=0, atol=1e-5)


def test_strided_input_is_taken() -> None:
    """A view that is not contiguous gives what its copy gives."""
    wave = noise(2, 4).t().contiguous().t()
    assert torch.equal(CQT(wave), CQT(wave.contiguous()))


def test_moves_like_any_module() -> None:
    """The transform is a module without parameters that `.to` moves; it leaves no gradient behind."""
    moved = ConstantQ().to("cpu")
    assert list(moved.parameters()) == []
    assert list(moved.state_dict()) == []
    assert not moved(noise(1, 1).requires_grad_()).requires_grad


@pytest.mark.parametrize(
    "wave", [torch.zeros(H), torch.zeros(1, 2 * H), torch.zeros(1, window(1), dtype=torch.float64)]
)
def test_refuses_what_it_cannot_take(wave: Tensor) -> None:
    """Windows of the wrong shape, type or length are refused by both transforms."""
    for transform in (CQT, ReferenceConstantQ(H)):
        with pytest.raises(AudioShapeError):
            transform(wave)


def test_an_empty_batch_gives_no_frames() -> None:
    """No rows in, no rows out."""
    assert CQT(torch.zeros(0, window(7))).shape == (0, 84, 7)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_equals_cpu() -> None:
    """A CUDA device gives the CPU's frames to single-precision rounding."""
    wave = music(4, window(FRAMES))
    assert relative_error(ConstantQ().cuda()(wave.cuda()).cpu(), CQT(wave)) < 1e-5
