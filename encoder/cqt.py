"""The constant-Q transform of the front end: 84 bins from C1, one column every 512 samples at 22,050 Hz.

Pairs of octaves are computed at their own decimated rate with short kernels. Quartering the rate and applying the
kernels are matrix products over strided views of the signal, all rows of a batch together. It knows nothing of
streams, blocks or chunks: a window of samples goes in, as many frames come out as fit. Kernels are those of nnAudio's
CQT1992v2 (Hann, L1 norm, Q = 16.8; J. C. Brown, "Calculation of a constant Q spectral transform", JASA 89, 1991).
Choices and measurements: docs/decisions/0002-constant-q.md.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from encoder.errors import AudioShapeError
from encoder.grid import BINS, HOP, SAMPLE_RATE

F_MIN: Final = 32.703
"""C1 in Hz."""
BINS_PER_OCTAVE: Final = 12

_STAGES: Final = ((0, (6,)), (2, (4, 5)), (4, (2, 3)), (6, (0, 1)))
"""Which octaves are taken at rate 22,050 / 2**level, as (level, octaves); levels rise in steps of one quartering."""
_TAPS: Final = 101
_KAISER_BETA: Final = 7.86
"""Length and window of the decimation filter: flat to 0.1 of the rate that goes in, 80 dB down from 0.15 of it."""
_OUTPUTS: Final = 16
"""Decimated samples that one row of the matrix product gives."""
_CPU_ROWS: Final = 8
"""Rows of a batch that are worked on at a time on a CPU, so that what lies between two products stays in the cache."""


class ConstantQ(nn.Module):
    """Magnitudes of a constant-Q transform: [B, S] samples to [B, 84, T] frames.

    `support_samples` is what a frame may see on either side of its centre, decimation included: frame t of the result
    is centred on sample `support_samples + 512 t` of the input. A sine of amplitude A gives about A / 2 in its bin.
    """

    support_samples: int

    def __init__(self) -> None:
        super().__init__()
        kernels = [octave_kernels(octaves, level) for level, octaves in _STAGES]
        self._halves = [kernel.shape[0] // 2 for kernel in kernels]
        reach = self._halves.copy()
        for stage in range(len(_STAGES) - 1, 0, -1):
            reach[stage - 1] = max(reach[stage - 1], 4 * reach[stage] + _TAPS // 2)
        self._reach = reach
        # The last row of the first product may give samples that nobody needs: their input belongs to the window.
        self.support_samples = reach[0] + 4 * (_OUTPUTS - 1)
        self._decimate = _BandProduct(decimation_matrix(), 4 * _OUTPUTS)
        self._kernels = nn.ModuleList(
            _BandProduct(kernel, HOP >> level) for kernel, (level, _) in zip(kernels, _STAGES, strict=True)
        )

    def frames_of(self, samples: int) -> int:
        """How many frames a window of `samples` samples gives (zero or less: it is too short for one)."""
        return (samples - 1 - 2 * self.support_samples) // HOP + 1

    @torch.no_grad()
    def forward(self, wave_BS: Tensor) -> Tensor:
        """Transform a batch of windows; a row's result depends on that row alone.

        Args:
            wave_BS: finite float32 samples at 22,050 Hz, S = (T - 1) * 512 + 1 + 2 * support_samples for T frames.

        Returns:
            Magnitudes [B, 84, T], float32.

        Raises:
            AudioShapeError: not float32, not two-dimensional, or shorter than one frame's support.
        """
        frames = check_window(wave_BS, self.support_samples)
        wave_BS = wave_BS.contiguous()
        out_BFT = wave_BS.new_empty((wave_BS.shape[0], BINS, frames))
        rows = _CPU_ROWS if wave_BS.device.type == "cpu" else max(1, wave_BS.shape[0])
        for row in range(0, wave_BS.shape[0], rows):
            self._transform(wave_BS[row : row + rows], out_BFT[row : row + rows])
        return out_BFT

    def _transform(self, signal_BS: Tensor, out_BFT: Tensor) -> None:
        frames = out_BFT.shape[2]
        first = self.support_samples - self._reach[0]  # where the samples that this stage needs begin
        for stage, ((level, octaves), kernel) in enumerate(zip(_STAGES, self._kernels, strict=True)):
            reach = self._reach[stage]
            if stage > 0:
                needed = 2 * reach + 1 + (frames - 1) * (HOP >> level)
                start = first + self._reach[stage - 1] - 4 * reach - _TAPS // 2
                signal_BS = self._decimate(signal_BS, start, -(-needed // _OUTPUTS)).flatten(1)
                first = 0
            both_BTC = kernel(signal_BS, first + reach - self._halves[stage], frames)
            bins = both_BTC.shape[2] // 2
            real, imaginary = both_BTC[:, :, :bins], both_BTC[:, :, bins:]
            power_BTF = real.square().addcmul_(imaginary, imaginary)
            lowest = octaves[0] * BINS_PER_OCTAVE
            torch.sqrt(power_BTF.transpose(1, 2), out=out_BFT[:, lowest : lowest + bins])


class _BandProduct(nn.Module):
    """Windows of a signal, `step` samples apart, times one matrix [K, N]."""

    matrix: Tensor

    def __init__(self, matrix_KN: np.ndarray, step: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.from_numpy(matrix_KN.astype(np.float32)), persistent=False)
        self.step = step
        self.width = matrix_KN.shape[0]

    def forward(self, signal_BS: Tensor, start: int, rows: int) -> Tensor:
        """[B, rows, N]: row r sees samples [start + r step, start + r step + K), zeros after the end."""
        missing = start + (rows - 1) * self.step + self.width - signal_BS.shape[1]
        if missing > 0:
            signal_BS = nn.functional.pad(signal_BS, (0, missing))
        if self.width > 4 * self.step:  # windows overlap so much that copying them is cheapest
            return signal_BS[:, start:].unfold(1, self.width, self.step)[:, :rows] @ self.matrix
        # BLAS takes no overlapping rows: cut the windows into pieces of one step and sum the pieces' products.
        out = signal_BS.new_empty((signal_BS.shape[0], rows, self.matrix.shape[1]))
        for first in range(0, self.width, self.step):
            piece = self.matrix[first : first + self.step].expand(signal_BS.shape[0], -1, -1)
            shape = (signal_BS.shape[0], rows, piece.shape[1])
            offset = signal_BS.storage_offset() + start + first
            view = signal_BS.as_strided(shape, (signal_BS.stride(0), self.step, 1), offset)
            if first == 0:
                torch.bmm(view, piece, out=out)
            else:
                torch.baddbmm(out, view, piece, out=out)
        return out


def check_window(wave_BS: Tensor, support_samples: int) -> int:
    """Number of frames in a batch of windows.

    Raises:
        AudioShapeError: not float32, not two-dimensional, or shorter than one frame's support.
    """
    if wave_BS.ndim != 2 or wave_BS.dtype != torch.float32:
        raise AudioShapeError(f"need float32 samples [batch, samples], got {wave_BS.dtype} {tuple(wave_BS.shape)}")
    frames = (wave_BS.shape[1] - 1 - 2 * support_samples) // HOP + 1
    if frames < 1:
        raise AudioShapeError(f"{wave_BS.shape[1]} samples are too few: one frame needs {2 * support_samples + 1}")
    return frames


def bin_frequencies() -> np.ndarray:
    """Centre frequencies of the 84 bins in Hz, float64."""
    return np.asarray(F_MIN * 2.0 ** (np.arange(BINS) / BINS_PER_OCTAVE))


def decimation_matrix() -> np.ndarray:
    """[4 * 16 - 4 + taps, 16]: column i is the quarter-band Kaiser low-pass (gain 1 at 0 Hz), shifted by 4 i."""
    n = np.arange(_TAPS) - _TAPS // 2
    low_pass = np.sinc(n / 4) * np.kaiser(_TAPS, _KAISER_BETA)
    low_pass /= low_pass.sum()
    matrix = np.zeros((4 * (_OUTPUTS - 1) + _TAPS, _OUTPUTS))
    for output in range(_OUTPUTS):
        matrix[4 * output : 4 * output + _TAPS, output] = low_pass
    return matrix


def octave_kernels(octaves: tuple[int, ...], level: int) -> np.ndarray:
    """Kernels of adjacent `octaves` (0 is C1 to B1) at rate 22,050 / 2**level.

    Returns:
        float64 [K, 2 n]: n real columns from the lowest bin up, then n imaginary; K is odd, the centre in the middle.
    """
    lowest, bins = octaves[0] * BINS_PER_OCTAVE, len(octaves) * BINS_PER_OCTAVE
    frequencies = bin_frequencies()[lowest : lowest + bins]
    q = 1.0 / (2.0 ** (1.0 / BINS_PER_OCTAVE) - 1.0)
    lengths = np.ceil(q * SAMPLE_RATE / frequencies)
    reach = int(lengths[0] // 2 + 1) >> level
    time_K = np.arange(-reach, reach + 1) * float(1 << level)
    kernel = np.empty((time_K.size, bins), np.complex128)
    for column, (frequency, length) in enumerate(zip(frequencies, lengths, strict=True)):
        # A periodic window of odd length peaks half a sample early in nnAudio; magnitudes follow it.
        window_K = time_K + (0.5 if length % 2 else 0.0)
        hann_K = np.where(np.abs(window_K) < length / 2, np.cos(np.pi * window_K / length) ** 2, 0.0)
        kernel[:, column] = hann_K / hann_K.sum() * np.exp(-2j * np.pi * frequency / SAMPLE_RATE * time_K)
    return np.concatenate([kernel.real, kernel.imag], axis=1)
