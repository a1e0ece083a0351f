"""What the records of each stream say about its audio: missing, repeated or late, when captured, of which trace.

It counts nothing itself and changes nothing: it is told of records as they come and answers about their streams.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.records import AudioRecord
from stream_monitor.segments import StreamKey
from stream_monitor.telemetry.traceparent import checked

STREAMS: Final = 100_000
"""Streams that are remembered; beyond that the one that was silent for longest is forgotten."""

What = Literal["new", "repeated", "late"]
Basis = Literal["capture", "append"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """What a record brought."""

    what: What
    new_samples: int = 0
    missing_samples: int = 0
    """Between the audio before it and its first sample."""


@dataclass(kw_only=True, slots=True)
class _Line:
    """One stream, whatever its epoch."""

    epoch: int
    next_sample: int
    basis: Basis
    zero_s: float
    """Unix time of sample 0 where it was captured by a clock, else when the newest record arrived."""
    traceparent: str | None


class Arrivals:
    """All streams of one worker."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, str], _Line] = OrderedDict()

    def clear(self) -> None:
        """Forgets all streams: from here on they are read from other places."""
        self._lines.clear()

    def take(self, record: AudioRecord, appended_ms: int, *, again: bool) -> Arrival:
        """What a record brought.

        Args:
            record: What it says about itself.
            appended_ms: When the brokers took it.
            again: It was heard before and comes again to fill buffers.
        """
        name = (record.stream.kind, record.stream.stream_id)
        line = self._lines.get(name)
        if line is not None and record.stream.epoch < line.epoch:
            return Arrival(what="late")
        known = line is not None and line.epoch == record.stream.epoch
        expected = line.next_sample if line is not None and known else record.start_sample
        basis: Basis = "append" if record.captured_at is None else "capture"
        self._lines[name] = _Line(
            epoch=record.stream.epoch,
            next_sample=max(expected, record.end_sample),
            basis=basis,
            zero_s=appended_ms / 1e3
            if record.captured_at is None
            else record.captured_at.timestamp() - record.start_sample / SAMPLE_RATE,
            traceparent=checked(record.traceparent),
        )
        self._lines.move_to_end(name)
        if len(self._lines) > STREAMS:
            self._lines.popitem(last=False)
        if not again and known and record.samples and record.end_sample <= expected:
            return Arrival(what="repeated")
        return Arrival(
            what="new",
            new_samples=max(0, record.end_sample - max(record.start_sample, expected if known else 0)),
            missing_samples=0 if again else max(0, record.start_sample - expected),
        )

    def moment(self, stream: StreamKey, sample: int) -> tuple[Basis, float] | None:
        """When a sample of a stream was captured, or when its newest record arrived; None where neither is known.

        Returns:
            What the time is, and the time as Unix seconds.
        """
        line = self._lines.get((stream.kind, stream.stream_id))
        if line is None or line.epoch != stream.epoch:
            return None
        return line.basis, line.zero_s + (sample / SAMPLE_RATE if line.basis == "capture" else 0.0)

    def traceparent(self, kind: str, stream_id: str) -> str | None:
        """The trace context of the newest record of a stream; None where it had none."""
        line = self._lines.get((kind, stream_id))
        return None if line is None else line.traceparent
