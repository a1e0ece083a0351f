"""The plays that are open now, as one destination's filter lets them through. It is made of events and of nothing else.

After a restart it is read again from the topic, some hours back from where the group is; so a play that was not heard
of for longer than that is no longer held for open, by those that were not restarted either. Streams in which nothing is
open any more are remembered as long, up to a number: who was told of a play there has to be told that it is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream_monitor.relay.alert import Alert, Stream
from stream_monitor.relay.filter import Filter

CLOSED: Final = ("final", "retracted")
EMPTIED: Final = 10_000
"""Streams in which nothing is open any more that are remembered, at most; the oldest are forgotten first."""
Plays = Sequence[Mapping[str, Any]]
"""The data of the last event of each, in the order in which they opened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What an event means to a destination."""

    told: bool
    """Whether it is told."""
    plays: Plays | None
    """What is open in its stream now; None where that did not change."""


class OpenPlays:
    """One destination's."""

    def __init__(self, chosen: Filter, memory_hours: float) -> None:
        """Nothing is open.

        Args:
            chosen: Which plays count.
            memory_hours: A play that was not heard of for so long, by its stream's later events, is not open.
        """
        self._filter = chosen
        self._memory_ms = memory_hours * 3.6e6
        self._open: dict[Stream, dict[str, Alert]] = {}
        self._emptied: dict[Stream, int] = {}
        """When the last play of each ended, in that order."""
        self._newest_ms = 0

    def hear(self, alert: Alert) -> Heard:
        """Takes an event in."""
        wants = self._filter.wants(alert)
        self._newest_ms = max(self._newest_ms, alert.appended_ms)
        plays = self._open.setdefault(alert.stream, {})
        old = [key for key, play in plays.items() if play.appended_ms < alert.appended_ms - self._memory_ms]
        for key in old:
            del plays[key]
        changed = bool(old)
        if alert.is_play:
            key = alert.data["play_id"]
            known = key in plays
            counts = known or self._filter.chooses(alert)
            closes = alert.status in CLOSED
            if counts and closes:
                plays.pop(key, None)
            elif counts:
                plays[key] = alert
            changed = changed or known or (counts and not closes)
        else:
            counts = self._filter.chooses(alert)
        self._remember(alert, changed=changed)
        return Heard(told=wants and counts, plays=self.of(alert.stream) if changed else None)

    def of(self, stream: Stream) -> Plays:
        """What is open in a stream."""
        return [play.data for play in self._open.get(stream, {}).values()]

    def streams(self) -> Sequence[Stream]:
        """Those in which something is open, or was until lately."""
        since_ms = self._newest_ms - self._memory_ms
        return [*self._open, *(stream for stream, ended_ms in self._emptied.items() if ended_ms >= since_ms)]

    def clear(self) -> None:
        """Nothing is open, and nothing was."""
        self._open.clear()
        self._emptied.clear()

    def _remember(self, alert: Alert, *, changed: bool) -> None:
        """Whether anything is open in the event's stream, or was until now."""
        if self._open[alert.stream]:
            self._emptied.pop(alert.stream, None)
            return
        del self._open[alert.stream]
        if changed:
            self._emptied.pop(alert.stream, None)
            self._emptied[alert.stream] = alert.appended_ms
            if len(self._emptied) > EMPTIED:
                del self._emptied[next(iter(self._emptied))]
