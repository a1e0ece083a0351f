"""Where a stream's time went: matched, unmatched, silence, no signal; so that 'no plays' differs from 'stream down'.

One account per stream and epoch. It is told block levels, gaps and play changes, and gives a status for each stretch
of stream time and at the end and, where it is set to, its `conditions` as they happen. Stream time only, never the
wall clock. It knows nothing of audio or of how a play is found. Speech and unknown music are not told apart:
both are 'unmatched'.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import SAMPLE_RATE
from stream_monitor.conditions import Condition, Conditions, ConditionState
from stream_monitor.intervals import Interval, append, common, total, union, without
from stream_monitor.level import BlockLevel
from stream_monitor.plays import PlayChange
from stream_monitor.segments import StreamKey

State = Literal["running", "ended", "interrupted", "failed", "reconnected", "idle"]


class AccountingConfig(BaseModel):
    """What counts as silence, and how often a stream that goes on is reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    silence_dbfs: float = Field(default=-60.0, ge=-120.0, le=0.0)
    """Half seconds below this level are silence."""
    status_every_s: int = Field(default=3600, ge=60)
    """Stream time after which a stream that goes on gets a status of its own; each second is in one status only."""
    settle_s: int = Field(default=120, ge=0, le=3600)
    """Stream time after the end of such a period when it is told: the plays in it are known by then."""
    conditions: bool = False
    """Whether online, dead air, clipping and gaps are told as they happen; `run` always tells them."""
    dead_air_s: float = Field(default=30.0, ge=1.0, le=3600.0)
    """Unbroken silence of this length is told as dead air."""
    clipping_share: float = Field(default=0.01, ge=0.0, lt=1.0)
    """Blocks of 10 s of whose samples a larger share is at full scale are told as clipping."""


def epoch_samples(one: StreamKey, other: StreamKey) -> int:
    """Samples from the start of one epoch to that of another one of the same stream."""
    return (other.epoch - one.epoch) * SAMPLE_RATE // 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamStatus:
    """One stretch [start_sample, end_sample) of a stream and what it was, in samples."""

    stream: StreamKey
    state: State
    reason: str
    """For people: why the stretch ended here."""
    start_sample: int
    end_sample: int
    matched_samples: int
    unmatched_samples: int
    silence_samples: int
    no_signal_samples: int
    clipped_samples: int

    @property
    def monitored_samples(self) -> int:
        """What there was to hear: everything but the stretches without signal."""
        return self.end_sample - self.start_sample - self.no_signal_samples


@dataclass(kw_only=True, slots=True)
class AccountState:
    """Everything that an account remembers of the present stretch."""

    start_sample: int | None = None
    """None before the first sample."""
    clipped_samples: int = 0
    silent: list[Interval] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)
    plays: dict[tuple[int, str, int], tuple[int, int, bool]] = field(default_factory=dict)
    """(epoch, track id, first chunk) to start, end and whether the play is still open."""
    epochs: dict[int, int] = field(default_factory=dict)
    """Earlier epochs that this one continues, and where on their clock sample 0 of this one is."""
    conditions: ConditionState = field(default_factory=ConditionState)
    """In snapshots only."""


