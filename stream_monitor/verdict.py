"""What is said of an upload, and what must be remembered to say it. Values only; `upload.py` makes them.

Positions are samples on the clock of the upload's epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stream_monitor.evidence import MatchType
from stream_monitor.intervals import Interval
from stream_monitor.segments import StreamKey
from stream_monitor.verdict_policy import Action, Found

Word = Literal["match", "clear", "incomplete"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadPlay:
    """A play in an upload, as it was last told."""

    epoch: int
    """In which it opened, and with which its id is made."""
    first_chunk: int
    track_id: str
    work_id: str
    title: str | None
    artist: str | None
    isrc: str | None
    iswc: str | None
    match_type: MatchType
    confidence: float
    start_sample: int
    end_sample: int
    final: bool

    @property
    def found(self) -> Found:
        """As rules look at it."""
        return Found(
            track_id=self.track_id,
            work_id=self.work_id,
            match_type=self.match_type,
            confidence=self.confidence,
            span=(self.start_sample, self.end_sample),
        )


@dataclass(kw_only=True, slots=True)
class UploadState:
    """Everything that is remembered of an upload."""

    first_sample: int | None = None
    """Where it began for us; None before the first segment."""
    replays: int = 0
    """How often the segment that it began with had been a dead letter."""
    next_sample: int = 0
    """How far its segments go."""
    heard: list[Interval] = field(default_factory=list)
    """What chunks were made of and weighed."""
    missing: list[Interval] = field(default_factory=list)
    """What no segment brought, for whatever reason."""
    spoilt: list[Interval] = field(default_factory=list)
    """What segments should have brought that could not be read."""
    silent: list[Interval] = field(default_factory=list)
    """Silence that belongs to no chunk yet."""
    silent_samples: int = 0
    """Silence within what was heard."""
    odd_sample: int | None = None
    """Where the upload stood when the first record came that could not be read and did not say where it belongs."""
    continued: bool = False
    """It goes on where another epoch broke off."""
    plays: list[UploadPlay] = field(default_factory=list)
    told: Action = "allow"
    """The strictest that was said."""
    revision: int = 0
    """Of the next verdict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One revision of what is said of an upload."""

    stream: StreamKey
    first_sample: int
    replays: int
    """Not 0 where this is no upload, but what was sent again of one that had ended."""
    revision: int
    early: bool
    """The upload goes on; `duration_samples` is what is known of it so far."""
    word: Word
    action: Action
    rules: tuple[str, ...]
    """Names of the rules that hold."""
    reasons: tuple[str, ...]
    """Why it is incomplete."""
    duration_samples: int
    heard_samples: int
    silent_samples: int
    """Of what was heard."""
    missing_samples: int
    poisoned_samples: int
    unheard_samples: int
    """Came, and could not be weighed: less than 6 s, or cut off beside a stretch that is missing."""
    matched_samples: int
    """What plays cover of what was heard, each sample once."""
    plays: tuple[UploadPlay, ...]
