"""Streaming resampler: mono samples at any integer rate to 22,050 Hz, the same bits however the input is cut.

A polyphase windowed sinc, evaluated in blocks of fixed shape on the grid of its output: an output sample is always
the same matrix product of the same numbers at the same place, whoever pushed them in whatever pieces. The filter is the
one that torchaudio.functional.resample defines ("sinc_interp_hann", after J. O. Smith, "Digital Audio Resampling"). It
knows nothing of files, codecs, channels or streams.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from encoder.errors import AudioShapeError, ResamplerStateError, SampleRateError
from encoder.grid import SAMPLE_RATE

MIN_RATE: Final = 4_000
MAX_RATE: Final = 384_000
LOWPASS_FILTER_WIDTH: Final = 16
"""Zero crossings of the sinc on either side, torchaudio's parameter of this name."""
ROLLOFF: Final = 0.99
"""Cut-off as a fraction of the lower Nyquist frequency, torchaudio's parameter of this name."""

_BLOCK_OUTPUTS: Final = 1_024
"""About how many output samples one block gives (46 ms): what a caller may wait for."""
_GROUP_OUTPUTS: Final = 14
"""Least number of output samples that share a window of the input."""

Samples = NDArray[np.float32]


class StreamingResampler:
    """Resamples one stream; memory is a few thousand samples, the tables of a rate are shared.

    Output sample m lies at the time of m / 22,050 s after the first input sample: the filter has no delay, the input
    before the first and after the last sample counts as zeros. At 22,050 Hz samples pass through untouched.

    Args:
        source_rate: of the input in Hz, an integer from 4,000 to 384,000.

    Raises:
        SampleRateError: the rate is not one of these.
    """

    def __init__(self, source_rate: int) -> None:
        if not MIN_RATE <= source_rate <= MAX_RATE or source_rate != int(source_rate):
            raise SampleRateError(f"sample rate {source_rate} Hz: need an integer from {MIN_RATE} to {MAX_RATE}")
        self._rate = int(source_rate)
        self._plan = None if self._rate == SAMPLE_RATE else _plan(self._rate)
        self._received = 0
        self._sent = 0
        self._block = 0
        """Which of the plan's blocks is next."""
        self._flushed = False
        self._pending: list[Samples] = [np.zeros(self._plan.lead if self._plan else 0, np.float32)]
        """Input from the first sample that the next block sees, in the pieces it came in."""

    def push(self, samples_S: Samples) -> Samples:
        """Take the next input samples; return the output samples of the blocks that they complete.

        Args:
            samples_S: float32, any number of finite samples.

        Returns:
            float32, from none to all that can be known so far, less than one block (about 46 ms) being held back.

        Raises:
            AudioShapeError: not one-dimensional float32.
            ResamplerStateError: after flush.
        """
        if self._flushed:
            raise ResamplerStateError("push after flush: a resampler serves one stream")
        if samples_S.ndim != 1 or samples_S.dtype != np.float32:
            raise AudioShapeError(f"need float32 samples [S], got {samples_S.dtype} {samples_S.shape}")
        self._received += samples_S.size
        out = self._run(samples_S, self._plan) if self._plan else samples_S
        self._sent += out.size
        return out

    def flush(self) -> Samples:
        """End the stream; return what is left of its ceil(input * 22050 / rate) output samples.

        Raises:
            ResamplerStateError: flushed before.
        """
        if self._flushed:
            raise ResamplerStateError("flush after flush: a resampler serves one stream")
        self._flushed = True
        left = -(-self._received * SAMPLE_RATE // self._rate) - self._sent
        if self._plan is None or left == 0:
            return np.zeros(0, np.float32)
        # More zeros than the blocks that hold these outputs can see; what they give beyond the end is dropped.
        zeros = 2 * self._plan.width + (left + 2 * _BLOCK_OUTPUTS) * self._rate // SAMPLE_RATE
        return self._run(np.zeros(zeros, np.float32), self._plan)[:left]

    def _run(self, samples_S: Samples, plan: "_Plan") -> Samples:
        block = plan.blocks[self._block]
        if sum(piece.size for piece in self._pending) + samples_S.size < block.needs:
            self._pending.append(samples_S.copy())  # the caller may use its array again
            return np.zeros(0, np.float32)
        buffer = np.concatenate((*self._pending, samples_S))
        windows = as_strided(buffer, (buffer.size - plan.width + 1, plan.width), buffer.strides * 2, writeable=False)
        origin, done = 0, []
        while origin + block.needs <= buffer.size:
            seen_GRK = windows[origin + block.starts_GR]
            done.append(np.matmul(seen_GRK, block.weights_GKM).transpose(1, 0, 2).reshape(-1))
            origin += block.advance
            self._block = (self._block + 1) % len(plan.blocks)
            block = plan.blocks[self._block]
        self._pending = [buffer[origin:].copy()]
        return np.concatenate(done)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """One fixed shape of work: G groups of M output samples, each for R repetitions of the period."""

    starts_GR: NDArray[np.int64]
    weights_GKM: Samples
    needs: int
    """Input samples from the block's first that its windows see."""
    advance: int
    """Input samples from this block's first to the next one's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """How one rate is resampled: blocks that follow one another, round and round."""

    lead: int
    """Input samples that the first window sees before the position of the first output sample."""
    width: int
    """Input samples that a group's window holds, K."""
    blocks: tuple[_Block, ...]


@lru_cache(maxsize=8)
def _plan(rate: int) -> _Plan:
    divisor = math.gcd(rate, SAMPLE_RATE)
    orig, new = rate // divisor, SAMPLE_RATE // divisor
    base = min(orig, new) * ROLLOFF
    lead = math.ceil(LOWPASS_FILTER_WIDTH * orig / base)
    # A group's outputs share one window. Groups must tile the period, which divides 22,050 and so has small divisors.
    outputs = -(-_GROUP_OUTPUTS // new) * new if new < _GROUP_OUTPUTS else _smallest_divisor(new, _GROUP_OUTPUTS)
    groups = max(1, new // outputs)
    repeats = max(1, _BLOCK_OUTPUTS // (groups * outputs))
    period = groups * outputs * orig // new  # in input samples
    width = (outputs - 1) * orig // new + 2 + 2 * lead
    first_G = np.arange(groups, dtype=np.int64) * outputs
    starts_G = first_G * orig // new
    weights_GKM = np.empty((groups, width, outputs), np.float32)
    for group, first in enumerate(first_G.tolist()):
        input_K = np.arange(width)[:, None] + first * orig // new - lead
        # Whole numbers until the last division: the distance is exact at any rate.
        distance_KM = (input_K * new - (first + np.arange(outputs)) * orig) / (orig * new) * base
        window = np.cos(np.clip(distance_KM / LOWPASS_FILTER_WIDTH, -1.0, 1.0) * (np.pi / 2)) ** 2
        weights_GKM[group] = np.sinc(distance_KM) * window * (base / orig)
    weights_GKM.flags.writeable = False
    size = max(1, _BLOCK_OUTPUTS // outputs) if repeats == 1 else groups
    blocks = []
    for group in range(0, groups, size):
        starts_GR = (starts_G[group : group + size] - starts_G[group])[:, None] + period * np.arange(repeats)
        following = int(starts_G[group + size]) if group + size < groups else period * repeats
        blocks.append(
            _Block(
                starts_GR=starts_GR,
                weights_GKM=weights_GKM[group : group + size],
                needs=int(starts_GR.max()) + width,
                advance=following - int(starts_G[group]),
            )
        )
    return _Plan(lead=lead, width=width, blocks=tuple(blocks))


def _smallest_divisor(number: int, least: int) -> int:
    return next(candidate for candidate in range(least, number + 1) if number % candidate == 0)
