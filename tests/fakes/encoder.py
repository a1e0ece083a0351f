"""A small deterministic encoder with the interface of `encoder.model.Encoder`, without torch and without weights.

Frames are plain Hann-windowed spectra summed into 84 semitone bins; an embedding is a fixed random projection of the
log spectrum's mean and spread over time. It tells recordings apart, copies through codecs alike, and is the same for
any gain; it knows nothing of keys, tempi or versions.

B batch, S samples, F bins (84), T frames, D 512, C cohort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from encoder import grid

SUPPORT_SAMPLES = 2048
_SILENCE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeEmbeddings:
    """As `encoder.model.Embeddings`."""

    embedding_BD: npt.NDArray[np.float32]
    sounding_B: npt.NDArray[np.bool_]


class FakeEncoder:
    """As `encoder.model.Encoder`; every batch size gives the same bits, for rows are computed one by one."""

    fingerprint = "fake-encoder-1"
    dimensions = 512

    def __init__(self) -> None:
        rng = np.random.default_rng(20)
        self._projection_VD = rng.standard_normal((2 * grid.BINS, self.dimensions)).astype(np.float32)
        cohort_CD = rng.standard_normal((64, self.dimensions)).astype(np.float32)
        self.cohort_CD = cohort_CD / np.linalg.norm(cohort_CD, axis=1, keepdims=True)
        self.calibration: Mapping[str, Any] = {}
        self._window_S = np.hanning(2 * SUPPORT_SAMPLES + 1).astype(np.float32)
        self._window_S /= self._window_S.sum()
        self._bins_WF = _semitone_bins(2 * SUPPORT_SAMPLES)

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        device: str = "cpu",
        batch: int = 32,
        precision: str = "fp32",
        deterministic: bool = False,
    ) -> FakeEncoder:
        """A new fake; the arguments are those of the real one and change nothing."""
        return cls()

    def block_window(self, block: int) -> tuple[int, int]:
        """[start, end) samples of the stream that `block` needs."""
        return grid.block_sample_window(block, SUPPORT_SAMPLES)

    def frames(self, wave_BS: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[B, 84, 431] magnitudes of blocks' windows."""
        return np.stack([self._frames_of_one(wave_S) for wave_S in wave_BS])

    def embed(self, chunks: Sequence[npt.NDArray[np.float32]], *, longest: int = 861) -> FakeEmbeddings:
        """One unit row for each [84, n] chunk; zeros for silence."""
        rows = [self._embed_one(chunk_FT) for chunk_FT in chunks]
        embedding_BD = np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)
        return FakeEmbeddings(embedding_BD=embedding_BD, sounding_B=np.any(embedding_BD != 0, axis=1))

    def _frames_of_one(self, wave_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not np.isfinite(wave_S).all():
            raise ValueError("NaN or Inf reached the encoder")
        windows_TS = np.lib.stride_tricks.sliding_window_view(wave_S, len(self._window_S))[:: grid.HOP]
        # The window's last weight is 0: without it the length is a power of two, eight times as fast.
        spectrum_TW = np.abs(np.fft.rfft(windows_TS * self._window_S, n=2 * SUPPORT_SAMPLES, axis=1)).astype(np.float32)
        return np.ascontiguousarray((spectrum_TW @ self._bins_WF).T)

    def _embed_one(self, chunk_FT: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        loudest = float(chunk_FT.max(initial=0.0))
        if loudest < _SILENCE:
            return np.zeros(self.dimensions, np.float32)
        level_FT = np.log1p(1000.0 * chunk_FT / loudest)
        mean_F, spread_F = level_FT.mean(axis=1), level_FT.std(axis=1)
        features_V = np.concatenate([mean_F - mean_F.mean(), spread_F - spread_F.mean()])
        row_D = (features_V @ self._projection_VD).astype(np.float32)
        norm = float(np.linalg.norm(row_D))
        return row_D / norm if norm > 0 else np.eye(1, self.dimensions, dtype=np.float32)[0]


class RememberingEncoder(FakeEncoder):
    """The same, for tests that hear the same audio again and again: what it has heard it does not work out anew."""

    def __init__(self) -> None:
        super().__init__()
        self._frames: dict[bytes, npt.NDArray[np.float32]] = {}
        self._rows: dict[bytes, npt.NDArray[np.float32]] = {}

    def _frames_of_one(self, wave_S: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        heard = wave_S.tobytes()
        if heard not in self._frames:
            self._frames[heard] = super()._frames_of_one(wave_S)
        return self._frames[heard]

    def _embed_one(self, chunk_FT: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        heard = chunk_FT.tobytes()
        if heard not in self._rows:
            self._rows[heard] = super()._embed_one(chunk_FT)
        return self._rows[heard]


def _semitone_bins(window_samples: int) -> npt.NDArray[np.float32]:
    """[W, 84] triangles over the spectrum, each a semitone (or a spectral line, if that is wider) to either side."""
    hertz_W = np.arange(window_samples // 2 + 1) * grid.SAMPLE_RATE / window_samples
    centre_F = 32.703 * 2.0 ** (np.arange(grid.BINS) / 12.0)
    width_F = np.maximum(centre_F * (2.0 ** (1 / 12) - 1), grid.SAMPLE_RATE / window_samples)
    weight_WF = np.maximum(0.0, 1.0 - np.abs(hertz_W[:, None] - centre_F) / width_F)
    return weight_WF.astype(np.float32)
