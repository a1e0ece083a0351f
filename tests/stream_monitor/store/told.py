"""Events as a worker tells them, by hand; each is valid by the schemas that ship with the package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid5

from stream_monitor.event_types import EVENT_NAMESPACE, PLAY_TYPE, STATUS_TYPE, VERDICT_TYPE
from stream_monitor.kafka.client import Partition, Received
from tests.fakes.schemas import checked

Event = dict[str, Any]

DAY = datetime(2026, 11, 22, tzinfo=UTC)
EPOCH = round(1e3 * DAY.timestamp())
VERSIONS = {"software": "0.1.0", "encoder": "e", "catalogue": "c", "config": "f"}


def at(start_s: float) -> str:
    """So many seconds after the begin of the day, and of the stream."""
    return (DAY + timedelta(seconds=start_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(kind_of_event: str, name: str, subject: str, data: Mapping[str, Any], found_at: str) -> Event:
    return {
        "specversion": "1.0",
        "type": kind_of_event,
        "source": f"/stream-monitor/{data['stream_kind']}/{data['stream_id']}",
        "id": str(uuid5(EVENT_NAMESPACE, name)),
        "subject": subject,
        "time": found_at,
        "datacontenttype": "application/json",
        "data": {**data, "detected_at": found_at, "versions": VERSIONS},
    }


def play(
    number: int = 0,
    revision: int = 0,
    status: str = "final",
    *,
    stream: str = "fm-1",
    start_s: float | None = None,
    timed: bool = True,
    found_at: str = "2026-11-22T12:00:00.000Z",
    **changed: Any,
) -> Event:
    """The n-th play of a stream, five minutes after the one before."""
    start_s = 300.0 * number if start_s is None else start_s
    end_s = start_s + 180.0 + revision
    name = f"play|{stream}|{number}"
    data = {
        "play_id": str(uuid5(EVENT_NAMESPACE, name)),
        "revision": revision,
        "status": status,
        "stream_id": stream,
        "stream_kind": "broadcast",
        "epoch": EPOCH if timed else 0,
        "track": {
            "track_id": f"t{number % 3}", "work_id": f"w{number % 2}", "title": f"Tüne <{number}>", "artist": "A & B",
            "isrc": None, "iswc": None,
        },
        "match_type": "recording",
        "confidence": 0.97,
        "score": 0.8125,
        "start_time": at(start_s) if timed else None,
        "end_time": at(end_s) if timed else None,
        "start_s": start_s,
        "end_s": end_s,
        "track_start_s": 0.0,
        "track_end_s": 180.0,
        "transposition_semitones": 0,
        "tempo_ratio": 1.0,
        "gaps": [[start_s + 20.0, start_s + 26.5]],
        "alternatives": [],
        **changed,
    }  # fmt: skip
    return _event(PLAY_TYPE, f"{name}|{revision}", data["play_id"], data, found_at)


def status(number: int = 0, *, stream: str = "fm-1", state: str = "running") -> Event:
    """Where the n-th five minutes of a stream went."""
    start_s = 300.0 * number
    seconds = {"monitored": 298.5, "matched": 180.0, "unmatched": 100.25, "silence": 18.25, "no_signal": 1.5}
    data = {
        "stream_id": stream, "stream_kind": "broadcast", "epoch": EPOCH, "state": state, "reason": "a period is over",
        "start_s": start_s, "end_s": start_s + 300.0, "start_time": at(start_s), "end_time": at(start_s + 300.0),
        "seconds": seconds, "clipped_s": 0.0, "dropped_s": None,
    }  # fmt: skip
    return _event(STATUS_TYPE, f"status|{stream}|{number}", stream, data, "2026-11-22T12:00:00.000Z")


def verdict(
    upload: str, revision: int = 0, word: str = "clear", *, early: bool = False, epoch: int = EPOCH, replays: int = 0
) -> Event:
    """What is said of an upload of a minute."""
    seconds = {"heard": 60.0, "silent": 0.0, "missing": 0.0, "poisoned": 0.0, "unheard": 0.0}
    data = {
        "stream_id": upload, "stream_kind": "upload", "epoch": epoch, "revision": revision, "early": early,
        "replays": replays, "verdict": word, "action": "review" if early else "allow", "rules": [], "reasons": [],
        "duration_s": 60.0, "matched_s": 0.0, "share": None if early else 0.0, "coverage": 1.0, "seconds": seconds,
        "plays": [],
    }  # fmt: skip
    name = f"verdict|{upload}|{epoch}|{replays}|{revision}"
    found = _event(VERDICT_TYPE, name, upload, data, "2026-11-22T12:00:00.000Z")
    checked(lines([found]))
    return found


def a_day(streams: int = 3, plays: int = 10) -> list[Event]:
    """Revisions of plays of some stations, some of them taken back, with what became of the time."""
    told: list[Event] = []
    for number in range(plays):
        for stream in (f"fm-{n}" for n in range(streams)):
            last = "retracted" if number % 5 == 4 else "final"
            told += [play(number, 0, "provisional", stream=stream), play(number, 1, "updated", stream=stream)]
            told += [play(number, 2, last, stream=stream), status(number, stream=stream)]
    checked(lines(told))
    return told


def lines(events: Iterable[Event]) -> str:
    """As `watch --events` writes them."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def record(value: Event | bytes | None, offset: int = 0, number: int = 0, topic: str = "match.events") -> Received:
    """As Kafka gives it."""
    return Received(
        partition=Partition(topic=topic, number=number),
        offset=offset,
        appended_ms=EPOCH,
        key=b"k",
        value=json.dumps(value).encode() if isinstance(value, dict) else value,
        headers=(),
    )
