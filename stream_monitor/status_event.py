"""A stream's status to a CloudEvent, `stream.status.v1`: where its time went. It knows nothing of where events go."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from encoder.grid import SAMPLE_RATE
from stream_monitor.accounting import StreamStatus
from stream_monitor.chunker import ChunkerCounts
from stream_monitor.events import Versions

STATUS_TYPE = "stream.status.v1"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:stream-monitor:events")


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
    """
    stream = status.stream
    now = _iso(detected_at)
    name = f"{STATUS_TYPE}|{stream.kind}|{stream.stream_id}|{stream.epoch}|{status.start_sample}|{status.end_sample}"
    seconds = {
        "monitored": status.monitored_samples,
        "matched": status.matched_samples,
        "unmatched": status.unmatched_samples,
        "silence": status.silence_samples,
        "no_signal": status.no_signal_samples,
    }
    return {
        "specversion": "1.0",
        "type": STATUS_TYPE,
        "source": f"/stream-monitor/{stream.kind}/{quote(stream.stream_id, safe='')}",
        "id": str(uuid.uuid5(_NAMESPACE, f"{name}|{status.state}")),
        "subject": stream.stream_id,
        "time": now,
        "datacontenttype": "application/json",
        "data": {
            "stream_id": stream.stream_id,
            "stream_kind": stream.kind,
            "epoch": stream.epoch,
            "state": status.state,
            "reason": status.reason,
            "start_s": _seconds(status.start_sample),
            "end_s": _seconds(status.end_sample),
            "start_time": _clock(stream_start, status.start_sample),
            "end_time": _clock(stream_start, status.end_sample),
            "seconds": {name: _seconds(samples) for name, samples in seconds.items()},
            "clipped_s": _seconds(status.clipped_samples),
            "dropped_s": None
            if counts is None
            else {
                "late": _seconds(counts.late),
                "unheard": _seconds(counts.unheard),
                "filled": _seconds(counts.filled),
            },
            "detected_at": now,
            "versions": {
                "software": versions.software,
                "encoder": versions.encoder,
                "catalogue": versions.catalogue,
                "config": versions.config,
            },
        },
    }


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE, 3)


def _clock(stream_start: datetime | None, sample: int) -> str | None:
    return None if stream_start is None else _iso(stream_start + timedelta(seconds=sample / SAMPLE_RATE))


def _iso(moment: datetime) -> str:
    """UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
