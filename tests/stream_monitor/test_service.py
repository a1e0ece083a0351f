"""The whole service as people start it: `configs/service.yaml`, commands as processes, real servers; beside `watch`."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.cli import main
from tests.fakes.band import song
from tests.fakes.schemas import checked
from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import asked, free_ports
from tests.stream_monitor.kafka.conftest import kafka
from tests.stream_monitor.relay.conftest import mosquitto
from tests.stream_monitor.relay.listeners import Subscriber
from tests.stream_monitor.relay.service import until
from tests.stream_monitor.sound import write_audio
from tests.stream_monitor.store.conftest import postgres, postgres_url

__all__ = ["kafka", "mosquitto", "postgres", "postgres_url"]

CONFIG = Path(__file__).parents[2] / "configs/service.yaml"
RATE = 22_050
DEADLINE_S = 120.0
STATIONS = 2


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A catalogue of three songs, and two files that play two of them each between others."""
    for number in range(3):
        write_audio(tmp_path / f"tune{number}.wav", song(number, 40.0)[None], RATE)
    tunes = [str(tmp_path / f"tune{number}.wav") for number in range(3)]
    assert main(["catalog", "add", *tunes, "--catalog", str(tmp_path / "catalogue")]) == 0
    for number in range(STATIONS):
        parts = (song(50 + number, 15.0), song(number, 40.0), song(60 + number, 20.0), song(2, 40.0))
        write_audio(tmp_path / f"fm-{number}.flac", np.concatenate(parts)[None], RATE)
    return tmp_path


class Commands:
    """The command line with that configuration; only where the servers and files are is told by the environment."""

    def __init__(self, folder: Path, **keys: str | int) -> None:
        self._folder = folder
        given = {f"STREAM_MONITOR__{name.replace('_of_', '__').upper()}": str(value) for name, value in keys.items()}
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **given}
        self.ports: dict[str, int] = {}
        self._services: dict[str, subprocess.Popen[bytes]] = {}

    def finish(self, *words: str) -> str:
        """A command that ends by itself, well; what it printed."""
        command = [sys.executable, "-m", "stream_monitor", *words, "--config", str(CONFIG)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, f"{words}: {done.stderr[-3000:]}"
        return done.stdout

    def serve(self, name: str) -> None:
        """A command that goes on, until it says that it is ready."""
        (self.ports[name],) = free_ports(1)
        environment = {**self._environment, "STREAM_MONITOR__TELEMETRY__PORT": str(self.ports[name])}
        command = [sys.executable, "-m", "stream_monitor", name, "--config", str(CONFIG)]
        with (self._folder / f"{name}.log").open("wb") as log:
            self._services[name] = subprocess.Popen(command, env=environment, stderr=log)
        until(lambda: asked(self.ports[name], "readyz") == "ready\n", lambda: f"{name} is not ready: {self._log(name)}")

    def end(self) -> dict[str, int]:
        """SIGTERM to all of them; their exit codes."""
        for process in self._services.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(DEADLINE_S) for name, process in self._services.items()}

    def stop(self) -> None:
        """Kills what runs."""
        for process in self._services.values():
            process.kill()
            process.wait()

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()[-3000:]


@pytest.fixture
def commands(place: Path, kafka: Kafka, mosquitto: Mosquitto, postgres_url: str) -> Iterator[Commands]:
    """All of them are gone afterwards."""
    starter = Commands(
        place,
        catalog=place / "copy",
        kafka_of_bootstrap_servers=kafka.bootstrap,
        mqtt_of_port=mosquitto.port,
        store_of_url=postgres_url,
    )
    yield starter
    starter.stop()


def finals(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The plays that are over: which track, and where."""
    data = [event["data"] for event in told if event["type"] == "music.play.v1"]
    keys = ("stream_id", "match_type", "start_s", "end_s", "track_start_s")
    return sorted((e["track"]["track_id"], *(e[key] for key in keys)) for e in data if e["status"] == "final")


def test_the_service_of_the_readme_hears_what_watch_hears(
    commands: Commands, place: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """Topics, catalogue, worker, relay, store, then audio: the plays of `watch` at a subscriber and in the report."""
    files = [str(place / f"fm-{number}.flac") for number in range(STATIONS)]
    capsys.readouterr()
    assert main(["watch", *files, "--catalog", str(place / "catalogue")]) == 0
    watched = finals([dict(event) for event in checked(capsys.readouterr().out)])
    assert len(watched) == 2 * STATIONS

    commands.finish("topics", "create")
    commands.finish("catalog", "publish", "--catalog", str(place / "catalogue"))
    for name in ("run", "relay", "store"):
        commands.serve(name)
    subscriber = Subscriber(mosquitto.port)
    try:
        commands.finish("produce", *files)
        until(lambda: len(finals(_events(subscriber))) == len(watched), "alerts did not come")
        assert finals(_events(subscriber)) == watched
    finally:
        subscriber.close()

    def reported() -> list[str]:
        rows = csv.DictReader(commands.finish("report", "--format", "csv").splitlines())
        return sorted(row["track_id"] for row in rows if row["track_id"])

    until(lambda: len(reported()) == len(watched), "the store did not come to the end")
    assert reported() == [track for track, *_ in watched]
    assert commands.end() == {"run": 0, "relay": 0, "store": 0}


def _events(subscriber: Subscriber) -> list[dict[str, Any]]:
    """Each once, as they came."""
    return list({payload["id"]: payload for _, payload in subscriber.told()}.values())
