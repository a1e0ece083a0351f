"""What a chunker hands out: the audio of a block, and a chunk of frames. Values only.

Legend: S samples, F bins, T frames, n peaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoder.sketch import SketchRows
from stream_monitor.level import BlockLevel
from stream_monitor.segments import Samples, StreamKey

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BlockRequest:
    """The audio window of one block, to be turned into 431 frames."""

    stream: StreamKey
    block: int
    wave_S: Samples
    """float32, zeros before sample 0 and after the stream's end."""
    level: BlockLevel


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chunk:
    """20 s of a stream as frames, or the shorter tail; with the sketch and the peaks that came since the last chunk."""

    stream: StreamKey
    index: int
    start_sample: int
    end_sample: int
    tail: bool
    frames_FT: Frames
    level_dbfs: float
    sketch: tuple[SketchRows, ...]
    peaks_n: npt.NDArray[np.uint32]
    """As `encoder.peaks` packs them: frames modulo 2^24."""
