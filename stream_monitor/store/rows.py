"""Entries to rows of the tables. It decides nothing."""

from __future__ import annotations

from typing import Any

from stream_monitor.kafka.client import Received
from stream_monitor.store.entry import Entry

Row = dict[str, Any]


def event_row(run_id: str, entry: Entry, record: Received) -> Row:
    """Of `events`."""
    return {
        **_stream(run_id, entry),
        "id": entry.event_id,
        "type": entry.type,
        "time": entry.time,
        "digest": entry.digest,
        "data": entry.data,
        "kafka_topic": record.partition.topic,
        "kafka_partition": record.partition.number,
        "kafka_offset": record.offset,
    }


def play_row(run_id: str, entry: Entry) -> Row:
    """Of `plays`."""
    data = entry.data
    return {
        **_stream(run_id, entry),
        "play_id": data["play_id"],
        "revision": data["revision"],
        "status": data["status"],
        "track_id": data["track"]["track_id"],
        "work_id": data["track"]["work_id"],
        "start_s": data["start_s"],
        "end_s": data["end_s"],
        "event_id": entry.event_id,
        "data": data,
    }


def status_row(run_id: str, entry: Entry) -> Row:
    """Of `statuses`."""
    data = entry.data
    return {
        **_stream(run_id, entry),
        "event_id": entry.event_id,
        "state": data["state"],
        "start_s": data["start_s"],
        "end_s": data["end_s"],
        "monitored_s": data["seconds"].get("monitored", 0.0),
        "data": data,
    }


def verdict_row(run_id: str, entry: Entry) -> Row:
    """Of `verdicts`."""
    data = entry.data
    told = {name: value if isinstance(value := data.get(name), str) else None for name in ("verdict", "action")}
    order = {name: data[name] for name in ("revision", "replays", "early")}
    return {**_stream(run_id, entry), **told, **order, "event_id": entry.event_id, "time": entry.time, "data": data}


def _stream(run_id: str, entry: Entry) -> Row:
    return {
        "run_id": run_id,
        "stream_kind": entry.kind,
        "stream_id": entry.stream_id,
        "epoch": entry.epoch,
        "heard_at": entry.heard_at,
    }
