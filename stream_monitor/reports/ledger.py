"""Events into a ledger: per station its plays (the newest revision of each) and the time that was monitored.

Reads the JSON Lines that `watch --events` writes, in any order and with repeats: events are told apart by their id,
plays by their play_id, and the highest revision of a play wins. Knows nothing of how a report looks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from stream_monitor.event_time import heard_at
from stream_monitor.event_types import PLAY_TYPE, STATUS_TYPE
from stream_monitor.reports.selection import Selection

log = structlog.get_logger(__name__)

SHOWN_BAD_LINES = 5
"""So many bad lines are logged one by one; of a file that is something else altogether there are thousands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadLine:
    """A line that is no event: where it stands and what is wrong with it."""

    number: int
    reason: str


@dataclass(kw_only=True, slots=True)
class Station:
    """What is known of one (kind, stream_id): plays by play_id, monitored intervals by epoch."""

    kind: str
    stream_id: str
    plays: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)

    def reported(self) -> list[dict[str, Any]]:
        """The plays that stand, oldest first: retracted ones are left out."""
        standing = (play for play in self.plays.values() if play["status"] != "retracted")
        return sorted(standing, key=lambda play: (play["epoch"], play["start_s"], play["play_id"]))

    @property
    def retracted(self) -> int:
        """Number of plays that were reported once and then taken back."""
        return sum(play["status"] == "retracted" for play in self.plays.values())

    def seconds(self) -> dict[str, float]:
        """Seconds by class (monitored, matched, unmatched, …) over all epochs; empty when never told."""
        total: dict[str, float] = {}
        for status in self.statuses.values():
            for name, value in status.get("seconds", {}).items():
                total[name] = total.get(name, 0.0) + float(value)
        return total


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """All stations in order of (kind, stream_id), and the lines that could not be read."""

    stations: tuple[Station, ...]
    bad_lines: tuple[BadLine, ...]


def read_ledger(lines: Iterable[str], selection: Selection | None = None) -> Ledger:
    """Gathers events into a ledger.

    Args:
        lines: JSON Lines; empty lines are skipped, events of other types ignored.
        selection: What is wanted of them; None takes all.

    Returns:
        The ledger. A line that is not an event of ours is kept in `bad_lines` (the first few are logged); the
        rest carries on.
    """
    stations: dict[tuple[str, str], Station] = {}
    bad: list[BadLine] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            _enter(stations, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            bad.append(BadLine(number=number, reason=reason))
            if len(bad) <= SHOWN_BAD_LINES:
                log.warning("line is not an event", line=number, reason=reason)
    if selection is not None:
        stations = _selected(stations, selection)
    return Ledger(stations=tuple(stations[key] for key in sorted(stations)), bad_lines=tuple(bad))


def _selected(stations: Mapping[tuple[str, str], Station], selection: Selection) -> dict[tuple[str, str], Station]:
    """By the newest revisions; stations of which nothing is left are not in it."""
    found = {}
    untimed = 0
    for key, station in stations.items():

        def wanted(data: Mapping[str, Any], key: tuple[str, str] = key) -> bool:
            return selection.holds(*key, heard_at(data))

        plays = {play_id: play for play_id, play in station.plays.items() if wanted(play)}
        statuses = {name: status for name, status in station.statuses.items() if wanted(status)}
        if selection.bounded and selection.names(*key):
            untimed += sum(heard_at(play) is None for play in station.plays.values())
        if plays or statuses:
            found[key] = Station(kind=station.kind, stream_id=station.stream_id, plays=plays, statuses=statuses)
    if untimed:
        log.warning("plays whose time nobody knows are in no period", plays=untimed)
    return found


def _enter(stations: dict[tuple[str, str], Station], event: Mapping[str, Any]) -> None:
    kind_of_event = event["type"]
    if kind_of_event not in (PLAY_TYPE, STATUS_TYPE):
        return
    data = dict(event["data"])
    heard_at(data)
    key = (str(data["stream_kind"]), str(data["stream_id"]))
    if kind_of_event == PLAY_TYPE:
        for needed in ("epoch", "start_s", "end_s", "status", "track"):
            data[needed]
        play_id, revision = str(data["play_id"]), int(data["revision"])
        station = stations.setdefault(key, Station(kind=key[0], stream_id=key[1]))
        known = station.plays.get(play_id)
        if known is None or revision >= int(known["revision"]):
            station.plays[play_id] = data
    else:
        station = stations.setdefault(key, Station(kind=key[0], stream_id=key[1]))
        station.statuses[(int(data.get("epoch", 0)), str(event["id"]))] = data
