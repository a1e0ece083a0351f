"""The constant-Q transform of the front end: 84 bins from C1, one column every 512 samples at 22,050 Hz.

Each octave is computed at its own decimated rate with short kernels; halving the rate and applying the kernels are
matrix products over a strided view of the signal, all rows of a batch together. It knows nothing of streams, blocks or
chunks: a window of samples goes in, as many frames come out as fit. Kernels are those of nnAudio's CQT1992v2 (Hann, L1
norm, Q = 16.8; J. C. Brown, "Calculation of a constant Q spectral transform", JASA 1991). Choices and
measurements: docs/decisions/0002-constant-q.md.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from encoder.errors import AudioShapeError
from encoder.grid import BINS, HOP, SAMPLE_RATE

F_MIN: Final = 32.703
"""C1 in Hz, as in librosa and nnAudio to the given digits."""
BINS_PER_OCTAVE: Final = 12
OCTAVES: Final = BINS // BINS_PER_OCTAVE

_DEEPEST_LEVEL: Final = 6
"""Most halvings of the rate; the lowest two octaves share level 6, which saves look-ahead."""
_TAPS: Final = 51
"""Length of the half-band filter; odd, (taps + 1) / 2 even."""
_KAISER_BETA: Final = 7.86
_OUTPUTS: Final = 32
"""Decimated samples that one row of the matrix product gives."""


class ConstantQ(nn.Module):
    """Magnitudes of a constant-Q transform: [B, S] samples to [B, 84, T] frames.

    `support_samples` is what a frame sees on either side of its centre, decimation included: frame t of the result is
    centred on sample `support_samples + 512 t` of the input. A sine of amplitude A gives about A / 2 in its bin.
    """

    support_samples: int

    def __init__(self) -> None:
        super().__init__()
        half_band = half_band_filter(_TAPS, _KAISER_BETA)
        self._levels = [min(OCTAVES - octave, _DEEPEST_LEVEL) for octave in range(OCTAVES)]
        kernels = [octave_kernels(octave, level) for octave, level in enumerate(self._levels)]
        reach = [0] * (_DEEPEST_LEVEL + 1)
        for level, (_, half) in zip(self._levels, kernels, strict=True):
            reach[level] = max(reach[level], half)
        for level in range(_DEEPEST_LEVEL, 0, -1):
            reach[level - 1] = max(reach[level - 1], 2 * reach[level] + _TAPS // 2)
        self._reach = reach
        self._halves = [half for _, half in kernels]
        self.support_samples = reach[0]
        for octave, (kernel, _) in enumerate(kernels):
            self.register_buffer(f"kernel_{octave}", torch.from_numpy(kernel), persistent=False)
        banded = np.zeros((2 * _OUTPUTS + _TAPS - 2, _OUTPUTS), np.float32)
        for output in range(_OUTPUTS):
            banded[2 * output : 2 * output + _TAPS, output] = half_band
        self.register_buffer("banded", torch.from_numpy(banded), persistent=False)

    def frames_of(self, samples: int) -> int:
        """How many frames a window of `samples` samples gives (zero or less: it is too short for one)."""
        return (samples - 1 - 2 * self.support_samples) // HOP + 1

    @torch.no_grad()
    def forward(self, wave_BS: Tensor) -> Tensor:
        """Transform a batch of windows.

        Args:
            wave_BS: float32 samples at 22,050 Hz, S = (T - 1) * 512 + 1 + 2 * support_samples for T frames.

        Returns:
            Magnitudes [B, 84, T], float32.

        Raises:
            AudioShapeError: not float32, not two-dimensional, or shorter than one frame's support.
        """
        if wave_BS.ndim != 2 or wave_BS.dtype != torch.float32:
            raise AudioShapeError(f"need float32 samples [batch, samples], got {wave_BS.dtype} {tuple(wave_BS.shape)}")
        frames = self.frames_of(wave_BS.shape[1])
        if frames < 1:
            raise AudioShapeError(
                f"{wave_BS.shape[1]} samples are too few: one frame needs {2 * self.support_samples + 1}"
            )
        out = wave_BS.new_empty((wave_BS.shape[0], BINS, frames))
        signal = wave_BS
        for level in range(1, _DEEPEST_LEVEL + 1):
            needed = 2 * self._reach[level] + 1 + (frames - 1) * (HOP >> level)
            signal = self._halve(signal, self._reach[level - 1] - 2 * self._reach[level] - _TAPS // 2, needed)
            for octave in range(OCTAVES):
                if self._levels[octave] == level:
                    self._octave(signal, octave, level, out)
        return out

    def _halve(self, signal_BS: Tensor, start: int, needed: int) -> Tensor:
        """The `needed` samples at half the rate whose filter starts at `start`."""
        rows = -(-needed // _OUTPUTS)
        length = (rows - 1) * 2 * _OUTPUTS + self.banded.shape[0]
        piece = signal_BS[:, start : start + length]
        if piece.shape[1] < length:
            piece = nn.functional.pad(piece, (0, length - piece.shape[1]))
        windows = piece.unfold(1, self.banded.shape[0], 2 * _OUTPUTS)
        return (windows @ self.banded).flatten(1)

    def _octave(self, signal_BS: Tensor, octave: int, level: int, out_BFT: Tensor) -> None:
        kernel = self.get_buffer(f"kernel_{octave}")
        start = self._reach[level] - self._halves[octave]
        hop = HOP >> level
        frames = out_BFT.shape[2]
        windows = signal_BS[:, start:].unfold(1, kernel.shape[0], hop)[:, :frames]
        both = (windows @ kernel).transpose(1, 2)
        power = both[:, :BINS_PER_OCTAVE].square() + both[:, BINS_PER_OCTAVE:].square()
        torch.sqrt(power, out=out_BFT[:, octave * BINS_PER_OCTAVE : (octave + 1) * BINS_PER_OCTAVE])


def bin_frequencies() -> np.ndarray:
    """Centre frequencies of the 84 bins in Hz, float64."""
    return F_MIN * 2.0 ** (np.arange(BINS) / BINS_PER_OCTAVE)


def half_band_filter(taps: int, beta: float) -> np.ndarray:
    """Kaiser-windowed half-band low-pass filter with unit gain at 0 Hz, float64 [taps]."""
    n = np.arange(taps) - taps // 2
    h = 0.5 * np.sinc(n / 2) * np.kaiser(taps, beta)
    return np.asarray(h / h.sum())


def octave_kernels(octave: int, level: int) -> tuple[np.ndarray, int]:
    """Kernels of one octave at rate 22,050 / 2**level.

    Returns:
        float32 [K, 24], twelve real columns then twelve imaginary, and how many samples they reach on either side of
        their centre, K = 2 * reach + 1.
    """
    q = 1.0 / (2.0 ** (1.0 / BINS_PER_OCTAVE) - 1.0)
    frequencies = bin_frequencies()[octave * BINS_PER_OCTAVE : (octave + 1) * BINS_PER_OCTAVE]
    lengths = np.ceil(q * SAMPLE_RATE / frequencies)
    reach = int(lengths[0] // 2 + 1) >> level
    time_K = np.arange(-reach, reach + 1) * float(1 << level)
    kernel = np.zeros((time_K.size, 2 * BINS_PER_OCTAVE))
    for column, (frequency, length) in enumerate(zip(frequencies, lengths, strict=True)):
        # A periodic window of odd length peaks half a sample early in nnAudio; magnitudes follow it.
        offset_K = time_K + (0.5 if length % 2 else 0.0)
        hann_K = np.where(np.abs(offset_K) < length / 2, np.cos(np.pi * offset_K / length) ** 2, 0.0)
        wave_K = hann_K / hann_K.sum() * np.exp(-2j * np.pi * frequency / SAMPLE_RATE * time_K)
        kernel[:, column] = wave_K.real
        kernel[:, BINS_PER_OCTAVE + column] = wave_K.imag
    return kernel.astype(np.float32), reach
