"""A verdict on an upload to a CloudEvent, `music.verdict.v1`. It knows nothing of where events go."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid5

from stream_monitor.event_types import EVENT_NAMESPACE, VERDICT_TYPE
from stream_monitor.events import Versions, play_uuid, rfc3339, seconds, source, wall_clock
from stream_monitor.segments import StreamKey
from stream_monitor.verdict import UploadPlay, Verdict


def verdict_event(
    verdict: Verdict, *, versions: Versions, detected_at: datetime, stream_start: datetime | None = None
) -> dict[str, Any]:
    """The event of one revision, ready for `json.dumps`.

    Args:
        verdict: What is said.
        versions: What made it.
        detected_at: Now, with a time zone.
        stream_start: Wall clock of the epoch's sample 0, with a time zone; None where it is not known.

    Raises:
        EventError: A time has no zone.
    """
    stream, now = verdict.stream, rfc3339(detected_at)
    name = f"{VERDICT_TYPE}|{stream.kind}|{stream.stream_id}|{stream.epoch}|{verdict.revision}"
    if verdict.first_sample or verdict.replays:
        # An upload that had ended, and of which something came again: not what was said of it before.
        name += f"|{verdict.first_sample}|{verdict.replays}"
    duration = verdict.duration_samples
    return {
        "specversion": "1.0",
        "type": VERDICT_TYPE,
        "id": str(uuid5(EVENT_NAMESPACE, name)),
        "source": source(stream),
        "subject": stream.stream_id,
        "time": now,
        "datacontenttype": "application/json",
        "data": {
            "stream_id": stream.stream_id,
            "stream_kind": stream.kind,
            "epoch": stream.epoch,
            "revision": verdict.revision,
            "early": verdict.early,
            "verdict": verdict.word,
            "action": verdict.action,
            "rules": list(verdict.rules),
            "replays": verdict.replays,
            "reasons": list(verdict.reasons),
            "duration_s": seconds(duration),
            "matched_s": seconds(verdict.matched_samples),
            "share": None if verdict.early or not duration else round(verdict.matched_samples / duration, 6),
            "coverage": round(verdict.heard_samples / duration, 6) if duration else None,
            "seconds": {
                "heard": seconds(verdict.heard_samples),
                "silent": seconds(verdict.silent_samples),
                "missing": seconds(verdict.missing_samples),
                "poisoned": seconds(verdict.poisoned_samples),
                "unheard": seconds(verdict.unheard_samples),
            },
            "plays": [_play(play, stream, stream_start) for play in verdict.plays],
            "detected_at": now,
            "versions": asdict(versions),
        },
    }


def _play(play: UploadPlay, stream: StreamKey, stream_start: datetime | None) -> dict[str, Any]:
    opened = StreamKey(kind=stream.kind, stream_id=stream.stream_id, epoch=play.epoch)
    return {
        "play_id": str(play_uuid(opened, play.track_id, play.first_chunk)),
        "track": {
            "track_id": play.track_id,
            "work_id": play.work_id,
            "title": play.title,
            "artist": play.artist,
            "isrc": play.isrc,
            "iswc": play.iswc,
        },
        "match_type": play.match_type,
        "confidence": round(play.confidence, 6),
        "start_s": seconds(play.start_sample),
        "end_s": seconds(play.end_sample),
        "start_time": wall_clock(stream_start, play.start_sample),
        "end_time": wall_clock(stream_start, play.end_sample),
    }
