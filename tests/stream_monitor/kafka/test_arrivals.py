"""What records say about their streams' audio."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka import arrivals as module
from stream_monitor.kafka.arrivals import Arrival, Arrivals
from stream_monitor.kafka.records import FLAC, AudioRecord
from stream_monitor.segments import StreamKey

SECONDS = 5
SAMPLES = SECONDS * SAMPLE_RATE
FM = StreamKey(kind="broadcast", stream_id="fm-1", epoch=7)
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def segment(seq: int, stream: StreamKey = FM, *, captured_at: datetime | None = None) -> AudioRecord:
    """The nth segment of five seconds."""
    return AudioRecord(
        stream=stream,
        seq=seq,
        offset_samples=seq * SAMPLES,
        samples=SAMPLES,
        sample_rate=SAMPLE_RATE,
        channels=1,
        content_type=FLAC,
        captured_at=captured_at,
    )


def test_missing_repeated_and_late_segments_are_told_apart() -> None:
    """Audio that is not there, audio that came twice, and audio of an epoch that was left."""
    arrivals = Arrivals()
    new = Arrival(what="new", new_samples=SAMPLES)
    assert arrivals.take(segment(0), 0, again=False) == new
    assert arrivals.take(segment(1), 0, again=False) == new
    assert arrivals.take(segment(1), 0, again=False) == Arrival(what="repeated")
    assert arrivals.take(segment(4), 0, again=False) == replace(new, missing_samples=2 * SAMPLES)
    assert arrivals.take(segment(0, replace(FM, epoch=8)), 0, again=False) == new
    assert arrivals.take(segment(5), 0, again=False) == Arrival(what="late")
    assert arrivals.take(segment(0, replace(FM, kind="upload")), 0, again=False) == new


def test_a_stream_that_is_joined_in_the_middle_has_no_gap() -> None:
    """What was before the first record is not missing: it was heard by another worker, or by nobody who is asked."""
    assert Arrivals().take(segment(100), 0, again=False) == Arrival(what="new", new_samples=SAMPLES)


def test_what_is_heard_again_is_neither_repeated_nor_missing() -> None:
    """Replayed segments only say where the stream stands; the first new one after them follows on."""
    arrivals = Arrivals()
    for seq in (3, 4, 3):
        assert arrivals.take(segment(seq), 0, again=True).missing_samples == 0
    assert arrivals.take(segment(5), 0, again=False) == Arrival(what="new", new_samples=SAMPLES)


def test_the_moment_of_a_sample_is_its_capture() -> None:
    """From the capture of its record's first sample on the stream's clock; else when the newest record arrived."""
    arrivals = Arrivals()
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert arrivals.moment(FM, 0) is None
    arrivals.take(segment(2, captured_at=noon), 5_000, again=False)
    assert arrivals.moment(FM, 3 * SAMPLES) == ("capture", noon.timestamp() + SECONDS)
    assert arrivals.moment(replace(FM, epoch=6), 0) is None
    arrivals.take(segment(3), 6_000, again=False)
    assert arrivals.moment(FM, 3 * SAMPLES) == ("append", 6.0)


def test_the_trace_of_a_stream_is_that_of_its_newest_record() -> None:
    """A good context is kept, a broken one is none."""
    arrivals = Arrivals()
    arrivals.take(replace(segment(0), traceparent=CONTEXT), 0, again=False)
    assert arrivals.traceparent("broadcast", "fm-1") == CONTEXT
    assert arrivals.traceparent("upload", "fm-1") is None
    arrivals.take(replace(segment(1), traceparent="broken"), 0, again=False)
    assert arrivals.traceparent("broadcast", "fm-1") is None


def test_only_so_many_streams_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream that was silent for longest is forgotten first, and then is as new."""
    monkeypatch.setattr(module, "STREAMS", 2)
    arrivals = Arrivals()
    streams = [replace(FM, stream_id=f"fm-{n}") for n in range(3)]
    for stream in (streams[0], streams[1], streams[0], streams[2]):
        arrivals.take(segment(0, stream), 1_000, again=False)
    assert [arrivals.moment(stream, 0) is not None for stream in streams] == [True, False, True]
