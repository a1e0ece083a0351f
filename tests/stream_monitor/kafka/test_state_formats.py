"""A worker that starts from the state of another version: the one before is read, a newer one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stream_monitor.kafka.stream_state import FORMAT, StateError
from tests.fakes.clock import FakeClock
from tests.fakes.log import Life, Log
from tests.stream_monitor.kafka.audio_log import HOMES, Fate, logged
from tests.stream_monitor.kafka.bench import Bench, everything

Document = dict[str, Any]


def halfway(bench: Bench, clock: FakeClock, write: Callable[[Document], None]) -> Log:
    """A log that a worker has heard a part of, whose snapshots then are as another version writes them."""
    log = logged(Fate(seed=4))
    assert not bench.work(log, clock, Life(shares=(frozenset(HOMES),), label="after commit", times=6))
    opened = 0
    for number, records in log.state.items():
        for place, (key, value, transaction) in enumerate(records):
            if value is not None:
                document = json.loads(value)
                opened += len(document["tracker"]["plays"])
                write(document)
                records[place] = (key, json.dumps(document).encode(), transaction)
        log.state[number] = records
    assert opened  # else there would be nothing to go on with
    return log


def as_format_1(document: Document) -> None:
    """It said nothing about uploads and conditions."""
    document["format"] = 1
    del document["upload"], document["account"]["conditions"]


def plays(events: list[Any]) -> list[tuple[str, Document]]:
    """Revisions of plays, in the order of each stream."""
    found = [event if isinstance(event, dict) else json.loads(event) for event in events]
    told = [json.loads(json.dumps(event)) for event in found if event["type"] == "music.play.v1"]
    for event in told:
        del event["data"]["detected_at"]
    return sorted(((event["id"], event["data"]) for event in told), key=lambda pair: pair[0])


def test_the_state_of_the_version_before_is_gone_on_with(bench: Bench) -> None:
    """Open plays go on with their ids and revisions, none twice; an upload that was begun under it is never clear."""
    clock = FakeClock()
    log = halfway(bench, clock, as_format_1)
    begun = {str(key) for key in log.open_streams()}
    assert bench.work(log, clock, everything(HOMES))
    assert plays([json.loads(each) for each in log.events]) == plays(bench.model(log))
    verdicts = [json.loads(each) for each in log.events if b"music.verdict.v1" in each]
    of_begun = [each["data"] for each in verdicts if f"b'upload/{each['data']['stream_id']}'" in begun]
    assert of_begun
    assert all(each["verdict"] != "clear" for each in of_begun)


def test_the_state_of_a_newer_version_is_refused_and_left(bench: Bench) -> None:
    """Exit code 5 of `run`, what to do, and nothing is committed."""
    clock = FakeClock()
    log = halfway(bench, clock, lambda document: document.update(format=FORMAT + 1))
    offsets, told = dict(log.offsets), len(log.events)
    with pytest.raises(StateError, match="let the version that wrote it end its streams") as caught:
        bench.work(log, clock, everything(HOMES))
    assert caught.value.exit_code == 5
    assert (log.offsets, len(log.events)) == (offsets, told)


def test_a_stream_that_was_heard_in_the_topic_of_the_other_kind_is_ended(bench: Bench) -> None:
    """Versions before took an upload from the broadcasts' topic: what still comes there is a dead letter each, and the
    upload that is restored ends as any other that falls silent. Nothing else is told otherwise.
    """
    clock, (uploads, broadcasts) = FakeClock(), (HOMES[0], HOMES[2])
    log = halfway(bench, clock, lambda _: None)
    expected = plays(bench.model(log))
    _, value, transaction = next(each for each in log.state[0] if each[0] == b"upload/u0" and each[1] is not None)
    document = json.loads(value or b"")
    document["stream"]["stream_id"] = "astray"
    log.state[0].append((b"upload/astray", json.dumps(document).encode(), transaction))
    said = next(each for each in log.audio[uploads] if each.key == b"u0")
    named = [(name, b"astray" if name == "ce_streamid" else value or b"") for name, value in said.headers]
    records = log.audio[broadcasts]
    for _ in range(3):
        records.append(replace(said, partition=broadcasts, offset=len(records), key=b"astray", headers=named))
    assert bench.work(log, clock, everything(HOMES))
    assert [key for key, _ in log.letters] == 3 * [b"astray"]
    assert b"upload/astray" not in log.open_streams()
    told = [json.loads(each) for each in log.events]
    ends = [e["data"] for e in told if e["type"] == "stream.status.v1" and e["data"]["stream_id"] == "astray"]
    assert ends[-1]["state"] == "idle"
    assert plays([event for event in told if event["data"]["stream_id"] != "astray"]) == expected
    assert log.offsets[broadcasts][0] >= len(records) - 5  # nothing of it is kept to be heard again