class StreamAccount:
    """The account of one stream in one epoch."""

    def __init__(self, stream: StreamKey, config: AccountingConfig | None = None) -> None:
        self.stream = stream
        config = config or AccountingConfig()
        self._silent_square = 10.0 ** (config.silence_dbfs / 10.0)
        self._every_samples = config.status_every_s * SAMPLE_RATE
        self._settle_samples = config.settle_s * SAMPLE_RATE
        self._conditions: Conditions | None = None
        if config.conditions:
            self._conditions = Conditions(
                silent_square=self._silent_square,
                dead_air_samples=round(config.dead_air_s * SAMPLE_RATE),
                clipping_share=config.clipping_share,
            )
        self.state = AccountState()

    def joined(self, sample: int) -> None:
        """The stream's audio begins here; only the first call counts."""
        if self.state.start_sample is None:
            self.state.start_sample = sample
            if self._conditions is not None:
                self._conditions.joined(sample)

    def heard(self, level: BlockLevel) -> None:
        """A block was heard."""
        self.state.clipped_samples += level.clipped_samples
        if self._conditions is not None:
            self._conditions.heard(level)
        for start, end, mean_square in level.cells():
            if mean_square < self._silent_square:
                append(self.state.silent, (start, end))

    def gap(self, start_sample: int, end_sample: int) -> None:
        """There was no signal in [start_sample, end_sample)."""
        append(self.state.gaps, (start_sample, end_sample))
        if self._conditions is not None:
            self._conditions.missed(start_sample, end_sample)

    def away(self, start_sample: int, end_sample: int) -> None:
        """A gap that the next epoch ends; its `reconnected` status tells of it, no condition does."""
        append(self.state.gaps, (start_sample, end_sample))

    def happened(self, to_sample: int | None = None) -> tuple[Condition, ...]:
        """What happened up to a place of the stream and was not handed out yet; None: everything."""
        return () if self._conditions is None else tuple(self._conditions.take(to_sample))

    def played(self, change: PlayChange) -> None:
        """A play opened, moved, ended or was taken back."""
        key = (change.stream.epoch, change.track.track_id, change.first_chunk)
        # A play keeps the clock of the epoch in which it opened.
        shift = self.state.epochs.get(change.stream.epoch, 0)
        if change.status == "retracted":
            self.state.plays.pop(key, None)
        else:
            self.state.plays[key] = (
                change.start_sample - shift,
                change.end_sample - shift,
                change.status != "final",
            )

    def continues(self, before: StreamAccount, offset_samples: int) -> None:
        """This epoch goes on where `before` ends: sample 0 is sample `offset_samples` of that epoch."""
        earlier = {epoch: place + offset_samples for epoch, place in before.state.epochs.items()}
        self.state.epochs = {**earlier, before.stream.epoch: offset_samples}

    def period(self, now_sample: int) -> StreamStatus | None:
        """The status of a whole period, once stream time has passed its end by `settle_s`; None before."""
        start = self.state.start_sample
        if start is None or now_sample < start + self._every_samples + self._settle_samples:
            return None
        return self._settle(start + self._every_samples, "running", "period")

    def close(self, end_sample: int, state: State, reason: str, *, played_to_sample: int | None = None) -> StreamStatus:
        """The status of what was left up to the end of the stream.

        Args:
            end_sample: The end; of an epoch that another one continues, where that begins.
            state: How it ended.
            reason: Why.
            played_to_sample: How far the plays go that are still open; None: as far as they were told.
        """
        if played_to_sample is not None:
            self.state.plays = {
                key: (start, max(end, played_to_sample) if is_open else end, is_open)
                for key, (start, end, is_open) in self.state.plays.items()
            }
        return self._settle(end_sample, state, reason)

    def snapshot(self) -> AccountState:
        """A copy of everything that the account remembers."""
        conditions = ConditionState() if self._conditions is None else self._conditions.state
        return copy.deepcopy(replace(self.state, conditions=conditions))

    def restore(self, state: AccountState) -> None:
        """Goes on from a snapshot."""
        self.state = copy.deepcopy(state)
        if self._conditions is not None:
            self._conditions.restore(state.conditions)

    def _settle(self, end: int, state: State, reason: str) -> StreamStatus:
        """Counts up to `end` and keeps what lies behind it."""
        own = self.state
        start = end if own.start_sample is None else min(own.start_sample, end)
        whole = [(start, end)]
        gaps = common(union(own.gaps), whole)
        matched = common(union((s, e) for s, e, _ in own.plays.values()), without(whole, gaps))
        silent = without(common(union(own.silent), without(whole, gaps)), matched)
        rest = end - start - total(gaps) - total(matched) - total(silent)
        status = StreamStatus(
            stream=self.stream,
            state=state,
            reason=reason,
            start_sample=start,
            end_sample=end,
            matched_samples=total(matched),
            unmatched_samples=rest,
            silence_samples=total(silent),
            no_signal_samples=total(gaps),
            clipped_samples=own.clipped_samples,
        )
        self.state = AccountState(
            start_sample=end,
            silent=[each for each in own.silent if each[1] > end],
            gaps=[each for each in own.gaps if each[1] > end],
            plays={key: play for key, play in own.plays.items() if play[2] or play[1] > end},
            epochs=own.epochs,
        )
        return status
