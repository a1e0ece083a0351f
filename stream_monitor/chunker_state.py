"""What a chunker remembers between segments, and what it counts. Values, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from encoder.peaks import PeakBuilder
from encoder.sketch import SketchBuilder, SketchRows
from stream_monitor.chunk import Frames
from stream_monitor.level import BlockLevel
from stream_monitor.segments import Samples


@dataclass(kw_only=True, slots=True)
class ChunkerCounts:
    """Samples by what became of them; nothing is dropped without being counted."""

    received: int = 0
    late: int = 0
    """Arrived twice, or after their place was passed; dropped."""
    filled: int = 0
    """Missing for a moment and replaced by silence."""
    missing: int = 0
    """Missing for longer: no signal."""
    unheard: int = 0
    """Received, but in a run that broke off before they belonged to a whole block."""
    repaired: int = 0
    """Not finite; replaced by zero."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeldBlock:
    """Frames of a block that the next chunk, or the tail, still needs."""

    block: int
    frames_FT: Frames
    level: BlockLevel


@dataclass(kw_only=True, slots=True)
class ChunkerState:
    """Everything that a chunker remembers."""

    window_S: Samples
    """Audio of `next_block`'s window as far as it came."""
    next_seq: int = 0
    next_sample: int = 0
    """The sample that is expected next."""
    next_block: int = 0
    joined_sample: int | None = None
    """Where the stream's audio began for us; None before the first segment."""
    run_block: int = 0
    """First block of the present run."""
    ended: bool = False
    chunks: int = 0
    regular_end: int | None = None
    """End of the last regular chunk."""
    requested: list[BlockLevel] = field(default_factory=list)
    """Levels of the blocks that were asked for and did not come back yet, in order."""
    held: list[HeldBlock] = field(default_factory=list)
    sketches: list[SketchRows] = field(default_factory=list)
    peaks: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    sketch_builder: SketchBuilder = field(default_factory=SketchBuilder)
    peak_builder: PeakBuilder = field(default_factory=PeakBuilder)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Stretches without signal that nobody has taken with `take_gaps` yet."""
    counts: ChunkerCounts = field(default_factory=ChunkerCounts)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkerPlace:
    """Where a chunker stands, without the audio and the frames that it holds: those can be heard again."""

    next_seq: int
    next_sample: int
    next_block: int
    joined_sample: int | None
    run_block: int
    chunks: int
    regular_end: int | None
    counts: ChunkerCounts
