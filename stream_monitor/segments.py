"""Segments: the pieces in which a stream's audio travels, and the cutter that makes them from decoded samples.

It knows nothing of files, codecs or sample rates other than 22,050 Hz: samples come in already resampled to mono.
Positions are integer samples on the stream's own clock, windows are half-open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
StreamKind = Literal["broadcast", "upload"]

SEGMENT_SAMPLES = 110_250
"""Samples of a full segment, by default: 5 s at 22,050 Hz."""
LATEST_MS: Final = 253_370_764_800_000
"""9999-01-01 in Unix milliseconds: no stream begins later, or reaches further. Events name times, and the calendar ends
with that year, which is left for what is counted on from a position."""
_STREAM_ID = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,256}")


def is_stream_id(text: str) -> bool:
    """Whether a stream may be named so: 1 to 256 characters, no control characters, all of them possible in UTF-8."""
    return _STREAM_ID.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class StreamKey:
    """Names one uninterrupted stretch of one stream."""

    kind: StreamKind
    stream_id: str
    epoch: int = 0
    """The producer's start in Unix milliseconds; 0 for files. It rises with every reconnect."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segment:
    """A numbered piece of a stream's audio, placed on the stream's sample clock."""

    stream: StreamKey
    seq: int
    start_sample: int
    samples_S: Samples
    """float32 mono at 22,050 Hz, finite; may be empty on the last segment."""
    last: bool = False
    unreadable_samples: int = 0
    """How many samples it should have held, where it could not be read and holds none."""
    replays: int = 0
    """How often it had been a dead letter before."""

    @property
    def end_sample(self) -> int:
        """The sample after the segment's last one."""
        return self.start_sample + len(self.samples_S)


@dataclass(kw_only=True, slots=True)
class SegmentCutter:
    """Cuts one epoch's decoded samples into segments of one length, however they arrive."""

    stream: StreamKey
    segment_samples: int = SEGMENT_SAMPLES
    """Of a full one."""
    seq: int = 0
    start_sample: int = 0
    _pending: list[Samples] = field(default_factory=list)
    _pending_samples: int = 0

    def push(self, samples_S: Samples) -> list[Segment]:
        """Takes the next samples and returns the segments that are full now."""
        self._pending.append(samples_S)
        self._pending_samples += len(samples_S)
        if self._pending_samples < self.segment_samples:
            return []
        joined_S = np.concatenate(self._pending)
        step = self.segment_samples
        whole = len(joined_S) // step * step
        segments = [self._emit(joined_S[i : i + step]) for i in range(0, whole, step)]
        # A copy, so that a short rest does not keep the whole joined array alive.
        self._pending = [joined_S[whole:].copy()]
        self._pending_samples = len(joined_S) - whole
        return segments

    @property
    def pushed_samples(self) -> int:
        """How many samples were pushed so far."""
        return self.start_sample + self._pending_samples

    def flush(self) -> list[Segment]:
        """Returns what is left as a short segment that is not the last; nothing where nothing is left."""
        return [self._emit(self._take_rest())] if self._pending_samples else []

    def finish(self) -> Segment:
        """Returns the last segment: whatever is left, perhaps no sample."""
        return self._emit(self._take_rest(), last=True)

    def _take_rest(self) -> Samples:
        rest_S = np.concatenate(self._pending) if self._pending else np.zeros(0, np.float32)
        self._pending, self._pending_samples = [], 0
        return rest_S

    def _emit(self, samples_S: Samples, *, last: bool = False) -> Segment:
        segment = Segment(
            stream=self.stream, seq=self.seq, start_sample=self.start_sample, samples_S=samples_S, last=last
        )
        self.seq += 1
        self.start_sample += len(samples_S)
        return segment
