"""The encoder as its users see it: samples to frames, chunks of frames to unit vectors. NumPy in, NumPy out.

Knows nothing of streams, catalogues or training. The steps are those of `cqt.py` (frames), `features.py` (averaging,
silence, tuning, normalisation) and `network.py` (embedding).

Shapes: B batch, S samples, F pitch bins (84), T frames or averaged frames, D 512, C cohort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from encoder.cqt import ConstantQ
from encoder.errors import AudioShapeError, DeviceError
from encoder.features import average_time, is_sounding, prepare
from encoder.fuse import fuse
from encoder.grid import BINS, BLOCK_FRAMES, CHUNK_FRAMES, HOP, MIN_SAMPLES, SAMPLE_RATE, block_sample_window
from encoder.reference_cqt import ReferenceConstantQ
from encoder.tonal_print import tonal_fingerprint
from encoder.weights import Weights, load_weights

Array = NDArray[np.float32]

MIN_FRAMES: Final = MIN_SAMPLES // HOP
"""Fewest CQT frames of a chunk: those of 6 s."""
PRECISIONS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}
PRINTS_VERSION = 4
"""Rises with every change of `sketch`, `peaks` or `tonal_print` by which old and new prints do not compare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Embeddings:
    """What `Encoder.embed` gives.

    Attributes:
        embedding_BD: float32 unit rows; zeros for silence.
        sounding_B: False for silence, which has no embedding.
    """

    embedding_BD: Array
    sounding_B: NDArray[np.bool_]


class Encoder:
    """A trained encoder on one device.

    A chunk's embedding does not depend on what else is in the call: chunks are grouped by length, nothing is padded in
    time. It is the same to about 1e-6 in any batch, and bit-identical with `deterministic`, which fills every batch up
    to one fixed shape.

    Attributes:
        fingerprint: Front end, network and weights, the version of sketch, peaks and tonal features, which a catalogue
            stores beside the embeddings, and the weights of the latter; not the precision or the device.
        dimensions: Length of an embedding, 512.
        cohort_CD: float32 unit rows, the cohort that normalises similarities.
        calibration: calibration.json as loaded, {} if there is none.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "cpu",
        batch: int = 32,
        precision: str = "fp32",
        deterministic: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise DeviceError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
        if batch < 1:
            raise DeviceError(f"batch is {batch}; needs 1 or more")
        self._device = _device(device)
        self.fingerprint = f"{weights.fingerprint}-{PRINTS_VERSION}-{tonal_fingerprint()}"
        self.dimensions = weights.config.dimensions
        self.cohort_CD = weights.cohort_CD
        self.calibration: Mapping[str, Any] = weights.calibration
        self.card: Mapping[str, Any] = weights.card
        self._batch = batch
        self._dtype = PRECISIONS[precision]
        self._deterministic = deterministic
        self._factor = weights.config.average_frames
        self._tuned = weights.config.tuned
        # Channels last: about 8% quicker on a CPU with oneDNN, 10% in bf16.
        quick = fuse(weights.network).to(self._device)
        self._network = quick.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # no stub for it
        transform = ConstantQ()
        self._support = transform.support_samples
        reference = weights.config.front_end == "nnaudio"
        self._transform: nn.Module = (ReferenceConstantQ(self._support) if reference else transform).to(self._device)

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        device: str = "cpu",
        batch: int = 32,
        precision: str = "fp32",
        deterministic: bool = False,
    ) -> Encoder:
        """Loads a folder of weights.

        Args:
            path: The folder; None is the shipped default.
            device: A torch device, e.g. "cpu" or "cuda".
            batch: Most chunks in one pass of the network; the padded batch size with `deterministic`.
            precision: "fp32" or "bf16" (twice as fast, embeddings differ by about 1e-3).
            deterministic: Same bits on every call, whatever else is in the batch.

        Raises:
            WeightsError: If the weights are missing, torn or of another format version.
            DeviceError: If the device or the precision cannot be used.
        """
        weights = load_weights(path)
        return cls(weights, device=device, batch=batch, precision=precision, deterministic=deterministic)

    def block_window(self, block: int) -> tuple[int, int]:
        """Samples [start, end) of the stream that `block` is computed from; start may be negative (zeros)."""
        return block_sample_window(block, self._support)

    def frames(self, wave_BS: Array) -> Array:
        """Magnitudes [B, 84, 431] of blocks, each from the window of samples that `block_window` names.

        Args:
            wave_BS: float32 samples at 22,050 Hz, one window a row.

        Raises:
            AudioShapeError: If the windows have another length.
        """
        length = (BLOCK_FRAMES - 1) * HOP + 1 + 2 * self._support
        if wave_BS.ndim != 2 or wave_BS.shape[1] != length:
            raise AudioShapeError(f"need windows [batch, {length}] for blocks, got {tuple(wave_BS.shape)}")
        with torch.inference_mode():
            wave = torch.from_numpy(np.ascontiguousarray(wave_BS, dtype=np.float32)).to(self._device)
            magnitude_BFT: Array = self._transform(wave).cpu().numpy()
        return magnitude_BFT

    def embed(self, chunks: Sequence[Array], *, longest: int = CHUNK_FRAMES) -> Embeddings:
        """Unit vectors of chunks, each [84, n] magnitudes with n from 258 (6 s) to 861 (20 s); mixed lengths are fine.

        Args:
            chunks: Magnitudes.
            longest: Most frames of a chunk; more than 861 only for networks that were trained on whole recordings.

        Raises:
            AudioShapeError: If a chunk has another shape.
        """
        embedding_BD = np.zeros((len(chunks), self.dimensions), np.float32)
        sounding_B = np.zeros(len(chunks), np.bool_)
        by_length: dict[int, list[int]] = {}
        means: list[Array] = []
        for index, chunk in enumerate(chunks):
            if chunk.ndim != 2 or chunk.shape[0] != BINS or not MIN_FRAMES <= chunk.shape[1] <= longest:
                raise AudioShapeError(
                    f"need chunks [84, {MIN_FRAMES} to {longest}] (6 to {longest * HOP / SAMPLE_RATE:.0f} s), "
                    f"got {tuple(chunk.shape)}"
                )
            mean_FT = average_time(chunk, self._factor)
            means.append(mean_FT)
            sounding_B[index] = is_sounding(mean_FT)
            if sounding_B[index]:
                by_length.setdefault(mean_FT.shape[1], []).append(index)
        for indices in by_length.values():
            for first in range(0, len(indices), self._batch):
                part = indices[first : first + self._batch]
                embedding_BD[part] = self._pass(np.stack([means[index] for index in part]))
        return Embeddings(embedding_BD=embedding_BD, sounding_B=sounding_B)

    def _pass(self, mean_BFT: Array) -> Array:
        """One pass of the network over chunks of equal length."""
        count = len(mean_BFT)
        if self._deterministic and count < self._batch:
            # Kernels are chosen by shape: one shape, one kernel, one result.
            filler = np.zeros((self._batch - count, *mean_BFT.shape[1:]), np.float32)
            mean_BFT = np.concatenate((mean_BFT, filler))
        low = self._dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=low):
            features = prepare(mean_BFT, tuned=self._tuned)
            embedding_BD: Array = self._network(features.to(self._device))[:count].float().cpu().numpy()
        return embedding_BD


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"no device named {name!r}; use cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device cuda was asked for, but torch sees no CUDA device here; use cpu")
    return device
