"""Verdicts on uploads through a real broker: what is said of each, and that a worker's death changes nothing of it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np

from stream_monitor.kafka.client import Producer
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of
from stream_monitor.kafka.settings import KafkaSettings
from stream_monitor.segments import SEGMENT_SAMPLES, StreamKey
from tests.fakes.band import song
from tests.stack.kafka import Kafka
from tests.stream_monitor.kafka.test_run import (
    Workers,
    ended,
    events_of,
    place,
    service,
    topics_of,
    undated,
    workers,
)

__all__ = ["place", "service", "workers"]
EPOCH = 1_795_000_000_000


def send(kafka: Kafka, service: Path, name: str, wave_S: np.ndarray, *, lost: int = -1, spoilt: int = -1) -> None:
    """One upload; a segment of it may be lost or spoilt."""
    pieces = [wave_S[at : at + SEGMENT_SAMPLES] for at in range(0, len(wave_S), SEGMENT_SAMPLES)]
    with Producer(KafkaSettings(bootstrap_servers=kafka.bootstrap)) as producer:
        for seq, piece_S in enumerate(pieces):
            said = AudioRecord(
                stream=StreamKey(kind="upload", stream_id=name, epoch=EPOCH),
                seq=seq,
                offset_samples=seq * SEGMENT_SAMPLES,
                samples=len(piece_S),
                sample_rate=22_050,
                channels=1,
                content_type=FLAC,
                captured_at=None,
                last=seq == len(pieces) - 1,
            )
            value = b"spoilt" * 100 if seq == spoilt else to_flac(piece_S)
            if seq != lost:
                producer.send(topics_of(service).uploads, key_of(said.stream), value, headers_of(said))
        producer.flush()


def verdicts(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By upload, in the order of their revisions."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if event["type"] == "music.verdict.v1":
            found.setdefault(event["data"]["stream_id"], []).append(event["data"])
    return found


def test_each_upload_gets_its_verdict_whatever_becomes_of_workers(
    service: Path, place: Path, kafka: Kafka, workers: Workers
) -> None:
    """A match is blocked; strangers are clear, but never with a segment lost or spoilt; no verdict comes twice."""
    send(kafka, service, "match", np.concatenate((song(50, 10.0), song(0, 40.0), song(60, 20.0))))
    send(kafka, service, "clear", song(201, 40.0))
    send(kafka, service, "lost", song(202, 40.0), lost=3)
    send(kafka, service, "spoilt", song(203, 40.0), spoilt=4)
    for times in (2, 3):
        killed = workers.start("before commit", times)
        killed.communicate(timeout=120)
        assert killed.returncode == -signal.SIGKILL
    events = workers.until(workers.start(), kafka, 4)
    assert ended(events) == {"match", "clear", "lost", "spoilt"}
    undated(events)  # no id twice
    found = verdicts(events)
    last = {name: each[-1] for name, each in found.items()}
    assert {name: (each["verdict"], each["action"]) for name, each in last.items()} == {
        "match": ("match", "block"),
        "clear": ("clear", "allow"),
        "lost": ("incomplete", "review"),
        "spoilt": ("incomplete", "review"),
    }
    assert [each["early"] for each in found["match"]] == [True] * (len(found["match"]) - 1) + [False]
    assert {play["track"]["track_id"] for play in last["match"]["plays"]} == {"tune0"}
    assert 30 < last["match"]["matched_s"] < 45
    assert last["clear"]["coverage"] == 1.0
    assert last["lost"]["coverage"] < 1.0
    assert len(events_of(kafka, service)) == len(events)
