"""Accounts against the obvious model: one label for each half second."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError, validate

from encoder.grid import CHUNK_HOP_SAMPLES, SAMPLE_RATE
from stream_monitor.accounting import AccountingConfig, StreamAccount
from stream_monitor.chunker_state import ChunkerCounts
from stream_monitor.events import Versions, status_schema
from stream_monitor.level import CELL_SAMPLES, CELLS, BlockLevel
from stream_monitor.plays import PlayChange, PlayedTrack, Status
from stream_monitor.segments import StreamKey
from stream_monitor.status_event import status_event

STREAM = StreamKey(kind="broadcast", stream_id="fm 1", epoch=0)


def level(block: int, silent: set[int], cells: int = CELLS) -> BlockLevel:
    square_n = np.array([0.0 if i in silent else 0.01 for i in range(cells)], np.float32)
    return BlockLevel(block=block, mean_square_n=square_n, samples=cells * CELL_SAMPLES, clipped_samples=0)


def change(start: int, end: int, status: Status = "final", *, first_chunk: int = 0, epoch: int = 0) -> PlayChange:
    track = PlayedTrack(track_key=1, track_id="t", work_id="w", duration_samples=10**7)
    return PlayChange(
        stream=replace(STREAM, epoch=epoch),
        track=track,
        first_chunk=first_chunk,
        revision=0,
        status=status,
        reason="test",
        confidence=0.9,
        score=0.9,
        match_type="recording",
        start_sample=start,
        end_sample=end,
        track_start_sample=0,
        track_end_sample=1,
        transposition_semitones=0,
        tempo_ratio=1.0,
        gaps=(),
        alternatives=(),
        decided_sample=end,
        features=None,
    )


cells = st.integers(0, 79)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    silent=st.sets(cells),
    gaps=st.lists(st.tuples(cells, st.integers(1, 10)), max_size=3),
    plays=st.lists(st.tuples(cells, st.integers(1, 40)), max_size=4),
    end=st.integers(0, 80),
)
def test_every_half_second_has_one_label(
    silent: set[int], gaps: list[tuple[int, int]], plays: list[tuple[int, int]], end: int
) -> None:
    """No signal wins over matched, matched over silence, and the rest is unmatched."""
    account = StreamAccount(STREAM)
    account.joined(0)
    labels = ["unmatched"] * 80
    for cell in silent:
        labels[cell] = "silence"
    for block in range(4):
        account.heard(level(block, {cell - block * CELLS for cell in silent}))
    for number, (start, length) in enumerate(plays):
        labels[start : min(80, start + length)] = ["matched"] * (min(80, start + length) - start)
        account.played(change(start * CELL_SAMPLES, (start + length) * CELL_SAMPLES, first_chunk=number))
    for start, length in gaps:
        labels[start : min(80, start + length)] = ["no signal"] * (min(80, start + length) - start)
        account.gap(start * CELL_SAMPLES, (start + length) * CELL_SAMPLES)
    status = account.close(end * CELL_SAMPLES, "ended", "end")
    found = {
        "unmatched": status.unmatched_samples,
        "silence": status.silence_samples,
        "matched": status.matched_samples,
        "no signal": status.no_signal_samples,
    }
    assert found == {label: labels[:end].count(label) * CELL_SAMPLES for label in found}


def test_periods_and_the_end_cover_each_second_once() -> None:
    """A stream that goes on is told in periods; plays across the border are shared out."""
    account = StreamAccount(STREAM, AccountingConfig(status_every_s=60, settle_s=0))
    account.joined(0)
    statuses = []
    account.played(change(50 * SAMPLE_RATE, 75 * SAMPLE_RATE, "provisional"))
    for block in range(10):
        account.heard(level(block, set(range(CELLS)) if block >= 8 else set()))
        if (status := account.period((block + 1) * CHUNK_HOP_SAMPLES)) is not None:
            statuses.append(status)
    account.played(change(50 * SAMPLE_RATE, 75 * SAMPLE_RATE))
    statuses.append(account.close(100 * SAMPLE_RATE, "ended", "end"))
    assert [(s.state, s.start_sample // SAMPLE_RATE, s.end_sample // SAMPLE_RATE) for s in statuses] == [
        ("running", 0, 60),
        ("ended", 60, 100),
    ]
    assert [s.matched_samples // SAMPLE_RATE for s in statuses] == [10, 15]
    assert [s.silence_samples // SAMPLE_RATE for s in statuses] == [0, 20]


def test_a_retracted_play_was_never_matched() -> None:
    """What is taken back counts as unmatched again."""
    account = StreamAccount(STREAM)
    account.joined(0)
    account.played(change(0, 20 * SAMPLE_RATE, "provisional"))
    account.played(change(0, 20 * SAMPLE_RATE, "retracted"))
    assert account.close(30 * SAMPLE_RATE, "ended", "end").unmatched_samples == 30 * SAMPLE_RATE


def test_a_play_of_an_earlier_epoch_is_moved_to_this_clock() -> None:
    """A play that was carried over a reconnect counts in the new epoch from its beginning."""
    middle = StreamAccount(replace(STREAM, epoch=60_000))
    middle.continues(StreamAccount(STREAM), 61 * SAMPLE_RATE)
    account = StreamAccount(replace(STREAM, epoch=90_000))
    account.continues(middle, 29 * SAMPLE_RATE)
    account.joined(0)
    account.played(change(80 * SAMPLE_RATE, 100 * SAMPLE_RATE, epoch=0))
    assert account.close(30 * SAMPLE_RATE, "ended", "end").matched_samples == 10 * SAMPLE_RATE


def test_a_period_waits_for_the_plays_in_it() -> None:
    """A play that becomes known after a period's end, but began within it, is matched time of that period."""
    account = StreamAccount(STREAM, AccountingConfig(status_every_s=60, settle_s=30))
    account.joined(0)
    assert account.period(70 * SAMPLE_RATE) is None
    account.played(change(40 * SAMPLE_RATE, 75 * SAMPLE_RATE, "provisional"))
    status = account.period(90 * SAMPLE_RATE)
    assert status is not None
    assert (status.end_sample, status.matched_samples) == (60 * SAMPLE_RATE, 20 * SAMPLE_RATE)
    assert account.close(100 * SAMPLE_RATE, "ended", "end").matched_samples == 15 * SAMPLE_RATE


