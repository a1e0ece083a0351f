"""A worker as people run it, looked after over HTTP and by its log: a real broker, the real encoder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
import yaml
from prometheus_client.parser import text_string_to_metric_families

from stream_monitor.cli import main
from stream_monitor.kafka.client import LogReader, Partition, Producer
from stream_monitor.kafka.observation import ALONE
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.producing import record_of
from stream_monitor.kafka.records import headers_of, key_of
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from stream_monitor.segments import Segment, StreamKey
from tests.fakes.band import song
from tests.stack.kafka import Kafka
from tests.stack.server import free_ports
from tests.stream_monitor.kafka.away import away
from tests.stream_monitor.sound import write_audio

RATE = 22_050
DEADLINE_S = 120.0
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
T = TypeVar("T")


def _wait(found: Callable[[], T | None], process: subprocess.Popen[bytes]) -> T:
    """What is found, as soon as it is there."""
    deadline = time.monotonic() + DEADLINE_S
    while (answer := found()) is None:
        assert process.poll() is None, "the worker ended"
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)
    return answer


def _metrics(url: str) -> dict[str, float]:
    """Every sample, its labels behind its name."""
    text = httpx.get(f"{url}/metrics", timeout=30).text
    return {
        " ".join([sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _send(settings: KafkaSettings, topics: TopicSettings, wave_S: np.ndarray) -> None:
    """A song in traced segments of five seconds, the third of which is lost, and a record that is no segment."""
    stream = StreamKey(kind="upload", stream_id="clip", epoch=round(1e3 * time.time()) - 60_000)
    with Producer(settings) as producer:
        producer.send(topics.uploads, b"x", b"no audio", [("ce_type", b"other")])
        for seq, start in enumerate(range(0, len(wave_S), 5 * RATE)):
            samples_S = wave_S[start : start + 5 * RATE]
            last = start + 5 * RATE >= len(wave_S)
            if seq == 6:
                continue
            segment = Segment(stream=stream, seq=seq, start_sample=start, samples_S=samples_S, last=last)
            record = replace(record_of(segment, None), traceparent=CONTEXT)
            producer.send(topics.uploads, key_of(stream), to_flac(samples_S), headers_of(record))
        producer.flush()


def test_a_worker_is_looked_after(kafka: Kafka, config_file: Path, tmp_path: Path) -> None:
    """It says when it is ready, what it heard, missed, refused and told, and hands the trace on to its events."""
    write_audio(tmp_path / "tune.wav", song(1, 40.0)[None], RATE)
    catalogue = str(tmp_path / "catalogue")
    assert main(["catalog", "add", str(tmp_path / "tune.wav"), "--catalog", catalogue]) == 0
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    topics = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "stream_monitor", "--log-json", "run", "--config", str(config_file)]
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, "--catalog", catalogue],
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1", "STREAM_MONITOR__TELEMETRY__PORT": str(port)},
        )
    try:

        def ready() -> bool | None:
            try:
                return httpx.get(f"{url}/readyz", timeout=30).status_code == 200 or None
            except httpx.ConnectError:
                return None

        _wait(ready, worker)
        assert httpx.get(f"{url}/healthz", timeout=30).text == "alive\n"
        assert _metrics(url)["stream_monitor_worker_partitions_assigned"] == 6
        wave_S = np.concatenate((song(1, 40.0), song(60, 20.0)))
        _send(settings, topics, wave_S)

        def told() -> dict[str, float] | None:
            metrics = _metrics(url)
            # On the air, a gap, the end.
            statuses = metrics.get("stream_monitor_worker_events_total type=stream.status.v1", 0)
            return metrics if statuses >= 3 else None

        metrics = _wait(told, worker)

        def asked() -> str:
            return httpx.get(f"{url}/readyz", timeout=30).text

        with away(kafka):
            _wait(lambda: ALONE in asked() or None, worker)
        _wait(ready, worker)
    finally:
        worker.send_signal(signal.SIGTERM)
        try:
            code = worker.wait(60)
        except subprocess.TimeoutExpired:
            worker.kill()
            raise
    assert code == 0

    def value(name: str) -> float:
        return metrics[f"stream_monitor_worker_{name}"]

    assert metrics["stream_monitor_ready"] == 1
    assert value(f"records_total topic={topics.uploads}") == 12
    assert value("audio_seconds_total kind=upload") == 55
    assert (value("gaps_total kind=upload"), value("gap_seconds_total kind=upload")) == (1, 5)
    assert value(f"dead_letters_total code=wrong_type topic={topics.uploads}") == 1
    assert value("plays_total kind=upload status=provisional") == 1
    assert value("plays_total kind=upload status=final") == 1
    assert value("capture_to_event_seconds_count basis=capture") >= 2
    assert value("transactions_total outcome=committed") >= 1
    assert value("batch_chunks_count") >= 1
    assert value("catalogue_tracks") == 1
    assert value("catalogue_unusable") == value("queued_records kind=upload") == value("partitions_paused") == 0
    lags = {name: lag for name, lag in metrics.items() if "frontier_lag_records" in name}
    assert len(lags) == 6 and set(lags.values()) == {0}
    with LogReader(settings) as reader:
        records = [each for n in range(3) for each in reader.read(Partition(topic=topics.events, number=n))]
    plays = [each for each in records if b"music.play.v1" in (each.value or b"")]
    assert plays
    assert all(dict(each.headers)["traceparent"] == CONTEXT.encode() for each in plays)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (letter,) = [line for line in lines if line["event"] == "a record cannot be read"]
    assert (letter["level"], letter["dlq_topic"], letter["dlq_offset"]) == ("error", topics.uploads, "0")
    assert letter["stream"] == "x"
