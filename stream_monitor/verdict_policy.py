"""What is to be done about an upload: the rules of the house, and which of them hold.

Rules only ask for at least so much of something, and the strictest one that holds decides. So the more is heard, the
stricter the answer: what holds early holds at the end. It knows nothing of audio, streams or events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from encoder.grid import SAMPLE_RATE
from stream_monitor.evidence import MatchType
from stream_monitor.intervals import Interval, common, total, union

Action = Literal["allow", "review", "block"]

STRICTNESS: Final[dict[Action, int]] = {"allow": 0, "review": 1, "block": 2}


def stricter(one: Action, other: Action) -> Action:
    """The stricter of two."""
    return max(one, other, key=STRICTNESS.__getitem__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A play, as rules look at it."""

    track_id: str
    work_id: str
    match_type: MatchType
    confidence: float
    span: Interval


class VerdictRule(BaseModel):
    """Holds where the plays that fit it are, taken together, long enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="Told with the verdict.")
    action: Literal["review", "block"] = Field(description="What follows where the rule holds.")
    min_confidence: float = Field(default=0.0, ge=0.0, le=1.0, description="Plays of less confidence do not fit.")
    match_types: tuple[MatchType, ...] | None = Field(default=None, description="null: any.")
    tracks: tuple[str, ...] | None = Field(default=None, description="Ids of tracks or works; null: any.")
    min_matched_s: float = Field(default=0.0, ge=0.0, description="Seconds of the upload that they cover.")
    min_share: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Share of the upload; above 0 the rule has to wait for its end."
    )

    def holds(self, found: Sequence[Found], heard: list[Interval], duration_samples: int | None) -> bool:
        """Whether it holds.

        Args:
            found: The plays.
            heard: What was heard: nothing else counts.
            duration_samples: How long the upload is; None while that is not known.
        """
        spans = [each.span for each in found if self._fits(each)]
        if not spans:
            return False
        matched = total(common(union(spans), heard))
        if self.min_share and (not duration_samples or matched < self.min_share * duration_samples):
            return False
        return matched >= self.min_matched_s * SAMPLE_RATE

    def _fits(self, play: Found) -> bool:
        return (
            play.confidence >= self.min_confidence
            and (self.match_types is None or play.match_type in self.match_types)
            and (self.tracks is None or play.track_id in self.tracks or play.work_id in self.tracks)
        )


class VerdictSettings(BaseModel):
    """What is done about uploads; docs/verdicts.md has examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[VerdictRule, ...] = (
        VerdictRule(
            name="recording", action="block", min_confidence=0.9, match_types=("recording",), min_matched_s=10.0
        ),
        VerdictRule(name="anything", action="review"),
    )
    """Of the rules that hold the strictest decides, whatever their order; where none holds the upload is allowed.
    Keys of a rule: name, action (review or block), min_confidence, match_types (recording, version, unknown), tracks
    (ids of tracks or works), min_matched_s, min_share."""
    allowed_tracks: tuple[str, ...] = ()
    """Ids of tracks or works that anybody may use: no rule sees their plays, the verdict still lists them."""
    incomplete: Literal["review", "block"] = "review"
    """What is done at least about an upload of which something could not be heard."""

    @model_validator(mode="after")
    def _names(self) -> VerdictSettings:
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError(f"two rules have one name: {', '.join(names)}")
        return self

    def judge(
        self, found: Sequence[Found], heard: list[Interval], *, duration_samples: int | None, whole: bool
    ) -> tuple[Action, tuple[str, ...]]:
        """What is to be done, and the names of the rules that hold.

        Args:
            found: The plays.
            heard: What was heard.
            duration_samples: How long the upload is; None while that is not known.
            whole: False where something could not be heard.
        """
        free = set(self.allowed_tracks)
        counted = [each for each in found if each.track_id not in free and each.work_id not in free]
        holding = [rule for rule in self.rules if rule.holds(counted, heard, duration_samples)]
        action: Action = "allow" if whole else self.incomplete
        for rule in holding:
            action = stricter(action, rule.action)
        return action, tuple(rule.name for rule in holding)
