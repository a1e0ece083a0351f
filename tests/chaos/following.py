"""Those who pass events on: `relay` and `store` as processes, somebody who listens, and what must have come to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml
from sqlalchemy import create_engine, text

from tests.chaos.case import until
from tests.chaos.lab import CaseError, Lab
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import HOST
from tests.stream_monitor.relay.listeners import Subscriber


class Followers:
    """Of one laboratory: alerts and what is stored in SQLite must be the events. A context manager."""

    def __init__(self, lab: Lab) -> None:
        """Starts nothing yet.

        Args:
            lab: Whose events are passed on.
        """
        self._lab = lab
        self._mosquitto = Mosquitto(lab.folder / f"{lab.name}-mosquitto")
        self._url = f"sqlite:///{lab.folder / f'{lab.name}.db'}"
        config = write_config(lab, self._mosquitto, {"url": self._url})
        self._helpers = Helpers(folder=lab.folder, config=config)

    def __enter__(self) -> Self:
        self._mosquitto.start()
        self._listener = listening(self._mosquitto.port)
        for name in ("relay", "store"):
            self._helpers.keep(name)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._helpers.stop()
        self._mosquitto.stop()

    def compare(self) -> Counter[str]:
        """Of what has come; see `compare`."""
        return compare(self._lab, self._listener, self._url)


def write_config(lab: Lab, mosquitto: Mosquitto, store: dict[str, object]) -> Path:
    """The laboratory's configuration with both ends of the way."""
    tree = yaml.safe_load(lab.config.read_text(encoding="utf-8"))
    tree |= {
        "mqtt": {"host": HOST, "port": mosquitto.port},
        "store": store,
        "relay": {"commit_s": 0.5, "retry_first_s": 0.2, "retry_most_s": 2.0},
    }
    path = lab.config.with_name(f"{lab.name}-alerts.yaml")
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def raw_events(lab: Lab) -> dict[str, dict[str, object]]:
    """By id, with everything."""
    values = [json.loads(each.value or b"") for each in lab.records(lab.topics.events, lab.partitions)]
    return {value["id"]: value for value in values}


def stored(url: str) -> dict[str, object]:
    """The data of stored events by id; nothing before there is a table."""
    engine = create_engine(url)
    try:
        with engine.connect() as link:
            if not engine.dialect.has_table(link, "events"):
                return {}
            rows = link.execute(text("select id, data from events")).all()
            return {row.id: json.loads(row.data) if isinstance(row.data, str) else row.data for row in rows}
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


def listening(port: int) -> Subscriber:
    """Hears every alert; its session outlives it and the broker."""
    return Subscriber(port, "music/#", "-i", "listener", "-c", "-x", "86400")


def compare(lab: Lab, listener: Subscriber, url: str) -> Counter[str]:
    """Waits until all has come; how many alerts, those that came twice too, and how many events.

    Raises:
        CaseError: An alert or a stored event is missing, or is another.
    """
    values = raw_events(lab)

    def alerts() -> dict[str, dict[str, object]]:
        return {payload["id"]: payload for _, payload in listener.told()}

    until(lambda: alerts().keys() >= values.keys(), what="every alert")
    until(lambda: len(stored(url)) >= len(values), what="every event in the database")
    if alerts() != values:
        raise CaseError("alerts are not the events")
    if stored(url) != {key: value["data"] for key, value in values.items()}:
        raise CaseError("what is stored are not the events")
    return Counter(alerts=len(listener.told()), events=len(values), stored=len(values))
