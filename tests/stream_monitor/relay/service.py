"""A relay as people run it: its configuration, its topic of events, its processes, and what it says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kafka import KafkaAdminClient

from stream_monitor.cli import main
from stream_monitor.kafka.client import LogReader, Partition, Producer, Received
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings, dead_letters
from tests.stack.kafka import Kafka
from tests.stack.server import asked, free_ports

DEADLINE_S = 120.0
Event = dict[str, Any]


def event(number: int, stream: str = "fm-1", status: str = "provisional", play: str = "p", **more: Any) -> Event:
    """A play's event, as far as a relay reads it."""
    return {
        "specversion": "1.0", "type": "music.play.v1", "id": f"event-{stream}-{number}",
        "data": {
            "stream_id": stream, "stream_kind": "broadcast", "status": status, "play_id": play, "revision": number,
            "track": {"track_id": f"tune-{number % 3}"}, "confidence": 0.5 + 0.1 * (number % 5),
            "detected_at": "2026-11-25T12:00:00.000Z", **more,
        },
    }  # fmt: skip


def until(true: Callable[[], bool], what: str | Callable[[], str] = "it did not come") -> None:
    """Waits; `what` is told where it was in vain."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(0.1)


class Service:
    """A configuration, and relay processes that are gone afterwards."""

    def __init__(self, kafka: Kafka, config: Path, **more: Any) -> None:
        tree = yaml.safe_load(config.read_text())
        self.port = free_ports(1)[0]
        tree |= {"relay": {"commit_s": 0.2, "retry_first_s": 0.2, "retry_most_s": 1.0}}
        tree |= {"telemetry": {"port": self.port}, "service": {"session_s": 6}}
        self.group = f"relay-{self.port}-{os.getpid()}"
        tree["kafka"]["group_id"] = self.group
        self._tree = tree
        self.config = config
        self.configure(**more)
        assert main(["topics", "create", "--config", str(config)]) == 0
        self.topics = TopicSettings.model_validate(tree["topics"])
        self.kafka = KafkaSettings(bootstrap_servers=kafka.bootstrap)
        self._running: list[subprocess.Popen[bytes]] = []

    def configure(self, **more: Any) -> None:
        """Parts of the configuration for the next start."""
        self._tree |= more
        self.config.write_text(yaml.safe_dump(self._tree))

    def tell(self, *values: Event | bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Events, or anything else, into the topic."""
        with Producer(self.kafka) as producer:
            for value in values:
                told = value if isinstance(value, bytes) else json.dumps(value).encode()
                key = b"x" if isinstance(value, bytes) else value["data"]["stream_id"].encode()
                producer.send(self.topics.events, key, told, headers)
            producer.flush()

    def start(
        self,
        *options: str,
        level: str = "info",
        crashing: tuple[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """A relay; with `crashing` one that kills itself the nth time that it comes to a labelled point."""
        command = [sys.executable, "-m", "stream_monitor", "--log-level", level, "relay"]
        command += ["--config", str(self.config), *options]
        if crashing is not None:
            label, times = crashing
            command = [sys.executable, "-m", "tests.stream_monitor.relay.crashing", str(self.config), label, str(times)]
        with (self.config.parent / "relay.log").open("ab") as log:
            self._running.append(subprocess.Popen(command, stderr=log, env={**os.environ, **(environment or {})}))
        return self._running[-1]

    @property
    def log(self) -> str:
        """What all of them said."""
        return (self.config.parent / "relay.log").read_text(encoding="utf-8")

    def ready(self) -> str:
        """The words of /readyz; nothing while nobody answers."""
        return asked(self.port, "readyz")

    def healthy(self) -> bool:
        """Whether /healthz says so."""
        return asked(self.port, "healthz") == "alive\n"

    def committed(self, route: str = "relay") -> dict[int, int]:
        """How far a route's group is, by partition."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        try:
            group = f"{self.group}-{route}"
            offsets = admin.list_group_offsets(group)[group]
        finally:
            admin.close()
        return {place.partition: found.offset for place, found in offsets.items() if found.offset > 0}

    def ends(self) -> dict[int, int]:
        """Where each partition ends that holds something."""
        found = {}
        with LogReader(self.kafka) as reader:
            for number in range(self.topics.partitions):
                records = list(reader.read(Partition(topic=self.topics.events, number=number)))
                if records:
                    found[number] = records[-1].offset + 1
        return found

    def dead_letters(self) -> list[tuple[Received, dict[str, bytes | None]]]:
        """What could not be told, with its headers."""
        with LogReader(self.kafka) as reader:
            place = Partition(topic=dead_letters(self.topics.events), number=0)
            return [(letter, dict(letter.headers)) for letter in reader.read(place)]

    def stop(self) -> None:
        """Kills what runs."""
        for process in self._running:
            process.kill()
            process.wait()