def test_an_open_play_lasts_to_the_reconnect() -> None:
    """A play that the next epoch continues is matched up to the last sample, not only up to where it was told last."""
    account = StreamAccount(STREAM)
    account.joined(0)
    account.gap(50 * SAMPLE_RATE, 53 * SAMPLE_RATE)
    account.played(change(0, 5 * SAMPLE_RATE))
    account.played(change(20 * SAMPLE_RATE, 40 * SAMPLE_RATE, "updated", first_chunk=2))
    status = account.close(53 * SAMPLE_RATE, "reconnected", "back", played_to_sample=50 * SAMPLE_RATE)
    assert (status.matched_samples, status.no_signal_samples) == (35 * SAMPLE_RATE, 3 * SAMPLE_RATE)


def test_a_stream_that_was_joined_late_is_monitored_from_there() -> None:
    """What lay before the first sample is nobody's."""
    account = StreamAccount(STREAM)
    account.joined(5 * SAMPLE_RATE)
    account.joined(7 * SAMPLE_RATE)
    assert account.close(25 * SAMPLE_RATE, "ended", "end").monitored_samples == 20 * SAMPLE_RATE


def test_a_snapshot_keeps_what_was_counted() -> None:
    """A restart goes on with the same account."""
    account = StreamAccount(STREAM)
    account.joined(0)
    account.gap(0, SAMPLE_RATE)
    state = account.snapshot()
    account.gap(SAMPLE_RATE, 3 * SAMPLE_RATE)
    other = StreamAccount(STREAM)
    other.restore(state)
    assert other.close(10 * SAMPLE_RATE, "ended", "end").no_signal_samples == SAMPLE_RATE


def test_a_status_is_a_cloudevent_with_seconds_by_class() -> None:
    """The status event says which stream, from when to when, and where the seconds went."""
    account = StreamAccount(STREAM)
    account.joined(0)
    account.gap(0, SAMPLE_RATE)
    event = status_event(
        account.close(10 * SAMPLE_RATE, "failed", "it broke"),
        versions=Versions(software="1", encoder="e", catalogue="c", config="f"),
        detected_at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        stream_start=datetime(2026, 11, 22, 11, tzinfo=UTC),
        counts=ChunkerCounts(late=SAMPLE_RATE),
    )
    assert (event["type"], event["source"]) == ("stream.status.v1", "/stream-monitor/broadcast/fm%201")
    data = event["data"]
    assert data["seconds"] == {"monitored": 9.0, "matched": 0.0, "unmatched": 9.0, "silence": 0.0, "no_signal": 1.0}
    assert (data["state"], data["reason"], data["dropped_s"]["late"]) == ("failed", "it broke", 1.0)
    assert (data["start_time"], data["end_time"]) == ("2026-11-22T11:00:00.000Z", "2026-11-22T11:00:10.000Z")
    assert event["id"] != event["subject"]
    validate(json.loads(json.dumps(event)), status_schema())
    with pytest.raises(ValidationError):
        validate({**event, "data": {**data, "state": "unheard of"}}, status_schema())


def test_silence_is_a_setting() -> None:
    """The level below which a half second is silence can be set."""
    account = StreamAccount(STREAM, AccountingConfig(silence_dbfs=-10.0))
    account.joined(0)
    account.heard(level(0, set()))
    assert account.close(CHUNK_HOP_SAMPLES, "ended", "end").silence_samples == pytest.approx(CHUNK_HOP_SAMPLES)
