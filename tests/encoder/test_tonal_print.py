"""The kept form of tonal features: what it changes, and what its fingerprint depends on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoder import tonal_print as module
from encoder.errors import AudioShapeError, WeightsError
from encoder.tonal import features
from encoder.tonal_print import features_of, tonal_fingerprint, tonal_print


def _sketch(rows: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    held_NF = np.repeat(rng.integers(0, 60, (rows // 8 + 1, 84)), 8, axis=0)[:rows]
    notes_NF = np.repeat(rng.random((rows // 8 + 1, 84)) < 0.08, 8, axis=0)[:rows]
    return (held_NF + 150 * notes_NF).astype(np.uint8)


def test_a_print_gives_back_the_features() -> None:
    """Rows come back in place, and every similarity of two rows to a hundredth."""
    sketch_NF = _sketch(400)
    made, kept = features(sketch_NF), features_of(tonal_print(sketch_NF))
    assert (kept.first, kept.tonal_NCP.shape, kept.tonal_NCP.dtype) == (0, made.tonal_NCP.shape, np.float32)
    made_NV, kept_NV = (each.tonal_NCP.reshape(200, -1) for each in (made, kept))
    np.testing.assert_allclose(kept_NV @ made_NV.T, made_NV @ made_NV.T, atol=0.01)


def test_silence_stays_silence() -> None:
    """Rows without sound are zeros, and an empty sketch has an empty print that still says how wide rows are."""
    assert not tonal_print(np.zeros((40, 84), np.uint8)).any()
    empty_NV = tonal_print(np.zeros((0, 84), np.uint8))
    assert (len(empty_NV), empty_NV.shape[1]) == (0, tonal_print(_sketch(8)).shape[1])


def test_what_is_no_print_is_refused() -> None:
    """Rows that are not whole pitch classes are no tonal features."""
    with pytest.raises(AudioShapeError, match=r"multiple of 12.*\[3, 95\]"):
        features_of(np.zeros((3, 95), np.int8))


def test_the_fingerprint_is_that_of_the_weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One changed byte is another fingerprint, and a missing file is said."""
    mark = tonal_fingerprint()
    copy = tmp_path / "weights.safetensors"
    content = bytearray(module.WEIGHTS.read_bytes())
    monkeypatch.setattr(module, "WEIGHTS", copy)
    try:
        tonal_fingerprint.cache_clear()
        copy.write_bytes(content)
        assert tonal_fingerprint() == mark
        content[-1] ^= 1
        copy.write_bytes(content)
        tonal_fingerprint.cache_clear()
        assert tonal_fingerprint() != mark
        copy.unlink()
        tonal_fingerprint.cache_clear()
        with pytest.raises(WeightsError, match="no weights of tonal features"):
            tonal_fingerprint()
    finally:
        tonal_fingerprint.cache_clear()
