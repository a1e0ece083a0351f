"""A record's value to an entry of the store: checked as far as the tables need it, and told from others by its digest.

It knows nothing of tables. An event of a type that we do not know is an entry too, so that nothing of a newer worker
is lost.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Never

from stream_monitor.event_time import heard_at, moment
from stream_monitor.event_types import PLAY_TYPE, STATUS_TYPE, VERDICT_TYPE
from stream_monitor.kafka.errors import PoisonError

VOLATILE: Final = ("detected_at", "versions")
"""Of an event's data: differs when the same is found out again."""
STATUSES: Final = ("provisional", "updated", "final", "retracted")
LARGEST: Final = (1 << 63) - 1
LONGEST: Final = 1000
"""Bytes of a name; two of them fit into an entry of PostgreSQL's indexes, which hold 2,704."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One event."""

    event_id: str
    type: str
    kind: str
    stream_id: str
    epoch: int
    heard_at: datetime | None
    """Begin of what it tells, on the wall clock."""
    time: datetime
    """When it was found out."""
    digest: str
    """Equal for events that say the same."""
    data: Mapping[str, Any]


def read(value: bytes | None) -> Entry:
    """An event of a record.

    Raises:
        PoisonError: It is none; `code` says in a word what is wrong: not_json, not_an_event, bad_field or bad_text.
    """
    event = _object(value)
    data = event.get("data")
    if not isinstance(data, dict):
        raise PoisonError("not_an_event", "it has no object `data`")
    _check_text(event)
    kind_of_event = _text(event, "type")
    epoch = _number(data, "epoch", whole=True)
    try:
        found = Entry(
            event_id=_text(event, "id"),
            type=kind_of_event,
            kind=_text(data, "stream_kind"),
            stream_id=_text(data, "stream_id"),
            epoch=int(epoch),
            heard_at=heard_at({"start_s": 0.0, **data}),
            time=moment(event.get("time")),
            digest=_digest(event, data),
            data=data,
        )
    except (ValueError, TypeError) as error:
        raise PoisonError("bad_field", str(error)) from error
    if kind_of_event == PLAY_TYPE:
        _check_play(data)
    elif kind_of_event == STATUS_TYPE:
        _check_status(data)
    elif kind_of_event == VERDICT_TYPE:
        _check_verdict(data)
    return found


def _object(value: bytes | None) -> dict[str, Any]:
    if not value:
        raise PoisonError("not_json", "the value is empty")
    try:
        event = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise PoisonError("not_json", f"no JSON: {error}") from error
    if not isinstance(event, dict):
        raise PoisonError("not_an_event", f"a JSON {type(event).__name__}, not an object")
    return event


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _check_text(event: Mapping[str, Any]) -> None:
    """Characters that PostgreSQL or UTF-8 cannot hold, numbers that are none."""
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise PoisonError("bad_text", f"it cannot be written: {error}") from error
    if "\\u0000" in text.replace("\\\\", ""):  # and not a backslash that stands before u0000
        raise PoisonError("bad_text", "it holds the character NUL")


def _check_play(data: Mapping[str, Any]) -> None:
    _text(data, "play_id")
    _number(data, "revision", whole=True)
    if data.get("status") not in STATUSES:
        raise PoisonError("bad_field", f"status is {data.get('status')!r}, not one of {', '.join(STATUSES)}")
    track = data.get("track")
    if not isinstance(track, dict):
        raise PoisonError("bad_field", "it has no object `track`")
    _text(track, "track_id")
    _text(track, "work_id")
    _number(data, "start_s")
    _number(data, "end_s")


def _check_status(data: Mapping[str, Any]) -> None:
    _text(data, "state")
    _number(data, "start_s")
    _number(data, "end_s")
    seconds = data.get("seconds")
    if not isinstance(seconds, dict):
        raise PoisonError("bad_field", "it has no object `seconds`")
    for name in seconds:
        _number(seconds, name)


def _check_verdict(data: Mapping[str, Any]) -> None:
    _number(data, "revision", whole=True)
    _number(data, "replays", whole=True)
    if not isinstance(data.get("early"), bool):
        raise PoisonError("bad_field", f"early is {data.get('early')!r:.100}, neither true nor false")


def _text(place: Mapping[str, Any], name: str) -> str:
    value = place.get(name)
    if not isinstance(value, str) or not value:
        raise PoisonError("bad_field", f"{name} is {value!r:.100}, not a text")
    if len(value.encode()) > LONGEST:
        raise PoisonError("bad_field", f"{name} is longer than {LONGEST} bytes: {value!r:.100}")
    return value


def _number(place: Mapping[str, Any], name: str, *, whole: bool = False) -> float:
    value = place.get(name)
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not good or (whole and not 0 <= value <= LARGEST) or not math.isfinite(value):  # type: ignore[operator, arg-type]
        raise PoisonError("bad_field", f"{name} is {value!r:.100}, not a {'whole ' if whole else ''}number")
    return value  # type: ignore[return-value]


def _digest(event: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    lasting = {name: value for name, value in data.items() if name not in VOLATILE}
    said = {**{name: event.get(name) for name in ("type", "source", "subject")}, "data": lasting}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
