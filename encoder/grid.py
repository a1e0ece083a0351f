"""The grid of samples, frames, blocks and chunks that catalogue and streams share; pure integer arithmetic.

It knows nothing of audio, of torch or of where samples come from. Positions are samples at 22,050 Hz on the
stream's own clock, windows are half-open. Frame f is centred on sample 512 f. Chunk k is 20 s from sample
220,500 k. Block b is the unit in which the CQT is computed: the 431 frames from the first one at or after sample
220,500 b, so that chunk k is made of blocks k and k + 1. Reasons: docs/decisions/0001-embedded-monitor.md.
"""

from dataclasses import dataclass
from typing import Final

SAMPLE_RATE: Final = 22_050
HOP: Final = 512
BINS: Final = 84
CHUNK_SAMPLES: Final = 441_000
CHUNK_HOP_SAMPLES: Final = 220_500
CHUNK_FRAMES: Final = 861
MIN_SAMPLES: Final = 132_300
BLOCK_FRAMES: Final = 431


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkSpan:
    """Where one chunk lies: samples [start_sample, end_sample) and `frames` frames from `first_frame`.

    `tail` is true for the right-aligned last chunk of a stream or track, which may be shorter than 20 s.
    """

    start_sample: int
    end_sample: int
    first_frame: int
    frames: int
    tail: bool

    @property
    def blocks(self) -> range:
        """Blocks that hold the frames of this chunk."""
        return blocks_of_frames(self.first_frame, self.frames)


def first_frame(sample: int) -> int:
    """First frame whose centre is at or after `sample`."""
    return -(-sample // HOP)


def chunk_span(k: int) -> ChunkSpan:
    """Regular chunk k: [220500 k, 220500 k + 441000), 861 frames."""
    start = k * CHUNK_HOP_SAMPLES
    return ChunkSpan(
        start_sample=start,
        end_sample=start + CHUNK_SAMPLES,
        first_frame=first_frame(start),
        frames=CHUNK_FRAMES,
        tail=False,
    )


def tail_span(duration_samples: int) -> ChunkSpan | None:
    """Right-aligned last chunk of `duration_samples` samples, at most 20 s; None where there are less than 6 s."""
    if duration_samples < MIN_SAMPLES:
        return None
    start = max(0, duration_samples - CHUNK_SAMPLES)
    first = first_frame(start)
    return ChunkSpan(
        start_sample=start,
        end_sample=duration_samples,
        first_frame=first,
        frames=min(CHUNK_FRAMES, first_frame(duration_samples) - first),
        tail=True,
    )


def regular_chunks(duration_samples: int) -> int:
    """Number of regular chunks that end within `duration_samples` samples."""
    return max(0, (duration_samples - CHUNK_SAMPLES) // CHUNK_HOP_SAMPLES + 1)


def spans(duration_samples: int) -> list[ChunkSpan]:
    """All chunks of a finished stream or track of `duration_samples` samples, in order.

    Empty under 6 s. The tail comes last, and only where the last regular chunk does not end at the end.
    """
    found = [chunk_span(k) for k in range(regular_chunks(duration_samples))]
    if not found or found[-1].end_sample != duration_samples:
        tail = tail_span(duration_samples)
        if tail is not None:
            found.append(tail)
    return found


def block_first_frame(block: int) -> int:
    """First of the 431 frames of `block`."""
    return first_frame(block * CHUNK_HOP_SAMPLES)


def block_of_frame(frame: int) -> int:
    """The block that owns `frame`: the last one that starts at or before it.

    Neighbouring blocks share one frame now and then (a block has 431 frames, the next starts after 430 or 431);
    everybody takes such a frame from its owner.
    """
    return frame * HOP // CHUNK_HOP_SAMPLES


def blocks_of_frames(first: int, frames: int) -> range:
    """Blocks that own the `frames` frames from frame `first`; chunk k gives range(k, k + 2)."""
    if frames <= 0:
        return range(0)
    return range(block_of_frame(first), block_of_frame(first + frames - 1) + 1)


def block_own_frames(block: int) -> int:
    """How many leading frames of `block` it owns: 430 or 431."""
    return block_first_frame(block + 1) - block_first_frame(block)


def frames_sample_window(first: int, frames: int, support_samples: int) -> tuple[int, int]:
    """Samples [start, end) that `frames` frames from `first` need, `support_samples` on either side of a centre.

    The start is negative near the beginning of a stream and the end may lie after its last sample: both are zeros.
    """
    return first * HOP - support_samples, (first + frames - 1) * HOP + support_samples + 1


def block_sample_window(block: int, support_samples: int) -> tuple[int, int]:
    """Samples [start, end) of the stream that `block` is computed from; always 430 * 512 + 1 + 2 * support long."""
    return frames_sample_window(block_first_frame(block), BLOCK_FRAMES, support_samples)
