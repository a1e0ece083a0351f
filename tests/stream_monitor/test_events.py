"""Events keep to the contract: ids, times, nulls and the schemas that ship with the package."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from stream_monitor.confidence import PlayFeatures
from stream_monitor.errors import EventError
from stream_monitor.events import Versions, asyncapi, event_id, play_event, play_id, play_schema, rfc3339
from stream_monitor.plays import Alternative, PlayChange, PlayedTrack
from stream_monitor.segments import StreamKey
from tests.fakes.listening import listen
from tests.fakes.world import Aired, World

VERSIONS = Versions(software="0.1.0", encoder="abc", catalogue="7", config="d1+provisional-confidence")
NOW = datetime(2026, 11, 22, 10, 0, 5, 123456, tzinfo=UTC)
CHANGE = PlayChange(
    stream=StreamKey(kind="broadcast", stream_id="fm 1/näh", epoch=5),
    track=PlayedTrack(track_key=3, track_id="t3", work_id="w3", duration_samples=4_000_000),
    first_chunk=7,
    revision=2,
    status="updated",
    reason="time for an update",
    confidence=0.97,
    features=PlayFeatures(ordered=5.0, margin=2.0, chunks=2.0, strength=3.0, density=2.0, recording=0.0, catalogue=4.0),
    score=0.81,
    match_type="version",
    start_sample=22_050 * 63 + 4_410,
    end_sample=22_050 * 201,
    track_start_sample=0,
    track_end_sample=22_050 * 137,
    transposition_semitones=-2,
    tempo_ratio=1.05,
    gaps=((22_050 * 90, 22_050 * 96),),
    alternatives=(Alternative(track_id="t9", score=0.55),),
    decided_sample=22_050 * 200,
)


def _valid(event: dict[str, Any]) -> dict[str, Any]:
    Draft202012Validator(play_schema()).validate(event)
    return event


def test_ids_are_what_the_contract_says() -> None:
    """Play and event ids are UUID5 over the names that DESIGN fixes."""
    namespace = uuid5(NAMESPACE_URL, "urn:stream-monitor:events")
    name = "music.play.v1|broadcast|fm 1/näh|5|t3|7"
    assert play_id(CHANGE) == uuid5(namespace, name)
    assert event_id(CHANGE) == uuid5(namespace, name + "|2")


def test_an_event_is_a_cloud_event_with_all_its_fields() -> None:
    """Envelope, percent-encoded source, seconds, times in UTC with Z and milliseconds, gaps and alternatives."""
    start = datetime(2026, 11, 22, 11, 0, 0, tzinfo=timezone(timedelta(hours=1)))
    event = _valid(play_event(CHANGE, versions=VERSIONS, detected_at=NOW, stream_start=start))
    assert event["source"] == "/stream-monitor/broadcast/fm%201%2Fn%C3%A4h"
    assert event["subject"] == event["data"]["play_id"] == str(play_id(CHANGE))
    assert event["time"] == event["data"]["detected_at"] == "2026-11-22T10:00:05.123Z"
    data = event["data"]
    assert data["start_time"] == "2026-11-22T10:01:03.200Z"
    assert data["start_s"] == 63.2
    assert data["gaps"] == [[90.0, 96.0]]
    assert data["alternatives"] == [{"track_id": "t9", "score": 0.55}]
    assert data["track"]["title"] is None
    assert json.loads(json.dumps(event, allow_nan=False)) == event


def test_what_is_not_known_is_null() -> None:
    """Without a start time, and before any alignment, the event says null and never guesses."""
    early = replace(CHANGE, transposition_semitones=None, tempo_ratio=None, track_start_sample=None)
    data = _valid(play_event(early, versions=VERSIONS, detected_at=NOW))["data"]
    assert data["start_time"] is data["end_time"] is data["tempo_ratio"] is None
    assert data["transposition_semitones"] is data["track_start_s"] is None


def test_numbers_that_are_not_finite_are_refused() -> None:
    """NaN and infinity never reach an event."""
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(EventError, match="score"):
            play_event(replace(CHANGE, score=wrong), versions=VERSIONS, detected_at=NOW)


def test_a_time_without_a_zone_is_refused() -> None:
    """A naive time could be anyone's."""
    with pytest.raises(EventError, match="no time zone"):
        rfc3339(datetime(2026, 1, 1))


def test_the_schema_refuses_what_the_contract_does_not_hold() -> None:
    """Unknown fields, missing fields and wrong states are invalid."""
    validator = Draft202012Validator(play_schema())
    Draft202012Validator.check_schema(play_schema())
    event = play_event(CHANGE, versions=VERSIONS, detected_at=NOW)
    for wrong in (
        event | {"extra": 1},
        {key: value for key, value in event.items() if key != "source"},
        event | {"data": event["data"] | {"status": "maybe"}},
        event | {"data": event["data"] | {"confidence": 1.2}},
    ):
        with pytest.raises(ValidationError):
            validator.validate(wrong)


def test_every_event_of_a_stream_is_valid_and_has_its_own_id() -> None:
    """All events of a simulated station pass the schema; no id comes twice; the play's id stays."""
    world = World(40, seed=4)
    aired = [
        Aired(start_s=30, end_s=110, work=3, track_key=3),
        Aired(start_s=110, end_s=190, work=3, track_key=3),
        Aired(start_s=230, end_s=330, work=8, track_key=8, tempo=1.1, cover=1.0),
    ]
    changes = listen(world, aired, 400).changes
    events = [_valid(play_event(change, versions=VERSIONS, detected_at=NOW)) for change in changes]
    assert len({event["id"] for event in events}) == len(events) > 6
    assert len({event["subject"] for event in events}) == 3


def test_the_asyncapi_document_names_the_schema() -> None:
    """The AsyncAPI 3 document sends the play message, whose payload is the shipped schema."""
    document = asyncapi()
    assert document["asyncapi"].startswith("3.")
    message = document["components"]["messages"]["play"]
    assert message["payload"]["schema"]["$ref"] == "./play.v1.json"
    assert document["operations"]["tellPlay"]["action"] == "send"
    assert document["components"]["messages"]["status"]["payload"]["schema"]["$ref"] == "./status.v1.json"
