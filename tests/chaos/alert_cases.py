"""The case in which those who pass events on are in trouble: Mosquitto, PostgreSQL, `relay` and `store`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from sqlalchemy import create_engine, text

from tests.chaos.case import WORKERS, Proof, Scale, until
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig
from tests.stack.mosquitto import Mosquitto
from tests.stack.postgres import Postgres
from tests.stack.server import HOST

CLOSED = "topic read music/#\ntopic readwrite music/broadcast/#\n"


def alerts_and_store(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """An access list refuses uploads, then Mosquitto and PostgreSQL are killed and stay away, then relay and store
    are killed: a listener has every event as it is in Kafka, and so has the database."""
    access = rig.folder / f"{lab.name}-acl"
    access.write_text(CLOSED)
    mosquitto = Mosquitto(rig.folder / f"{lab.name}-mosquitto", extra=f"allow_anonymous true\nacl_file {access}\n")
    postgres = Postgres(rig.folder / f"{lab.name}-postgres")
    mosquitto.start()
    postgres.start()
    config = _config(lab, mosquitto, postgres)
    helpers = Helpers(folder=rig.folder, config=config)
    listener = Listener(rig.folder / f"{lab.name}-listener", mosquitto.port)
    try:
        for name in ("relay", "store"):
            helpers.keep(name)
        lab.supervise(*WORKERS)
        lab.send(lab.world.first)
        until(lambda: "relay refused" in helpers.log("relay"), what="a refusal")
        until(lambda: _stored(postgres) > 0, what="a stored event")
        mosquitto.server.stop(signal.SIGKILL)
        postgres.server.stop(signal.SIGKILL)
        time.sleep(scale.down_s)
        # Without its access list: with one, 2.0 drops what comes for a session whose client has not come back yet.
        mosquitto = Mosquitto(mosquitto.folder, port=mosquitto.port)
        mosquitto.start()
        postgres.start()
        for name in ("relay", "store"):
            helpers.kill(name)
        lab.send(lab.world.later)
        lab.wait_for(oracle)
        values = {json.loads(each.value or b"")["id"]: json.loads(each.value or b"")
                  for each in lab.records(lab.topics.events, lab.partitions)}  # fmt: skip
        until(lambda: listener.events().keys() >= values.keys(), what="every alert")
        until(lambda: _stored(postgres) >= len(values), what="every event in the database")
        if listener.events() != values:
            raise CaseError("alerts are not the events")
        if (count := _stored(postgres)) != len(values):
            raise CaseError(f"{count} events are stored of {len(values)}")
        told = listener.count()
    finally:
        listener.stop()
        helpers.stop()
        mosquitto.stop()
        postgres.stop()
    return {"away_s": scale.down_s, "alerts": f"{told} of {len(values)} events", "starts": helpers.starts}


def _config(lab: Lab, mosquitto: Mosquitto, postgres: Postgres) -> Path:
    tree = yaml.safe_load(lab.config.read_text(encoding="utf-8"))
    tree |= {
        "mqtt": {"host": HOST, "port": mosquitto.port},
        "store": {"url": postgres.url, "timeout_s": 5, "retry_max_s": 2},
        "relay": {"commit_s": 0.5, "retry_first_s": 0.2, "retry_most_s": 2.0},
    }
    path = lab.config.with_name(f"{lab.name}-alerts.yaml")
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def _stored(postgres: Postgres) -> int:
    engine = create_engine(postgres.url)
    try:
        with engine.connect() as link:
            if link.execute(text("select to_regclass('events')")).scalar() is None:
                return 0
            return int(link.execute(text("select count(*) from events")).scalar() or 0)
    finally:
        engine.dispose()


@dataclass(kw_only=True, slots=True)
class Helpers:
    """`relay` and `store` as processes that are started again whenever they end."""

    folder: Path
    config: Path
    starts: dict[str, int] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def keep(self, name: str) -> None:
        """Starts it, again and again."""
        self._start(name)
        thread = threading.Thread(target=self._look, args=(name,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def kill(self, name: str) -> None:
        """kill -9."""
        self._running[name].kill()

    def log(self, name: str) -> str:
        """What it printed, over all its lives."""
        path = self._log(name)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def stop(self) -> None:
        """Ends all of them."""
        self._ending.set()
        for thread in self._threads:
            thread.join(10)
        for process in self._running.values():
            process.kill()
            process.wait()

    def _look(self, name: str) -> None:
        while not self._ending.wait(0.5):
            if self._running[name].poll() is not None:
                self._start(name)

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "stream_monitor", name, "--config", str(self.config)]
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(command, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        self.starts[name] = self.starts.get(name, 0) + 1

    def _log(self, name: str) -> Path:
        return self.folder / f"{self.config.stem}-{name}.log"


class Listener:
    """`mosquitto_sub` with a session that outlives it and the broker."""

    def __init__(self, path: Path, port: int) -> None:
        """Listens from now on.

        Args:
            path: What it prints.
            port: Of the broker.
        """
        self._path = path
        command = ["mosquitto_sub", "-V", "5", "-h", HOST, "-p", str(port), "-i", "listener", "-c", "-x", "86400"]
        with path.open("ab") as sink:
            self._process = subprocess.Popen([*command, "-q", "1", "-t", "music/#", "-F", "%p"], stdout=sink)
        time.sleep(1.0)

    def _values(self) -> Sequence[dict[str, object]]:
        lines = self._path.read_bytes().split(b"\n")[:-1]
        return [value for value in map(json.loads, lines) if "id" in value]

    def events(self) -> dict[str, dict[str, object]]:
        """By id."""
        return {str(value["id"]): value for value in self._values()}

    def count(self) -> int:
        """Messages, repeats too."""
        return len(self._values())

    def stop(self) -> None:
        """Listens no more."""
        self._process.kill()
        self._process.wait()
