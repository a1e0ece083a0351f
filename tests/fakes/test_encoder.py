"""The fake encoder keeps the promises of the real one that tests rest on."""

from __future__ import annotations

import numpy as np

from encoder import grid
from tests.fakes.encoder import FakeEncoder


def _tones(seed: int, samples: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time_S = np.arange(samples) / grid.SAMPLE_RATE
    return sum(0.1 * np.sin(2 * np.pi * f * time_S) for f in rng.uniform(80, 3000, 6)).astype(np.float32)


def test_a_tone_of_amplitude_a_shows_as_half_of_it_in_its_bin() -> None:
    """An A4 sine of amplitude 1 peaks in bin 45 at about one half."""
    encoder = FakeEncoder()
    start, end = encoder.block_window(1)
    wave_S = np.sin(2 * np.pi * 440.0 * np.arange(end - start) / grid.SAMPLE_RATE).astype(np.float32)
    frame_FT = encoder.frames(wave_S[None])[0]
    assert frame_FT.shape == (grid.BINS, grid.BLOCK_FRAMES)
    assert int(frame_FT[:, 200].argmax()) == 45
    assert 0.3 < frame_FT[45, 200] < 0.9


def test_embeddings_tell_sounds_apart_and_not_gains() -> None:
    """Rows are unit vectors, equal at another gain, unlike for other tones, zeros for silence."""
    encoder = FakeEncoder()
    start, end = encoder.block_window(1)
    waves_BS = np.stack([_tones(1, end - start), _tones(2, end - start), np.zeros(end - start, np.float32)])
    frames_BFT = encoder.frames(np.concatenate([waves_BS, waves_BS[:1] * np.float32(0.1)]))
    result = encoder.embed(list(frames_BFT))
    assert result.sounding_B.tolist() == [True, True, False, True]
    row_BD = result.embedding_BD
    assert row_BD[0] @ row_BD[3] > 0.999
    assert row_BD[0] @ row_BD[1] < 0.8
    assert not row_BD[2].any()
