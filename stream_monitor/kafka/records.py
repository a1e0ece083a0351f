"""A segment as a Kafka record: its key, its headers (CloudEvents 1.0, binary mode) and back. It decodes no audio.

Record → `AudioRecord`, or a `PoisonError` whose code says what was wrong. Positions in headers are samples at the
source's own rate; `start_sample` and `end_sample` are on the stream's clock of 22,050 Hz, and two records that follow
each other there leave no gap by rounding, since both are rounded from positions and not from lengths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from encoder.grid import SAMPLE_RATE
from stream_monitor.errors import EventError
from stream_monitor.events import rfc3339, source
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.letter import REPLAYS
from stream_monitor.segments import LATEST_MS, StreamKey, StreamKind, is_stream_id

Headers = list[tuple[str, bytes]]

SEGMENT_TYPE: Final = "audio.segment.v1"
SPEC_VERSION: Final = "1.0"
FLAC: Final = "audio/flac"
CONTENT_TYPES: Final = {
    FLAC: "flac",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/mp4": "mp4",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/pcm": "s16le",
}
"""What a value may be, and FFmpeg's name of its container; audio/pcm is 16 bits, little endian, interleaved."""
KINDS: Final = ("broadcast", "upload")
LONGEST_S: Final = 60.0
"""A segment of more audio is refused: it would hold up all others."""
RATES: Final = (4_000, 384_000)
LARGEST: Final = (1 << 63) - 1
QUOTED: Final = 80
"""So much of what was found is told."""
_NUMBER = re.compile(rb"^[0-9]{1,19}$")


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioRecord:
    """What a record says about its segment."""

    stream: StreamKey
    seq: int
    offset_samples: int
    """Of its first sample since the epoch's start, at the source's rate."""
    samples: int
    """At the source's rate, per channel; 0 only for an empty last segment."""
    sample_rate: int
    channels: int
    content_type: str
    captured_at: datetime | None
    """When the first sample was captured; None where that is not known."""
    last: bool = False
    traceparent: str | None = None
    """W3C trace context, passed on to events."""
    replays: int = 0
    """How often it was a dead letter and was sent back."""

    @property
    def start_sample(self) -> int:
        """On the stream's clock."""
        return _on_clock(self.offset_samples, self.sample_rate)

    @property
    def end_sample(self) -> int:
        """On the stream's clock; half-open."""
        return _on_clock(self.offset_samples + self.samples, self.sample_rate)


def key_of(stream: StreamKey) -> bytes:
    """The record's key: all segments of a stream go to one partition."""
    return stream.stream_id.encode()


def headers_of(record: AudioRecord) -> Headers:
    """The headers that `parse` reads.

    Raises:
        EventError: `captured_at` has no time zone.
    """
    stream = record.stream
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_type": SEGMENT_TYPE,
        "ce_id": f"{stream.kind}/{stream.stream_id}/{stream.epoch}/{record.seq}",
        "ce_source": source(stream),
        "content-type": record.content_type,
        "ce_streamid": stream.stream_id,
        "ce_kind": stream.kind,
        "ce_epoch": str(stream.epoch),
        "ce_seq": str(record.seq),
        "ce_sampleoffset": str(record.offset_samples),
        "ce_samples": str(record.samples),
        "ce_samplerate": str(record.sample_rate),
        "ce_channels": str(record.channels),
    }
    if record.captured_at is not None:
        headers["ce_time"] = rfc3339(record.captured_at)
    if record.last:
        headers["ce_last"] = "true"
    if record.traceparent is not None:
        headers["ce_traceparent"] = record.traceparent
    return [(name, value.encode()) for name, value in headers.items()]


