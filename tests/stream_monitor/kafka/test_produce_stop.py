"""`produce` as a process that reads stations and is asked to end, on a real broker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from kafka import KafkaConsumer, TopicPartition

from stream_monitor.cli import main
from stream_monitor.kafka.records import AudioRecord, parse
from tests.stack.kafka import Kafka
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.web import Visit, serving

STATIONS = 3
SECONDS = 12.0


def test_sigterm_sends_what_was_read(config_file: Path, kafka: Kafka, tmp_path: Path) -> None:
    """All that three stations sent is in the topic, the started segments too, no stream marked as ended; exit 130."""
    mp3 = write_audio(tmp_path / "a.mp3", melody(1, SECONDS, rate=44_100), 44_100, bit_rate=128_000).read_bytes()
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    topic = yaml.safe_load(config_file.read_text(encoding="utf-8"))["topics"]["broadcast"]
    log = tmp_path / "log"

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)
        visit.server.over.wait(120)

    with serving() as site:
        site.answers["/live"] = answer
        urls = [f"fm-{number}={site.url('/live')}" for number in range(STATIONS)]
        with log.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_monitor", "produce", *urls, "--config", str(config_file)],
                stderr=written,
                env={**os.environ, "STREAM_MONITOR__RECONNECT__READ_TIMEOUT_S": "120"},
            )
        try:
            wait(lambda: ends(kafka, topic) >= 2 * STATIONS and not site.unread(), process, log)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 130, log.read_text()
        finally:
            process.kill()
            process.wait()
    found = records(kafka, topic)
    told = re.search(r"(\d+) segments, ", log.read_text())
    assert told is not None
    assert len(found) == int(told[1])
    assert not any(record.last for record in found)
    for number in range(STATIONS):
        own = [record for record in found if record.stream.stream_id == f"fm-{number}"]
        assert [record.seq for record in own] == [0, 1, 2]
        assert [record.start_sample for record in own] == [0, *(record.end_sample for record in own[:-1])]
        # The decoder still waits for the frame after the last one.
        assert SECONDS - 0.2 < own[-1].end_sample / 22_050 < SECONDS + 0.2


def test_a_broker_that_is_silent_does_not_hold_up_the_end(config_file: Path, kafka: Kafka, tmp_path: Path) -> None:
    """Records that nobody acknowledges are given up after drain_s and told, not waited for as long as they may take."""
    mp3 = write_audio(tmp_path / "a.mp3", melody(1, SECONDS, rate=44_100), 44_100, bit_rate=128_000).read_bytes()
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    topic = yaml.safe_load(config_file.read_text(encoding="utf-8"))["topics"]["broadcast"]
    log, silent = tmp_path / "log", threading.Event()
    broker = kafka.nodes[0].server.pid
    assert broker is not None

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)
        silent.wait(120)
        visit.wfile.write(mp3)
        visit.server.over.wait(120)

    with serving() as site:
        site.answers["/live"] = answer
        command = [sys.executable, "-m", "stream_monitor", "produce", f"fm={site.url('/live')}"]
        with log.open("wb") as written:
            process = subprocess.Popen(
                [*command, "--config", str(config_file)],
                stderr=written,
                env={**os.environ, "STREAM_MONITOR__PRODUCE__DRAIN_S": "2"},
            )
        try:
            wait(lambda: ends(kafka, topic) >= 2, process, log)
            os.kill(broker, signal.SIGSTOP)
            silent.set()
            wait(lambda: not site.unread(), process, log)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 130, log.read_text()
        finally:
            os.kill(broker, signal.SIGCONT)
            process.kill()
            process.wait()
    assert "the brokers had not acknowledged" in log.read_text()


def wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Until then, or with words where the process ended."""
    until_s = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until_s, log.read_text()
        time.sleep(0.2)


def ends(kafka: Kafka, topic: str) -> int:
    """How many records a topic has."""
    consumer, partitions = assigned(kafka, topic)
    found = sum(consumer.end_offsets(partitions).values())
    consumer.close()
    return found


def records(kafka: Kafka, topic: str) -> list[AudioRecord]:
    """What all records of a topic say."""
    consumer, partitions = assigned(kafka, topic)
    consumer.seek_to_beginning(*partitions)
    last = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(partition) < last[partition] for partition in partitions):
        for batch in consumer.poll(timeout_ms=500).values():
            found += [parse(record.key, record.value, record.headers) for record in batch]
    consumer.close()
    return found


def assigned(kafka: Kafka, topic: str) -> tuple[KafkaConsumer, list[TopicPartition]]:
    """A reader of all partitions."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    return consumer, partitions
