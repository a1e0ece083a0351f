"""Training of the tonal features: pairs, talk, and that the network learns."""

from __future__ import annotations

import numpy as np

from encoder.training.tonal import TonalTrainingConfig, train_tonal
from encoder.training.tonal_pairs import Pair, with_talk


def pair(seed: int, rows: int = 160) -> Pair:
    """A cover a fourth higher whose rows are the original's with other noise."""
    rng = np.random.default_rng(seed)
    original = (rng.random((rows, 6, 12)) > 0.8).astype(np.float32)
    cover = np.roll(original, 5, axis=2) + 0.3 * rng.random((rows, 6, 12)).astype(np.float32)
    return Pair(
        cover_NRP=cover.astype(np.float32),
        original_NRP=original,
        place_N=np.arange(rows, dtype=np.float64),
        transposition=5,
    )


def test_training_lowers_the_loss() -> None:
    """Sixty small steps on made-up pairs bring the loss down."""
    config = TonalTrainingConfig(
        steps=60, batch=4, cover_rows=16, original_rows=48, width=8, channels=4, taps=3, mixes=(1,)
    )
    _, losses = train_tonal([pair(seed) for seed in range(6)], config)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_equal_seeds_give_equal_networks() -> None:
    """Training is deterministic on one machine."""
    config = TonalTrainingConfig(steps=3, batch=3, cover_rows=16, original_rows=48, width=4, channels=2, taps=3)
    first, second = (train_tonal([pair(seed) for seed in range(4)], config)[1] for _ in range(2))
    assert first == second


def test_stretches_keep_clear_of_jumps() -> None:
    """No stretch holds a row without a place, or a jump."""
    some = pair(0)
    place = some.place_N.copy()
    place[40:50] = -1
    place[100:] += 30
    cut = Pair(
        cover_NRP=some.cover_NRP, original_NRP=np.zeros((200, 6, 12), np.float32), place_N=place, transposition=0
    )
    starts = cut.starts(20, 60)
    assert set(starts) == {*range(0, 21), *range(50, 81), *range(100, 141)}


def test_talk_adds_power_and_takes_none() -> None:
    """With talk over it no cell of the music is quieter, and some are louder."""
    rng = np.random.default_rng(0)
    music, voice = rng.random((84, 900)).astype(np.float32), rng.random((84, 500)).astype(np.float32)
    heard = with_talk(music, voice, rng)
    assert (heard >= music - 1e-6).all()
    assert (heard > music + 1e-3).any()
