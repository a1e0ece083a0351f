"""A stream's status to a CloudEvent, `stream.status.v1`: where its time went, or what happens to it just now.

It knows nothing of where events go.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid5

from stream_monitor.accounting import StreamStatus
from stream_monitor.chunker_state import ChunkerCounts
from stream_monitor.conditions import Condition
from stream_monitor.event_types import EVENT_NAMESPACE, STATUS_TYPE
from stream_monitor.events import Versions, rfc3339, seconds, source, wall_clock
from stream_monitor.segments import StreamKey


def status_event(
    status: StreamStatus,
    *,
    versions: Versions,
    detected_at: datetime,
    stream_start: datetime | None = None,
    counts: ChunkerCounts | None = None,
) -> dict[str, Any]:
    """The event of one status, ready for `json.dumps`.

    Args:
        status: Where a stretch of the stream went.
        versions: What made it.
        detected_at: Now, with a time zone.
        stream_start: Wall clock of the epoch's sample 0, with a time zone; None where it is not known.
        counts: At the end of a stream: what became of its samples.

    Raises:
        EventError: A time has no zone.
    """
    parts = {
        "monitored": status.monitored_samples,
        "matched": status.matched_samples,
        "unmatched": status.unmatched_samples,
        "silence": status.silence_samples,
        "no_signal": status.no_signal_samples,
    }
    told = {
        "seconds": {part: seconds(samples) for part, samples in parts.items()},
        "clipped_s": seconds(status.clipped_samples),
        "dropped_s": None
        if counts is None
        else {
            "late": seconds(counts.late),
            "unheard": seconds(counts.unheard),
            "filled": seconds(counts.filled),
        },
    }
    return _event(status.stream, status, told, versions, detected_at, stream_start)


def condition_event(
    stream: StreamKey,
    condition: Condition,
    *,
    versions: Versions,
    detected_at: datetime,
    stream_start: datetime | None = None,
) -> dict[str, Any]:
    """The event of something that happened, ready for `json.dumps`. It has no seconds: those are in the statuses.

    Args:
        stream: Where it happened.
        condition: What happened.
        versions: What made it.
        detected_at: Now, with a time zone.
        stream_start: Wall clock of the epoch's sample 0, with a time zone; None where it is not known.

    Raises:
        EventError: A time has no zone.
    """
    told: dict[str, Any] = {"seconds": {}, "clipped_s": None, "dropped_s": None}
    return _event(stream, condition, told, versions, detected_at, stream_start)


def _event(
    stream: StreamKey,
    what: StreamStatus | Condition,
    told: dict[str, Any],
    versions: Versions,
    detected_at: datetime,
    stream_start: datetime | None,
) -> dict[str, Any]:
    now = rfc3339(detected_at)
    name = f"{STATUS_TYPE}|{stream.kind}|{stream.stream_id}|{stream.epoch}|{what.start_sample}|{what.end_sample}"
    return {
        "specversion": "1.0",
        "type": STATUS_TYPE,
        "source": source(stream),
        "id": str(uuid5(EVENT_NAMESPACE, f"{name}|{what.state}")),
        "subject": stream.stream_id,
        "time": now,
        "datacontenttype": "application/json",
        "data": {
            "stream_id": stream.stream_id,
            "stream_kind": stream.kind,
            "epoch": stream.epoch,
            "state": what.state,
            "reason": what.reason,
            "start_s": seconds(what.start_sample),
            "end_s": seconds(what.end_sample),
            "start_time": wall_clock(stream_start, what.start_sample),
            "end_time": wall_clock(stream_start, what.end_sample),
            **told,
            "detected_at": now,
            "versions": asdict(versions),
        },
    }
