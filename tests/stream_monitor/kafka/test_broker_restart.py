"""A broker that ends or is killed and comes back with its data, while records are on their way to it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import av
import numpy as np
import pytest
import yaml

from stream_monitor.cli import main
from stream_monitor.kafka.client import Admin, LogReader, Partition, Producer, Received
from stream_monitor.kafka.records import parse
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from tests.stack.kafka import Kafka
from tests.stream_monitor.sound import write_audio

# The client leaves a socket to the garbage where a connection is refused or given up.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]

RATE = 22_050
SEGMENTS, SEGMENT_S = 60, 5
PIECES, PAUSE_S = 150, 0.08
KEYS = 12
DEADLINE_S = 120.0


class Numbers(threading.Thread):
    """Sends the numbers from 0 on, each key its own, until it is told to stop; then waits for all of them."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self._topic = topic
        self.stop = threading.Event()
        self.sent = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Until `stop`."""
        number = 0
        try:
            with Producer(self._settings) as producer:
                while not self.stop.wait(0.002):
                    producer.send(self._topic, b"%d" % (number % KEYS), b"%d" % number, ())
                    number += 1
                producer.flush()
                self.sent = producer.sent
        except Exception as error:  # noqa: BLE001  told by the test
            self.error = error


def records(settings: KafkaSettings, topic: str) -> list[Received]:
    """All that is in a topic, one partition after the other."""
    with LogReader(settings) as reader:
        return [each for n in range(3) for each in reader.read(Partition(topic=topic, number=n))]


def feed(pipe: IO[bytes], audio: bytes) -> None:
    """A file in many pieces, as a live source gives it."""
    step = len(audio) // PIECES + 1
    for start in range(0, len(audio), step):
        pipe.write(audio[start : start + step])
        pipe.flush()
        time.sleep(PAUSE_S)
    pipe.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_broker_that_comes_back_has_each_record_once(
    config_file: Path, settings: KafkaSettings, admin: Admin, kafka: Kafka, tmp_path: Path, how: signal.Signals
) -> None:
    """`produce` goes on by itself: every segment is there once, in order, to the bit; so is all that others sent."""
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    numbered = f"numbers-{how.name}"
    admin.create(numbered, 3, 1, {})
    wave_S = np.sin(np.cumsum(np.linspace(0.01, 1.0, SEGMENTS * SEGMENT_S * RATE))).astype(np.float32) * 0.5
    write_audio(tmp_path / "live.flac", wave_S[None], RATE)
    topic = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"]).broadcast
    command = [sys.executable, "-m", "stream_monitor", "produce", "live=-", "--config", str(config_file)]
    numbers = Numbers(settings, numbered)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    assert process.stdin is not None
    feeder = threading.Thread(target=feed, args=(process.stdin, (tmp_path / "live.flac").read_bytes()), daemon=True)
    node = kafka.nodes[0]
    try:
        numbers.start()
        feeder.start()
        deadline = time.monotonic() + DEADLINE_S
        while not (before := len(records(settings, topic))):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        node.server.stop(how)
        time.sleep(1.0)
        node.start()
        feeder.join(DEADLINE_S)
        assert process.wait(DEADLINE_S) == 0, (tmp_path / "log").read_text()
        numbers.stop.set()
        numbers.join(DEADLINE_S)
    finally:
        process.kill()
        process.wait()
        node.start()
    assert before < SEGMENTS
    found = records(settings, topic)
    said = [parse(each.key, each.value, each.headers) for each in found]
    assert [each.seq for each in said] == list(range(len(said)))
    assert said[-1].last
    heard_S = np.concatenate([samples(each.value) for each in found if each.value])
    np.testing.assert_allclose(heard_S, wave_S, atol=1.1 / 32768)
    assert numbers.error is None
    assert numbers.sent > 0
    came = [(each.key, int(each.value or b"")) for each in records(settings, numbered)]
    assert sorted(number for _, number in came) == list(range(numbers.sent))
    for key in {key for key, _ in came}:
        own = [number for each, number in came if each == key]
        assert own == sorted(own), f"{key!r} is out of order"


def samples(value: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One record's audio, decoded alone."""
    with av.open(io.BytesIO(value)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]) / 32768.0
