"""`produce` while its broker is away for longer than a record may take: a real broker that is made to stand still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from stream_monitor.cli import main
from stream_monitor.clock import SystemClock
from stream_monitor.kafka.drain import Drain
from stream_monitor.kafka.errors import BrokerError
from stream_monitor.kafka.losses import Losses
from stream_monitor.kafka.produce_settings import ProduceSettings
from stream_monitor.kafka.producing import produce
from stream_monitor.kafka.records import Headers
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.readers import ReadersConfig
from stream_monitor.reading import read_segments
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.sources import parse_sources
from stream_monitor.stopping import Stop
from tests.stack.kafka import Kafka
from tests.stack.server import asked, free_ports
from tests.stream_monitor.kafka.away import away
from tests.stream_monitor.kafka.test_produce_stop import ends, records, wait
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.web import Visit, serving

SECONDS = 12.0


@pytest.fixture
def mp3(tmp_path: Path) -> bytes:
    """What is sent again and again."""
    return write_audio(tmp_path / "a.mp3", melody(1, SECONDS, rate=44_100), 44_100, bit_rate=128_000).read_bytes()


@pytest.fixture
def topic(config_file: Path) -> str:
    """Of broadcasts, made."""
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    return str(yaml.safe_load(config_file.read_text(encoding="utf-8"))["topics"]["broadcast"])


@contextmanager
def producing(sources: Sequence[str], config: Path, log: Path, port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A producer that gives a record four seconds; it is gone afterwards."""
    own = {"PRODUCE__DELIVER_S": "4"} | ({"TELEMETRY__PORT": str(port)} if port else {})
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "stream_monitor", "produce", *sources, "--config", str(config)],
            stdin=subprocess.PIPE,
            stderr=written,
            env={**os.environ, **{f"STREAM_MONITOR__{key}": value for key, value in own.items()}},
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_station_outlives_a_broker_that_is_away_for_long(
    config_file: Path, topic: str, kafka: Kafka, tmp_path: Path, mp3: bytes
) -> None:
    """What is too old is dropped, counted and told; then the stream goes on in its epoch, with a gap between."""
    log = tmp_path / "log"
    (port,) = free_ports(1)

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        while not visit.server.over.wait(1.0):
            visit.wfile.write(mp3)

    with serving() as site:
        site.answers["/live"] = answer
        with producing([f"fm={site.url('/live')}"], config_file, log, port) as process:
            wait(lambda: ends(kafka, topic) >= 2, process, log)
            with away(kafka):
                wait(lambda: "live audio is dropped" in log.read_text(), process, log)
                assert "were dropped: topic" in asked(port, "readyz")
            wait(lambda: "the brokers take audio again" in log.read_text(), process, log)
            assert asked(port, "readyz") == "ready\n"
            counted = [line for line in asked(port, "metrics").splitlines() if "produce_undelivered_segments_" in line]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 130, log.read_text()
    said = records(kafka, topic)
    assert len({record.stream.epoch for record in said}) == 1
    numbers = [record.seq for record in said]
    assert numbers == sorted(set(numbers))
    missing = set(range(numbers[-1])) - set(numbers)
    assert missing
    (told,) = (line for line in counted if line.startswith("stream_monitor_produce_undelivered_segments_total"))
    assert float(told.split()[-1]) == len(missing)
    assert all(record.start_sample == record.seq * 5 * 22_050 for record in said)
    assert "segments of live audio could not be delivered" in log.read_text()


def test_standard_input_ends_with_the_reason_and_no_end_mark(
    config_file: Path, topic: str, kafka: Kafka, tmp_path: Path, mp3: bytes
) -> None:
    """Nobody would read it again from where it broke off: exit code 1, so that whoever sends it sends it anew."""
    log = tmp_path / "log"
    with producing(["live=-"], config_file, log) as process:
        assert process.stdin is not None
        process.stdin.write(4 * mp3)
        process.stdin.flush()
        wait(lambda: ends(kafka, topic) >= 2, process, log)
        with away(kafka):
            process.stdin.write(4 * mp3)
            process.stdin.flush()
            assert process.wait(120) == 1, log.read_text()
    assert log.read_text().splitlines()[-1].startswith(f"Error: topic {topic}: a record was not delivered")
    assert not any(record.last for record in records(kafka, topic))


class Refusing:
    """Where nothing may be put any more."""

    sent = 0

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Headers, lost: Callable[[BrokerError], None] | None
    ) -> None:
        """Tells whoever lets it."""
        assert lost is not None
        lost(BrokerError(f"{topic} takes nothing"))

    def settle(self) -> None:
        """Nothing is on its way."""

    def flush(self) -> int:
        """Nothing is on its way."""
        return 0


def test_a_file_that_cannot_be_sent_beside_addresses_fails_alone(tmp_path: Path, mp3: bytes) -> None:
    """It is told once, the addresses go on; what was dropped of those is a failure of its own at the end."""
    write_audio(tmp_path / "song.wav", melody(2, 22.0)[None], 22_050)
    clock, stop = SystemClock(), Stop()
    losses = Losses(clock)
    with serving() as site:
        site.file("/show.mp3", mp3, "audio/mpeg")
        result = produce(
            parse_sources([str(tmp_path / "song.wav"), f"fm={site.url('/show.mp3')}"]),
            partial(read_segments, stop=stop),
            Refusing(),
            topics=TopicSettings(),
            epoch=1,
            config=ReadersConfig(),
            settings=ProduceSettings(),
            policy=ReconnectPolicy(),
            clock=clock,
            stop=stop,
            drain=Drain(lambda: False, clock=clock, seconds=1.0),
            losses=losses,
        )
    assert losses.segments == 3
    assert [(stream, str(error)) for stream, error in result.failures] == [
        ("song", "audio.uploads takes nothing"),
        ("", "3 segments of live audio could not be delivered"),
    ]
