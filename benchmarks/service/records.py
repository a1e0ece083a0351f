"""Segments as records in the order in which live streams bring them. It sends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.service.material import SEGMENT_S, Stream
from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.records import FLAC, AudioRecord, Headers, headers_of, key_of
from stream_monitor.segments import StreamKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Sendable:
    """A record, and when it is due after the start."""

    due_s: float
    key: bytes
    value: bytes
    headers: Headers


def in_turns(streams: Sequence[Stream], started_at: datetime, *, spread: bool = False) -> Iterator[Sendable]:
    """All streams together, segment by segment; with `spread` they begin one after another within a segment's time."""
    epoch = round(started_at.timestamp() * 1000)
    for turn in range(max(len(stream.payloads) for stream in streams)):
        for place, stream in enumerate(streams):
            if turn < len(stream.payloads):
                begin_s = SEGMENT_S * place / len(streams) if spread else 0.0
                yield _record(stream, turn, epoch, started_at, begin_s)


def _record(stream: Stream, turn: int, epoch: int, started_at: datetime, begin_s: float) -> Sendable:
    own_epoch = epoch + round(1000 * begin_s)
    key = StreamKey(kind="broadcast", stream_id=stream.stream_id, epoch=own_epoch)
    record = AudioRecord(
        stream=key,
        seq=turn,
        offset_samples=turn * SEGMENT_S * SAMPLE_RATE,
        samples=SEGMENT_S * SAMPLE_RATE,
        sample_rate=SAMPLE_RATE,
        channels=1,
        content_type=FLAC,
        captured_at=started_at.astimezone(UTC) + timedelta(seconds=begin_s + turn * SEGMENT_S),
        last=turn == len(stream.payloads) - 1,
    )
    return Sendable(
        due_s=begin_s + (turn + 1) * SEGMENT_S, key=key_of(key), value=stream.payloads[turn], headers=headers_of(record)
    )
