"""What a lane must not forget when its process ends, and how much audio it takes to make the rest again. Values only.

A lane's audio, frames, sketch and peaks are megabytes that can be heard again; its plays, its account, its place and
its last embeddings are kilobytes that cannot. docs/decisions/0013-kafka-service.md says why it is cut so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES, SAMPLE_RATE
from stream_monitor.accounting import AccountState
from stream_monitor.chunker_state import ChunkerPlace
from stream_monitor.matcher import MatcherState
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_state import TrackerState
from stream_monitor.verdict import UploadState

SPARE_BLOCKS: Final = 4
"""Blocks that are heard before the oldest that counts: what lies at a beginning is made of less than the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneState:
    """One epoch of one stream between two segments, with nothing on its way."""

    stream: StreamKey
    place: ChunkerPlace
    tracker: TrackerState
    account: AccountState
    matcher: MatcherState
    upload: UploadState | None = None
    """None for broadcasts, and where no verdicts are asked for."""


def needed_from(next_sample: int, memory_s: float, support_samples: int) -> int:
    """The first sample that must be heard again so that a lane is as it was; 0 for the beginning of the epoch.

    Args:
        next_sample: Where the lane stands.
        memory_s: What its verifier keeps.
        support_samples: The CQT's reach.
    """
    memory = round(memory_s * SAMPLE_RATE)
    return max(0, next_sample - memory - CHUNK_SAMPLES - SPARE_BLOCKS * CHUNK_HOP_SAMPLES - 2 * support_samples)
