"""A record of the topic of events, read as far as it has to be to send it on. It knows nothing of where it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from stream_monitor.event_types import PLAY_TYPE, STATUS_TYPE
from stream_monitor.kafka.client import Received
from stream_monitor.kafka.errors import PoisonError

TRACEPARENT: Final = "traceparent"
ID_LETTERS: Final = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """Which stream an event is of."""

    kind: str
    stream_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An event that is to be told."""

    event_id: str
    type: str
    stream: Stream
    status: str
    """Of a play: its status. Of a stream: its state. Of others: the name in their type (`verdict`)."""
    data: Mapping[str, Any]
    value: bytes
    """As it is in Kafka; nothing is written anew."""
    appended_ms: int
    detected_at: datetime | None
    traceparent: str | None
    """W3C trace context of the record, where it has one."""

    @property
    def is_play(self) -> bool:
        """Whether it tells a revision of a play."""
        return self.type == PLAY_TYPE


def read(record: Received) -> Alert:
    """Reads a record.

    Raises:
        PoisonError: It is no event that could be told (code `bad_event`).
    """
    try:
        event = json.loads((record.value or b"").decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PoisonError("bad_event", f"not JSON: {error}") from error
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise PoisonError("bad_event", "not a JSON object with the object data")
    data = event["data"]
    kind = _word(event, "type")
    play = kind == PLAY_TYPE
    if play:
        _text(data, "play_id")
        if not isinstance(data.get("track"), dict):
            raise PoisonError("bad_event", "a play without the object track")
        if not isinstance(data["track"].get("track_id"), str | None):
            raise PoisonError("bad_event", "a play whose track_id is no text")
        confidence = data.get("confidence")
        if not isinstance(confidence, int | float) or isinstance(confidence, bool):
            raise PoisonError("bad_event", f"confidence is {confidence!r}, not a number")
    return Alert(
        event_id=_word(event, "id"),
        type=kind,
        stream=Stream(kind=_text(data, "stream_kind"), stream_id=_text(data, "stream_id")),
        status=_text(data, "status") if play else _status(kind, data),
        data=data,
        value=record.value or b"",
        appended_ms=record.appended_ms,
        detected_at=_moment(data.get("detected_at")),
        traceparent=_traceparent(record),
    )


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _status(kind: str, data: Mapping[str, Any]) -> str:
    if kind == STATUS_TYPE:
        return _text(data, "state")
    parts = kind.split(".")
    return parts[-2] if len(parts) > 1 else kind


def _text(tree: Mapping[str, Any], key: str) -> str:
    found = tree.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= ID_LETTERS:
        raise PoisonError("bad_event", f"{key} is {str(found)[:80]!r}, not a text of 1 to {ID_LETTERS} letters")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise PoisonError("bad_event", f"{key} has half a letter at {error.start}") from error
    return found


def _word(tree: Mapping[str, Any], key: str) -> str:
    """A text that goes into headers as it is: HTTP takes ASCII only, and a control character ends MQTT connections."""
    found = _text(tree, key)
    if not (found.isascii() and found.isprintable()):
        raise PoisonError("bad_event", f"{key} is {found[:80]!r}, not printable ASCII")
    return found


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _traceparent(record: Received) -> str | None:
    value = next((value for name, value in record.headers if name == TRACEPARENT), None)
    text = value.decode("ascii") if value is not None and value.isascii() and len(value) <= 256 else None
    return text if text is not None and text.isprintable() else None
