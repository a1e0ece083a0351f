"""A stream's status to a CloudEvent, `stream.status.v1`: where its time went. It knows nothing of where events go."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid5

from stream_monitor.accounting import StreamStatus
from stream_monitor.chunker_state import ChunkerCounts
from stream_monitor.event_types import EVENT_NAMESPACE, STATUS_TYPE
from stream_monitor.events import Versions, rfc3339, seconds, source, wall_clock


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
    stream = status.stream
    now = rfc3339(detected_at)
    name = f"{STATUS_TYPE}|{stream.kind}|{stream.stream_id}|{stream.epoch}|{status.start_sample}|{status.end_sample}"
    parts = {
        "monitored": status.monitored_samples,
        "matched": status.matched_samples,
        "unmatched": status.unmatched_samples,
        "silence": status.silence_samples,
        "no_signal": status.no_signal_samples,
    }
    return {
        "specversion": "1.0",
        "type": STATUS_TYPE,
        "source": source(stream),
        "id": str(uuid5(EVENT_NAMESPACE, f"{name}|{status.state}")),
        "subject": stream.stream_id,
        "time": now,
        "datacontenttype": "application/json",
        "data": {
            "stream_id": stream.stream_id,
            "stream_kind": stream.kind,
            "epoch": stream.epoch,
            "state": status.state,
            "reason": status.reason,
            "start_s": seconds(status.start_sample),
            "end_s": seconds(status.end_sample),
            "start_time": wall_clock(stream_start, status.start_sample),
            "end_time": wall_clock(stream_start, status.end_sample),
            "seconds": {part: seconds(samples) for part, samples in parts.items()},
            "clipped_s": seconds(status.clipped_samples),
            "dropped_s": None
            if counts is None
            else {
                "late": seconds(counts.late),
                "unheard": seconds(counts.unheard),
                "filled": seconds(counts.filled),
            },
            "detected_at": now,
            "versions": asdict(versions),
        },
    }
