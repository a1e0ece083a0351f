"""Decoded frames of any rate and layout to mono 22,050 Hz samples, the same bits however the frames were brought.

It knows nothing of where frames come from. They are gathered to about a second before they become NumPy arrays, because
Python per frame would cost as much as decoding. Rates are converted by `encoder.resample` only, whose output does not
depend on how its input was cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from av.audio.fifo import AudioFifo

from encoder.resample import StreamingResampler
from stream_monitor.downmix import to_mono
from stream_monitor.segments import Samples

_BLOCK_S = 1.0

_Kind = tuple[int, str, str]


class Sampler:
    """Takes the frames of one input in order."""

    def __init__(self, *, skip_samples: int = 0) -> None:
        """Args: `skip_samples`: how many of the first samples, at the source's rate, are an encoder's delay."""
        self._skip_samples = skip_samples
        self._fifo = AudioFifo()
        self._kind: _Kind | None = None
        self._block_samples = 0
        self._resampler: StreamingResampler | None = None
        self._rate = 0
        self.replaced_samples = 0
        """Samples that were no sound and became zeros."""
        self.source_samples = 0
        """Samples per channel taken so far, at the source's rate."""

    def push(self, frame: Any) -> Iterator[Samples]:
        """Takes a frame; yields samples, each finite, whenever about a second is there or the format changes."""
        kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        if kind != self._kind:
            yield from self.drain()
            self._fifo, self._kind = AudioFifo(), kind
            self._block_samples = max(1, int(_BLOCK_S * frame.sample_rate))
        frame.pts = None
        self._fifo.write(frame)
        if self._fifo.samples >= self._block_samples:
            yield from self.drain()

    def drain(self) -> Iterator[Samples]:
        """Yields what the frames so far give; the resampler keeps the little that it needs to go on."""
        if not self._fifo.samples:
            return
        frame: Any = self._fifo.read(0)
        if self._resampler is None or frame.sample_rate != self._rate:
            yield from self.flush()
            self._rate = frame.sample_rate
            self._resampler = StreamingResampler(self._rate)
        mono_S, replaced = to_mono(frame.to_ndarray(), frame.layout.nb_channels)
        skipped = min(self._skip_samples, len(mono_S))
        self._skip_samples -= skipped
        self.replaced_samples += replaced
        self.source_samples += len(mono_S) - skipped
        yield self._resampler.push(np.ascontiguousarray(mono_S[skipped:]))

    def flush(self) -> Iterator[Samples]:
        """Ends the input, after `drain`: yields what the resampler kept."""
        if self._resampler is not None:
            yield self._resampler.flush()
            self._resampler = None
