"""Conditions of streams, worked by hand: what is told, from where to where, and when it is handed out."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime

import numpy as np
import pytest
from jsonschema import ValidationError, validate

from encoder.grid import CHUNK_HOP_SAMPLES, SAMPLE_RATE
from stream_monitor.accounting import AccountingConfig, StreamAccount
from stream_monitor.conditions import Condition
from stream_monitor.events import Versions, status_schema
from stream_monitor.level import CELL_SAMPLES, CELLS, BlockLevel
from stream_monitor.segments import StreamKey
from stream_monitor.status_event import condition_event

STREAM = StreamKey(kind="broadcast", stream_id="fm 1", epoch=0)
VERSIONS = Versions(software="1", encoder="e", catalogue="c", config="f")


def account(dead_air_s: float = 12.0) -> StreamAccount:
    return StreamAccount(STREAM, AccountingConfig(conditions=True, dead_air_s=dead_air_s, clipping_share=0.01))


def level(block: int, silent: Collection[int] = (), clipped: int = 0) -> BlockLevel:
    square_n = np.array([0.0 if i in silent else 0.01 for i in range(CELLS)], np.float32)
    return BlockLevel(block=block, mean_square_n=square_n, samples=CHUNK_HOP_SAMPLES, clipped_samples=clipped)


def brief(conditions: Collection[Condition]) -> list[tuple[str, float, float]]:
    return [(each.state, each.start_sample / SAMPLE_RATE, each.end_sample / SAMPLE_RATE) for each in conditions]


def test_the_first_audio_is_online() -> None:
    """Once, where the stream was joined."""
    own = account()
    own.joined(5 * SAMPLE_RATE)
    own.joined(7 * SAMPLE_RATE)
    assert brief(own.happened()) == [("online", 5.0, 5.0)]
    assert own.happened() == ()


def test_dead_air_is_told_when_it_has_lasted_and_when_it_is_over() -> None:
    """Silence from 8 s on is dead air at 20 s; sound is back at 33 s."""
    own = account()
    own.heard(level(0, range(16, 20)))
    own.heard(level(1, range(20)))
    assert brief(own.happened(20 * SAMPLE_RATE)) == [("dead_air", 8.0, 20.0)]
    own.heard(level(2, range(20)))
    assert own.happened() == ()
    own.heard(level(3, range(6)))
    own.heard(level(4))
    assert brief(own.happened()) == [("dead_air_over", 8.0, 33.0)]


def test_a_shorter_silence_is_not_told() -> None:
    """11.5 s are fewer than 12."""
    own = account()
    own.heard(level(0, range(16, 20)))
    own.heard(level(1, range(19)))
    own.heard(level(2))
    assert own.happened() == ()


def test_missing_audio_ends_dead_air() -> None:
    """Nobody knows what was there: after the gap silence counts anew."""
    own = account()
    own.heard(level(0, range(20)))
    own.heard(level(1, range(20)))
    own.gap(20 * SAMPLE_RATE, 30 * SAMPLE_RATE)
    own.heard(level(3, range(20)))
    assert brief(own.happened()) == [("dead_air", 0.0, 12.0), ("gap", 20.0, 30.0), ("dead_air_over", 0.0, 20.0)]


def test_clipping_is_told_once_until_it_is_over() -> None:
    """More than one sample in a hundred of a block, from its first block to its last."""
    own = account()
    limit = CHUNK_HOP_SAMPLES // 100
    for block, clipped in enumerate([0, limit, limit + 1, 2 * limit, 0, 0]):
        own.heard(level(block, clipped=clipped))
    assert brief(own.happened()) == [("clipping", 20.0, 30.0), ("clipping_over", 20.0, 40.0)]


def test_nothing_is_handed_out_before_its_place() -> None:
    """A gap that is known before the audio around it has been heard waits for it, also in a snapshot."""
    own = account()
    own.gap(12 * SAMPLE_RATE, 15 * SAMPLE_RATE)
    assert own.happened(10 * SAMPLE_RATE) == ()
    other = account()
    other.restore(own.snapshot())
    assert brief(other.happened(20 * SAMPLE_RATE)) == [("gap", 12.0, 15.0)]


@pytest.mark.parametrize("stop", range(5))
def test_a_snapshot_anywhere_changes_nothing(stop: int) -> None:
    """What is going on goes on."""
    blocks = [
        level(0, range(16, 20), 9000),
        level(1, range(20), 9000),
        level(2, range(20)),
        level(3, range(6)),
        level(4),
    ]
    own = account()
    told: list[Condition] = []
    for block, each in enumerate(blocks):
        if block == stop:
            before, own = own, account()
            own.restore(before.snapshot())
        own.heard(each)
        told += own.happened((block + 1) * CHUNK_HOP_SAMPLES)
    assert brief(told) == [
        ("clipping", 0.0, 10.0),
        ("dead_air", 8.0, 20.0),
        ("clipping_over", 0.0, 20.0),
        ("dead_air_over", 8.0, 33.0),
    ]


def test_the_end_of_a_period_keeps_what_is_going_on() -> None:
    """Conditions and periods have nothing to do with each other."""
    own = StreamAccount(STREAM, AccountingConfig(conditions=True, dead_air_s=12.0, status_every_s=60, settle_s=0))
    own.joined(0)
    for block in range(6):
        own.heard(level(block, range(20)))
    assert own.period(60 * SAMPLE_RATE) is not None
    own.heard(level(6))
    assert brief(own.happened()) == [("online", 0.0, 0.0), ("dead_air", 0.0, 12.0), ("dead_air_over", 0.0, 60.0)]


def test_an_account_that_was_not_told_to_has_none() -> None:
    """As `watch` has it."""
    own = StreamAccount(STREAM, AccountingConfig())
    own.joined(0)
    own.gap(0, CELL_SAMPLES)
    for block in range(6):
        own.heard(level(block, range(20), 9000))
    assert own.happened() == ()


def test_a_condition_is_a_status_event_without_seconds() -> None:
    """Its id comes from stream time alone; it adds nothing to the seconds of the statuses."""
    own = account()
    own.gap(SAMPLE_RATE, 3 * SAMPLE_RATE)
    (gap,) = own.happened()
    one, other = (
        condition_event(STREAM, gap, versions=VERSIONS, detected_at=datetime(2026, 11, day, tzinfo=UTC))
        for day in (22, 23)
    )
    assert one["id"] == other["id"]
    data = one["data"]
    assert (data["state"], data["start_s"], data["end_s"]) == ("gap", 1.0, 3.0)
    assert (data["seconds"], data["clipped_s"], data["dropped_s"]) == ({}, None, None)
    validate(json.loads(json.dumps(one)), status_schema())
    with pytest.raises(ValidationError):
        validate({**one, "data": {**data, "seconds": {"matched": 1.0}}}, status_schema())