def parse(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> AudioRecord:
    """What a record says about its segment.

    Args:
        key: The record's key.
        value: Its audio, looked at only for whether there is any.
        headers: Its headers; unknown ones are ignored, of several with one name the last counts.

    Raises:
        PoisonError: The record is none of ours, or says something that cannot be; codes `missing_header`, `bad_header`,
            `wrong_type`, `wrong_key`, `unknown_format`, `no_audio`, `too_long`.
    """
    found = {name.lower(): content or b"" for name, content in headers}
    kind_of_record = _text(found, "ce_type")
    if kind_of_record != SEGMENT_TYPE:
        raise PoisonError("wrong_type", f"ce_type is {kind_of_record[:QUOTED]!r}, not {SEGMENT_TYPE!r}")
    version = _text(found, "ce_specversion")
    if version != SPEC_VERSION:
        raise PoisonError("wrong_type", f"ce_specversion is {version[:QUOTED]!r}, not {SPEC_VERSION!r}")
    kind = _text(found, "ce_kind")
    if kind not in KINDS:
        raise PoisonError("bad_header", f"ce_kind is {kind[:QUOTED]!r}, not broadcast or upload")
    stream_id = _text(found, "ce_streamid")
    if not is_stream_id(stream_id):
        raise PoisonError("bad_header", f"ce_streamid {stream_id[:QUOTED]!r} is not 1 to 256 printable characters")
    if key != stream_id.encode():
        said = "missing" if key is None else repr(key[:QUOTED])
        raise PoisonError("wrong_key", f"the key is {said} and the stream {stream_id!r}: its segments would scatter")
    content_type = _text(found, "content-type").partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        raise PoisonError(
            "unknown_format", f"content-type {content_type[:QUOTED]!r} is none of {', '.join(CONTENT_TYPES)}"
        )
    record = AudioRecord(
        stream=StreamKey(kind=cast(StreamKind, kind), stream_id=stream_id, epoch=_epoch(found)),
        seq=_number(found, "ce_seq"),
        offset_samples=_number(found, "ce_sampleoffset"),
        samples=_number(found, "ce_samples"),
        sample_rate=_number(found, "ce_samplerate", *RATES),
        channels=_number(found, "ce_channels", 1, 64),
        content_type=content_type,
        captured_at=_moment(found),
        last=_flag(found, "ce_last"),
        traceparent=_text(found, "ce_traceparent") if "ce_traceparent" in found else None,
        replays=_number(found, REPLAYS) if REPLAYS in found else 0,
    )
    if record.offset_samples > (LATEST_MS - record.stream.epoch) * record.sample_rate // 1000:
        raise PoisonError(
            "bad_header",
            f"ce_sampleoffset is {record.offset_samples} at {record.sample_rate} samples a second, after the year 9998:"
            " it counts the samples before this segment since ce_epoch",
        )
    if record.samples > LONGEST_S * record.sample_rate:
        raise PoisonError(
            "too_long", f"{record.samples / record.sample_rate:.0f} s of audio; {LONGEST_S:.0f} s at most"
        )
    if not value and not (record.last and record.samples == 0):
        raise PoisonError("no_audio", f"{record.samples} samples are announced, and the record is empty")
    return record


def upload_of(key: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Of which upload a record says that it is, even where `parse` refuses it; None where it says so of none.

    One whose key is another could be anywhere, so it is taken for none's.
    """
    found = {name.lower(): content or b"" for name, content in headers}
    named = found.get("ce_streamid")
    return named.decode() if key and named == key and found.get("ce_kind") == b"upload" and _is_text(named) else None


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _on_clock(samples: int, rate: int) -> int:
    """A position of another rate on the clock of 22,050 Hz, to the nearest sample."""
    return samples if rate == SAMPLE_RATE else (2 * samples * SAMPLE_RATE + rate) // (2 * rate)


def _text(headers: dict[str, bytes], name: str) -> str:
    if name not in headers:
        raise PoisonError("missing_header", f"the header {name} is missing")
    try:
        return headers[name].decode()
    except UnicodeDecodeError:
        raise PoisonError("bad_header", f"{name} is not UTF-8") from None


def _number(headers: dict[str, bytes], name: str, least: int = 0, most: int = LARGEST) -> int:
    if name not in headers:
        raise PoisonError("missing_header", f"the header {name} is missing")
    text = headers[name]
    if not _NUMBER.match(text) or not least <= int(text) <= most:
        raise PoisonError("bad_header", f"{name} is {text[:QUOTED]!r}, not a whole number from {least} to {most}")
    return int(text)


def _epoch(headers: dict[str, bytes]) -> int:
    epoch = _number(headers, "ce_epoch")
    if epoch > LATEST_MS:
        raise PoisonError(
            "bad_header",
            f"ce_epoch is {epoch}, after the year 9998: it is in Unix milliseconds, not in micro- or nanoseconds",
        )
    return epoch


def _flag(headers: dict[str, bytes], name: str) -> bool:
    text = headers.get(name, b"false").lower()
    if text not in (b"true", b"false"):
        raise PoisonError("bad_header", f"{name} is {text[:QUOTED]!r}, not true or false")
    return text == b"true"


def _moment(headers: dict[str, bytes]) -> datetime | None:
    if "ce_time" not in headers:
        return None
    text = _text(headers, "ce_time")
    try:
        moment = datetime.fromisoformat(text)
        rfc3339(moment)
    except (ValueError, OverflowError, EventError):
        raise PoisonError("bad_header", f"ce_time is {text[:QUOTED]!r}, not a time with a zone") from None
    return moment.astimezone(UTC)
