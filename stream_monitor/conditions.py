"""What is going on with a stream as it happens: on the air, dead air, clipping, a gap.

One per stream and epoch, beside its account. It is told what the account is told and notes each condition once, with
the place in stream time at which it could be known; with the next chunk that reaches there it is handed out. So what is
told, and with which chunk, depends on the audio alone: not on batches, the wall clock or a restart between snapshots.

There is no condition `offline`: the status at the end of an epoch (`ended`, `idle`, `failed`, `interrupted`) says that
a stream is off the air, and ends its dead air and clipping too. It knows nothing of plays or of events.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from encoder.grid import CHUNK_HOP_SAMPLES
from stream_monitor.level import BlockLevel

Happening = Literal["online", "dead_air", "dead_air_over", "clipping", "clipping_over", "gap"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Something that began, ended or was missed in a stream, in [start_sample, end_sample)."""

    state: Happening
    reason: str
    """For people."""
    start_sample: int
    end_sample: int
    """How far it was known to go when it was noted; the same as the start where it is a moment."""
    known_sample: int
    """Where in the stream it was noted."""


@dataclass(kw_only=True, slots=True)
class ConditionState:
    """Everything that must not be forgotten: what is going on, and what was noted and not handed out yet."""

    silent_from: int | None = None
    """Where the present silence began; None while there is sound."""
    silent_to: int = 0
    dead_air: bool = False
    """Whether the present silence was told."""
    clipping_from: int | None = None
    """Where the clipping that was told began."""
    clipping_to: int = 0
    noted: list[Condition] = field(default_factory=list)


class Conditions:
    """The conditions of one stream in one epoch."""

    def __init__(self, *, silent_square: float, dead_air_samples: int, clipping_share: float) -> None:
        """Starts with nothing.

        Args:
            silent_square: Cells with a lower mean square are silence.
            dead_air_samples: Unbroken silence of this length is dead air.
            clipping_share: A block of 10 s of which more is clipped is clipping.
        """
        self.state = ConditionState()
        self._silent_square = silent_square
        self._dead_air_samples = dead_air_samples
        self._clipping_share = clipping_share

    def joined(self, sample: int) -> None:
        """The epoch's first audio."""
        self._note("online", "first audio", sample, sample, sample)

    def heard(self, level: BlockLevel) -> None:
        """A block was heard."""
        for start, end, mean_square in level.cells():
            self._cell(start, end, mean_square < self._silent_square)
        if not level.samples:
            return
        own = self.state
        start = level.block * CHUNK_HOP_SAMPLES
        end = start + level.samples
        share = level.clipped_samples / level.samples
        if share <= self._clipping_share:
            if own.clipping_from is not None:
                self._note("clipping_over", "below the limit again", own.clipping_from, own.clipping_to, end)
            own.clipping_from = None
            return
        if own.clipping_from is None:
            own.clipping_from = start
            self._note("clipping", f"{100.0 * share:.1f} % of the samples at full scale", start, end, end)
        own.clipping_to = end

    def missed(self, start_sample: int, end_sample: int) -> None:
        """There was no signal in [start_sample, end_sample)."""
        self._note("gap", "audio is missing", start_sample, end_sample, end_sample)

    def take(self, to_sample: int | None = None) -> Sequence[Condition]:
        """Hands out what was noted up to a place of the stream, each once; None: everything."""
        ordered = sorted(self.state.noted, key=lambda each: (each.known_sample, each.start_sample))
        taken = [each for each in ordered if to_sample is None or each.known_sample <= to_sample]
        self.state.noted = ordered[len(taken) :]
        return taken

    def restore(self, state: ConditionState) -> None:
        """Goes on from a snapshot."""
        self.state = copy.deepcopy(state)

    def _cell(self, start: int, end: int, silent: bool) -> None:
        """Half a second: silence goes on, begins or is over. Where audio is missing before it, silence is over too."""
        own = self.state
        if own.silent_from is not None and (not silent or start != own.silent_to):
            if own.dead_air:
                why = "audio is missing" if start != own.silent_to else "sound is back"
                self._note("dead_air_over", why, own.silent_from, own.silent_to, end)
            own.silent_from, own.dead_air = None, False
        if not silent:
            return
        if own.silent_from is None:
            own.silent_from = start
        own.silent_to = end
        if not own.dead_air and end - own.silent_from >= self._dead_air_samples:
            own.dead_air = True
            self._note("dead_air", "silence", own.silent_from, end, end)

    def _note(self, state: Happening, reason: str, start: int, end: int, known: int) -> None:
        self.state.noted.append(
            Condition(state=state, reason=reason, start_sample=start, end_sample=end, known_sample=known)
        )
