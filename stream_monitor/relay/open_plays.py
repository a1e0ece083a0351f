"""The plays that are open now, as one destination's filter lets them through. It is made of events and of nothing else.

After a restart it is read again from the topic, some hours back from where the group is; so a play that was not heard
of for longer than that is no longer held for open, by those that were not restarted either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream_monitor.relay.alert import Alert, Stream
from stream_monitor.relay.filter import Filter

CLOSED: Final = ("final", "retracted")
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

    def hear(self, alert: Alert) -> Heard:
        """Takes an event in."""
        wants = self._filter.wants(alert)
        plays = self._open.get(alert.stream, {})
        old = [key for key, play in plays.items() if play.appended_ms < alert.appended_ms - self._memory_ms]
        for key in old:
            del plays[key]
        if not alert.is_play:
            return Heard(told=wants and self._filter.chooses(alert), plays=self.of(alert.stream) if old else None)
        key = alert.data["play_id"]
        known = key in plays
        counts = known or self._filter.chooses(alert)
        if counts and alert.status in CLOSED:
            plays.pop(key, None)
        elif counts:
            self._open.setdefault(alert.stream, plays)[key] = alert
        if not plays:
            self._open.pop(alert.stream, None)
        changed = known or bool(old) or (counts and alert.status not in CLOSED)
        return Heard(told=wants and counts, plays=self.of(alert.stream) if changed else None)

    def of(self, stream: Stream) -> Plays:
        """What is open in a stream."""
        return [play.data for play in self._open.get(stream, {}).values()]

    def streams(self) -> Iterator[Stream]:
        """Those in which something is open."""
        return iter(tuple(self._open))

    def clear(self) -> None:
        """Nothing is open."""
        self._open.clear()
