"""What a tracker remembers between chunks, and what gathers while it decides on one. Values, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_monitor.open_play import OpenPlay
from stream_monitor.opening import Told, Tried
from stream_monitor.plays import Decision, PlayChange, TrackerStep
from stream_monitor.segments import StreamKey


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerState:
    """All that a restart needs; immutable."""

    stream: StreamKey
    origin_sample: int = 0
    """Sample 0 of the present epoch on the tracker's clock."""
    plays: tuple[OpenPlay, ...] = ()
    told: tuple[Told, ...] = ()
    tried: tuple[Tried, ...] = ()


@dataclass(kw_only=True, slots=True)
class Step:
    """What one call decides, while it decides."""

    now_sample: int
    chunk: int
    changes: list[PlayChange] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def reject(self, play: OpenPlay, reason: str, confidence: float) -> None:
        """Notes a play that could have opened and did not."""
        decision = Decision(
            track_key=play.track.track_key,
            outcome="rejected",
            reason=reason,
            confidence=confidence,
            features=play.features,
        )
        self.decisions.append(decision)

    def done(self) -> TrackerStep:
        return TrackerStep(changes=tuple(self.changes), decisions=tuple(self.decisions))
