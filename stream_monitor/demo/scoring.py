"""Plays against the truth: which were right, which were missed, which were never there.

Right means the right work, and start and end both within five seconds. Knows nothing of audio or of how plays came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE_S = 5.0
"""Largest error of a start or an end that still counts as right, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """A work in a station from `start_s` to `end_s`; `how` says as what (recording, version, or what was reported)."""

    work_id: str
    start_s: float
    end_s: float
    how: str
    confidence: float | None = None

    def overlap_s(self, other: Appearance) -> float:
        """Seconds that both cover; 0 when they do not meet."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A true appearance and the play that was paired with it (None: missed), or a play with no truth (`truth` None)."""

    truth: Appearance | None
    play: Appearance | None

    @property
    def right(self) -> bool:
        """True for the right work with start and end within `TOLERANCE_S`."""
        return (
            self.truth is not None
            and self.play is not None
            and abs(self.truth.start_s - self.play.start_s) <= TOLERANCE_S
            and abs(self.truth.end_s - self.play.end_s) <= TOLERANCE_S
        )

    @property
    def word(self) -> str:
        """One word for a table: right, inexact, missed or extra."""
        if self.truth is None:
            return "extra"
        if self.play is None:
            return "missed"
        return "right" if self.right else "inexact"


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """Counts over verdicts; `rate` is right / (true appearances + extra plays), so an extra costs as much as a miss."""

    right: int
    true: int
    extra: int

    @property
    def rate(self) -> float:
        """Share in [0, 1]; 1 when there was nothing to find and nothing was reported."""
        return self.right / (self.true + self.extra) if self.true + self.extra else 1.0


def compare(truth: Sequence[Appearance], plays: Sequence[Appearance]) -> list[Verdict]:
    """Pairs each true appearance with the play of the same work that overlaps it most; each play is used once.

    Returns:
        One verdict per true appearance in its order, then one per play that is left, in order of start.
    """
    pairs = sorted(
        (
            (-real.overlap_s(play), i, j)
            for i, real in enumerate(truth)
            for j, play in enumerate(plays)
            if real.work_id == play.work_id and real.overlap_s(play) > 0
        ),
    )
    play_of: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in pairs:
        if i not in play_of and j not in used:
            play_of[i] = j
            used.add(j)
    verdicts = [Verdict(truth=real, play=plays[play_of[i]] if i in play_of else None) for i, real in enumerate(truth)]
    left = sorted((play for j, play in enumerate(plays) if j not in used), key=lambda play: play.start_s)
    return verdicts + [Verdict(truth=None, play=play) for play in left]


def score(verdicts: Sequence[Verdict]) -> Score:
    """Counts verdicts of one or several stations."""
    return Score(
        right=sum(verdict.right for verdict in verdicts),
        true=sum(verdict.truth is not None for verdict in verdicts),
        extra=sum(verdict.truth is None for verdict in verdicts),
    )
