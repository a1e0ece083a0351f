"""What a relay reads of an event, and what it puts aside before a destination could choke on it."""

from __future__ import annotations

import json

import pytest

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.relay.alert import read


def record(value: bytes | None, traceparent: bytes | None = None) -> Received:
    """A record of the topic of events."""
    headers = [] if traceparent is None else [("traceparent", traceparent)]
    place = Partition(topic="match.events", number=0)
    return Received(partition=place, offset=0, appended_ms=0, key=b"fm-1", value=value, headers=headers)


def status(event_id: str = "event-1", kind: str = "stream.status.v1") -> bytes:
    """An event of a stream."""
    data = {"stream_id": "fm/1", "stream_kind": "broadcast", "state": "online"}
    return json.dumps({"id": event_id, "type": kind, "data": data}).encode()


def test_an_event_is_read() -> None:
    """Its value stays as it is; a stream's status is its state, a verdict's is the name in its type."""
    alert = read(record(status(), b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    assert (alert.event_id, alert.stream.stream_id, alert.status) == ("event-1", "fm/1", "online")
    assert alert.value == status()
    assert alert.traceparent is not None
    assert read(record(status(kind="music.verdict.v1"))).status == "verdict"


@pytest.mark.parametrize("event_id", ["\u00e9", "a\0b", "a\nb", "a\x07b", "\ufffe", "", "a" * 2000, "\ud800"])
def test_an_id_that_headers_cannot_carry_is_poison(event_id: str) -> None:
    """HTTP would fail and MQTT would lose its connection, again and again, with all later events behind it."""
    with pytest.raises(PoisonError, match="id"):
        read(record(status(event_id)))


@pytest.mark.parametrize("value", [None, b"", b"no event", b"[]", b"{}", b'{"data": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_event_is_poison(value: bytes | None) -> None:
    """It goes to the dead letters and stops nobody."""
    with pytest.raises(PoisonError):
        read(record(value))


def test_a_trace_that_headers_cannot_carry_is_left_out() -> None:
    """The event is told without it."""
    assert read(record(status(), b"00-\n")).traceparent is None
