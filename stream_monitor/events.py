"""Play changes to CloudEvents, by the contract `music.play.v1`. It knows nothing of where events go.

Ids are UUID5 of what was frozen when the play opened, so that a replay gives the same ids.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from encoder.grid import SAMPLE_RATE
from stream_monitor.errors import EventError
from stream_monitor.event_types import EVENT_NAMESPACE, PLAY_TYPE
from stream_monitor.plays import PlayChange
from stream_monitor.segments import StreamKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """What made the event."""

    software: str
    encoder: str
    """The encoder's fingerprint."""
    catalogue: str
    config: str
    """Fingerprint of the configuration; with `+provisional-confidence` while the confidence is not fitted."""


def play_id(change: PlayChange) -> UUID:
    """The play's id, the same in all its revisions."""
    return play_uuid(change.stream, change.track.track_id, change.first_chunk)


def play_uuid(opened: StreamKey, track_id: str, first_chunk: int) -> UUID:
    """The id of a play by what it opened with: the stream in its epoch, the track, the chunk."""
    return uuid5(EVENT_NAMESPACE, _play_name(opened, track_id, first_chunk))


def event_id(change: PlayChange) -> UUID:
    """The revision's id."""
    name = _play_name(change.stream, change.track.track_id, change.first_chunk)
    return uuid5(EVENT_NAMESPACE, f"{name}|{change.revision}")


def source(stream: StreamKey) -> str:
    """The CloudEvents source of a stream, percent-encoded."""
    return f"/stream-monitor/{quote(stream.kind, safe='')}/{quote(stream.stream_id, safe='')}"


def play_event(
    change: PlayChange, *, versions: Versions, detected_at: datetime, stream_start: datetime | None = None
) -> dict[str, Any]:
    """The event of one revision, ready for `json.dumps(…, allow_nan=False)`.

    Args:
        change: What the tracker said.
        versions: What made it.
        detected_at: Now, with a time zone.
        stream_start: Wall clock of sample 0 of the epoch in which the play opened, with a time zone; None where it is
            not known, then the event's times are null.

    Raises:
        EventError: A number is not finite, or a time has no zone.
    """
    stream, track = change.stream, change.track
    detected = rfc3339(detected_at)
    data = {
        "play_id": str(play_id(change)),
        "revision": change.revision,
        "status": change.status,
        "stream_id": stream.stream_id,
        "stream_kind": stream.kind,
        "epoch": stream.epoch,
        "track": {
            "track_id": track.track_id,
            "work_id": track.work_id,
            "title": track.title,
            "artist": track.artist,
            "isrc": track.isrc,
            "iswc": track.iswc,
        },
        "match_type": change.match_type,
        "confidence": _number(change.confidence, 6, "confidence"),
        "score": _number(change.score, 6, "score"),
        "start_time": wall_clock(stream_start, change.start_sample),
        "end_time": wall_clock(stream_start, change.end_sample),
        "start_s": seconds(change.start_sample),
        "end_s": seconds(change.end_sample),
        "track_start_s": _track_seconds(change.track_start_sample),
        "track_end_s": _track_seconds(change.track_end_sample),
        "transposition_semitones": change.transposition_semitones,
        "tempo_ratio": None if change.tempo_ratio is None else _number(change.tempo_ratio, 4, "tempo_ratio"),
        "gaps": [[seconds(start), seconds(end)] for start, end in change.gaps],
        "alternatives": [
            {"track_id": other.track_id, "score": _number(other.score, 6, "an alternative's score")}
            for other in change.alternatives
        ],
        "detected_at": detected,
        "versions": asdict(versions),
    }
    return {
        "specversion": "1.0",
        "type": PLAY_TYPE,
        "id": str(event_id(change)),
        "source": source(stream),
        "subject": data["play_id"],
        "time": detected,
        "datacontenttype": "application/json",
        "data": data,
    }


@cache
def play_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the whole event; the caller does not change it."""
    return _document("play.v1.json")


@cache
def status_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a whole status event; the caller does not change it."""
    return _document("status.v1.json")


@cache
def verdict_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a whole verdict event; the caller does not change it."""
    return _document("verdict.v1.json")


@cache
def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3 document of the events; the caller does not change it."""
    return _document("asyncapi.json")


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z.

    Raises:
        EventError: The time has no zone.
    """
    if moment.tzinfo is None:
        raise EventError(f"time {moment.isoformat()} has no time zone: give one, UTC best")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _play_name(opened: StreamKey, track_id: str, first_chunk: int) -> str:
    parts = (PLAY_TYPE, opened.kind, opened.stream_id, opened.epoch, track_id, first_chunk)
    return "|".join(str(part) for part in parts)


def wall_clock(stream_start: datetime | None, sample: int) -> str | None:
    """When a sample was heard, RFC 3339; None where the stream's start is not known."""
    if stream_start is None:
        return None
    return rfc3339(stream_start + timedelta(seconds=sample / SAMPLE_RATE))


def seconds(samples: int) -> float:
    """Samples in seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE, 3)


def _track_seconds(sample: int | None) -> float | None:
    return None if sample is None else seconds(sample)


def _number(value: float, digits: int, what: str) -> float:
    if not math.isfinite(value):
        raise EventError(f"{what} of a play is {value}: an event holds finite numbers only")
    return round(float(value), digits)


def _document(name: str) -> dict[str, Any]:
    text = files("stream_monitor").joinpath("schema", name).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
