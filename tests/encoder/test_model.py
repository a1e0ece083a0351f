"""The encoder with the shipped weights: what a chunk's embedding depends on, and what not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from encoder.errors import AudioShapeError, DeviceError
from encoder.grid import BLOCK_FRAMES, HOP, block_first_frame
from encoder.model import PRINTS_VERSION, Encoder
from encoder.tonal_print import tonal_fingerprint

Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped default."""
    return Encoder.load()


def _chunks(*lengths: int) -> list[Array]:
    rng = np.random.default_rng(4)
    return [(0.1 * rng.random((84, n)) ** 6).astype(np.float32) for n in lengths]


def test_embeddings_are_unit_vectors_of_512(encoder: Encoder) -> None:
    """The contract of a row."""
    found = encoder.embed(_chunks(861, 861))
    assert found.embedding_BD.shape == (2, encoder.dimensions)
    assert found.embedding_BD.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.embedding_BD, axis=1), 1.0, atol=1e-5)
    assert found.sounding_B.all()


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    """An empty call is no error."""
    found = encoder.embed([])
    assert found.embedding_BD.shape == (0, 512)
    assert found.sounding_B.shape == (0,)


def test_mixed_lengths_give_what_single_runs_give(encoder: Encoder) -> None:
    """Chunks of 6 to 20 s in one call, in any order, are not padded to each other."""
    chunks = _chunks(861, 258, 500, 861, 259, 430, 861)
    together = encoder.embed(chunks).embedding_BD
    for chunk, row in zip(chunks, together, strict=True):
        np.testing.assert_allclose(encoder.embed([chunk]).embedding_BD[0], row, atol=2e-6)


def test_deterministic_mode_gives_the_same_bits_in_any_company() -> None:
    """Padded to one shape, a chunk's embedding is bit-identical alone, among others, and at another place."""
    encoder = Encoder.load(batch=8, deterministic=True)
    chunks = _chunks(*[861] * 11, 300, 861)
    together = encoder.embed(chunks).embedding_BD
    backwards = encoder.embed(chunks[::-1]).embedding_BD[::-1]
    alone = np.stack([encoder.embed([chunk]).embedding_BD[0] for chunk in chunks])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, backwards)


def test_silence_has_no_embedding_and_disturbs_no_other(encoder: Encoder) -> None:
    """A silent chunk is a row of zeros; its neighbours are what they are alone."""
    loud, other = _chunks(861, 861)
    found = encoder.embed([loud, np.zeros((84, 861), np.float32), other])
    assert found.sounding_B.tolist() == [True, False, True]
    assert not found.embedding_BD[1].any()
    np.testing.assert_allclose(found.embedding_BD[2], encoder.embed([other]).embedding_BD[0], atol=2e-6)


@pytest.mark.parametrize("gain_db", [-20, 20])
def test_gain_does_not_change_an_embedding(encoder: Encoder, gain_db: int) -> None:
    """20 dB louder or softer is the same music."""
    (chunk,) = _chunks(861)
    gain = np.float32(10 ** (gain_db / 20))
    rows = encoder.embed([chunk, gain * chunk]).embedding_BD
    assert rows[0] @ rows[1] >= 0.9999


def test_bf16_stays_close_to_fp32() -> None:
    """The precision changes no fingerprint and hardly a cosine."""
    exact, quick = Encoder.load(), Encoder.load(precision="bf16")
    assert exact.fingerprint == quick.fingerprint
    chunks = _chunks(861, 600)
    cosine_B = (exact.embed(chunks).embedding_BD * quick.embed(chunks).embedding_BD).sum(axis=1)
    assert cosine_B.min() > 0.995


@pytest.mark.parametrize("shape", [(84, 257), (84, 862), (83, 861), (861,)])
def test_chunks_of_other_shapes_are_refused(encoder: Encoder, shape: tuple[int, ...]) -> None:
    """Under 6 s, over 20 s, and other bins are errors that name the shape."""
    with pytest.raises(AudioShapeError, match="6 to 20 s"):
        encoder.embed([np.zeros(shape, np.float32)])


def test_frames_of_a_block_lie_on_the_streams_grid(encoder: Encoder) -> None:
    """A tone that starts at a frame's centre sounds in that frame of the block and not well before it."""
    block = 3
    start, end = encoder.block_window(block)
    onset_frame = block_first_frame(block) + 200
    samples = np.arange(start, end)
    wave_S = np.where(samples >= onset_frame * HOP, np.sin(2 * np.pi * 1046.5 * samples / 22_050), 0.0)
    frames_FT = encoder.frames(wave_S[None].astype(np.float32))[0]
    assert frames_FT.shape == (84, BLOCK_FRAMES)
    assert frames_FT[60, 203:].min() > 0.45
    assert frames_FT[60, :197].max() < 0.01
    assert 0.15 < frames_FT[60, 200] < 0.35


def test_windows_of_another_length_are_refused(encoder: Encoder) -> None:
    """The message names the length that blocks need."""
    with pytest.raises(AudioShapeError, match="need windows"):
        encoder.frames(np.zeros((1, 1000), np.float32))


def test_cohort_is_unit_rows(encoder: Encoder) -> None:
    """The cohort that normalises similarities ships with the weights."""
    assert 1000 <= len(encoder.cohort_CD) <= 2400
    np.testing.assert_allclose(np.linalg.norm(encoder.cohort_CD, axis=1), 1.0, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "precision 'int8'"),
        ({"batch": 0}, "batch is 0"),
        ({"device": "gramophone"}, "no device"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, object], message: str) -> None:
    """Each wrong option is one clear error."""
    with pytest.raises(DeviceError, match=message):
        Encoder.load(**options)  # type: ignore[arg-type]  # wrong values on purpose


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here, so it can be used")
def test_cuda_without_a_device_is_a_clear_error() -> None:
    """Asking for a GPU that is not there never falls back silently."""
    with pytest.raises(DeviceError, match="no CUDA device"):
        Encoder.load(device="cuda")


def test_the_fingerprint_names_the_tonal_weights_too(encoder: Encoder) -> None:
    """A catalogue keeps tonal features: another tonal network, or another way to keep them, is another encoder."""
    assert encoder.fingerprint.endswith(f"-{PRINTS_VERSION}-{tonal_fingerprint()}")
