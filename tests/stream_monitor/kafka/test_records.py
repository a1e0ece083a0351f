"""Segments as records and back: what is said comes back, and what cannot be is refused with its code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.events import wall_clock
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.records import AudioRecord, headers_of, key_of, parse
from stream_monitor.segments import LATEST_MS, StreamKey

GOOD = AudioRecord(
    stream=StreamKey(kind="broadcast", stream_id="fm-1", epoch=1_795_000_000_000),
    seq=7,
    offset_samples=7 * 110_250,
    samples=110_250,
    sample_rate=22_050,
    channels=1,
    content_type="audio/flac",
    captured_at=datetime(2026, 11, 22, 10, 0, 35, tzinfo=UTC),
)
NAMES = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(deadline=None)
@given(
    stream_id=NAMES.filter(lambda text: len(text) <= 256),
    kind=st.sampled_from(["broadcast", "upload"]),
    epoch=st.integers(0, LATEST_MS - 3_600_000),
    seq=st.integers(0, 1 << 62),
    rate=st.integers(4_000, 384_000),
    channels=st.integers(1, 64),
    last=st.booleans(),
)
def test_what_is_said_comes_back(
    stream_id: str, kind: str, epoch: int, seq: int, rate: int, channels: int, last: bool
) -> None:
    """Any stream, number and rate; unknown headers are ignored, names of headers may be in capitals."""
    stream = StreamKey(kind="upload" if kind == "upload" else "broadcast", stream_id=stream_id, epoch=epoch)
    record = replace(GOOD, stream=stream, seq=seq, samples=rate, sample_rate=rate, channels=channels, last=last)
    headers = [("X-Other", b"\xff"), *((name.upper(), value) for name, value in headers_of(record))]
    assert parse(key_of(stream), b"audio", headers) == record


@settings(deadline=None)
@given(rate=st.integers(4_000, 384_000), lengths=st.lists(st.integers(1, 400_000), min_size=1, max_size=20))
def test_records_that_follow_each_other_leave_no_gap(rate: int, lengths: list[int]) -> None:
    """At any rate, the end of one on the stream's clock is the start of the next, and no error adds up."""
    offset, end = 0, 0
    for length in lengths:
        record = replace(GOOD, offset_samples=offset, samples=length, sample_rate=rate)
        assert record.start_sample == end
        offset, end = offset + length, record.end_sample
    assert abs(end - offset * 22_050 / rate) <= 0.5


def test_an_empty_last_record_is_good() -> None:
    """An upload may end with a record that holds no audio."""
    record = replace(GOOD, samples=0, last=True)
    assert parse(b"fm-1", b"", headers_of(record)) == record
    assert parse(b"fm-1", None, headers_of(record)) == record


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"ce_type": None}, "missing_header", "ce_type is missing"),
        ({"ce_type": b"other.v1"}, "wrong_type", "'other.v1', not 'audio.segment.v1'"),
        ({"ce_specversion": b"2.0"}, "wrong_type", "'2.0', not '1.0'"),
        ({"ce_kind": b"radio"}, "bad_header", "not broadcast or upload"),
        ({"ce_streamid": b"\xff\xfe"}, "bad_header", "not UTF-8"),
        ({"ce_streamid": b"a\nb"}, "bad_header", "printable"),
        ({"ce_streamid": b"fm-2"}, "wrong_key", "would scatter"),
        ({"ce_seq": b"-1"}, "bad_header", "not a whole number"),
        ({"ce_seq": b"1e3"}, "bad_header", "not a whole number"),
        ({"ce_epoch": b"9" * 20}, "bad_header", "not a whole number"),
        ({"ce_epoch": b"1795000000000000"}, "bad_header", "Unix milliseconds, not in micro"),
        ({"ce_epoch": str(LATEST_MS + 1).encode()}, "bad_header", "after the year 9998"),
        (
            {"ce_sampleoffset": b"9" * 18},
            "bad_header",
            "ce_sampleoffset is 9+ at 22050 samples a second, after the year",
        ),
        ({"ce_epoch": b"0", "ce_sampleoffset": b"9" * 18}, "bad_header", "after the year 9998"),
        ({"ce_samplerate": b"1"}, "bad_header", "from 4000 to 384000"),
        ({"ce_channels": None}, "missing_header", "ce_channels is missing"),
        ({"ce_samples": b"99999999"}, "too_long", "60 s at most"),
        ({"ce_time": b"yesterday"}, "bad_header", "not a time with a zone"),
        ({"ce_time": b"2026-11-22T10:00:00"}, "bad_header", "not a time with a zone"),
        ({"ce_time": b"0001-01-01T00:00:00+01:00"}, "bad_header", "not a time with a zone"),
        ({"ce_time": b"9999-12-31T23:59:59-01:00"}, "bad_header", "not a time with a zone"),
        ({"ce_last": b"maybe"}, "bad_header", "not true or false"),
        ({"content-type": b"video/mp4"}, "unknown_format", "none of audio/flac"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(change: dict[str, bytes | None], code: str, words: str) -> None:
    """The code is for machines, the message says what was there and what should be."""
    headers = {**dict(headers_of(GOOD)), **change}
    with pytest.raises(PoisonError, match=words) as caught:
        parse(b"fm-1", b"audio", [(name, value) for name, value in headers.items() if value is not None])
    assert caught.value.code == code


@pytest.mark.parametrize("rate", [4_000, 22_050, 384_000])
@pytest.mark.parametrize("epoch", [0, 1, 1_795_000_000_000, LATEST_MS])
def test_every_place_that_is_taken_has_a_time(epoch: int, rate: int) -> None:
    """The furthest one that a record may name, at any rate, can be said in an event; one sample more is refused."""
    furthest = (LATEST_MS - epoch) * rate // 1000
    stream = replace(GOOD.stream, epoch=epoch)
    record = replace(GOOD, stream=stream, offset_samples=furthest, samples=60 * rate, sample_rate=rate)
    said = parse(b"fm-1", b"audio", headers_of(record))
    assert (wall_clock(datetime.fromtimestamp(epoch / 1000, UTC), said.end_sample) or "").startswith("9999-01-01T00:0")
    with pytest.raises(PoisonError, match="after the year 9998"):
        parse(b"fm-1", b"audio", headers_of(replace(record, offset_samples=furthest + 1)))


def test_a_record_without_audio_is_refused() -> None:
    """Unless it ends the stream and announces none."""
    with pytest.raises(PoisonError, match="announced, and the record is empty") as caught:
        parse(b"fm-1", b"", headers_of(GOOD))
    assert caught.value.code == "no_audio"
