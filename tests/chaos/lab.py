"""One case's laboratory: its topics with the world's records, workers as processes, and the events that came out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stream_monitor.kafka.client import Admin, LogReader, Partition, Producer, Received
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings, dead_letters
from stream_monitor.kafka.topics import create
from tests.chaos.raw_log import raw_records
from tests.chaos.world import Sendable, World

IDLE_S = 5.0
DEADLINE_S = 300.0
Events = dict[str, dict[str, Any]]


class CaseError(AssertionError):
    """A case did not come out as it must."""


@dataclass(kw_only=True, slots=True)
class Lab:
    """Of one case."""

    name: str
    bootstrap: str
    folder: Path
    world: World
    partitions: int = 6
    replication: int = 1
    service: dict[str, Any] = field(default_factory=dict)
    enter: Sequence[str] = ()
    """Words in front of every worker's command, e.g. those that bring it into a network namespace."""
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    """Exit codes of workers that ended by themselves or were killed."""
    _sent_s: float = 0.0
    """When the last record before the silence was sent."""
    _supervised: threading.Event = field(default_factory=threading.Event)
    _supervisors: list[threading.Thread] = field(default_factory=list)
    _others: list[Lab] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The workers' configuration."""
        return self.folder / f"{self.name}.yaml"

    @property
    def topics(self) -> TopicSettings:
        """This case's own."""
        names = {key: f"{self.name}.{key}" for key in ("broadcast", "uploads", "events", "state", "catalog")}
        copies = {"replication": self.replication, "min_in_sync": max(1, self.replication - 1)}
        return TopicSettings.model_validate({**names, "partitions": self.partitions, **copies})

    @property
    def kafka(self) -> KafkaSettings:
        """Where the brokers are, and the case's group."""
        return KafkaSettings(bootstrap_servers=self.bootstrap, group_id=self.name)

    def open(self) -> None:
        """Writes the configuration, makes the topics."""
        service = {"commit_s": 0.2, "poll_records": 20, "session_s": 6, "idle_s": IDLE_S, **self.service}
        tree = {
            "deterministic": True,
            "catalog": str(self.world.catalogue),
            "kafka": {"bootstrap_servers": self.bootstrap, "group_id": self.name},
            "topics": self.topics.model_dump(mode="json"),
            "service": service,
            "monitor": {"catalog_refresh_s": 0.5},
        }
        self.config.write_text(yaml.safe_dump(tree), encoding="utf-8")
        with Admin(self.kafka) as admin:
            create(admin, self.topics)

    def reconfigure(self, **more: dict[str, Any]) -> None:
        """Other keys for workers that start from now on."""
        tree = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        for key, value in more.items():
            tree[key] = {**tree.get(key, {}), **value}
        self.config.write_text(yaml.safe_dump(tree), encoding="utf-8")

    def another(self, suffix: str) -> Lab:
        """The same world on topics of its own, opened."""
        made = Lab(
            name=f"{self.name}-{suffix}",
            bootstrap=self.bootstrap,
            folder=self.folder,
            world=self.world,
            partitions=self.partitions,
            replication=self.replication,
            service=self.service,
            enter=self.enter,
        )
        self._others.append(made)
        made.open()
        return made

    def send(self, records: Sequence[Sendable]) -> None:
        """In their order."""
        with Producer(self.kafka) as producer:
            for record in records:
                producer.send(self.topics.audio(record.kind), record.key, record.value, record.headers)
            producer.flush()

    def send_first(self) -> None:
        """All but what comes after the silence."""
        self.send(self.world.first)
        self._sent_s = time.monotonic()

    def send_later(self) -> None:
        """The rest, when the silence has lasted long enough."""
        time.sleep(max(0.0, self._sent_s + IDLE_S + 1.5 - time.monotonic()))
        self.send(self.world.later)

    def send_world(self) -> None:
        """Everything, with the silence between."""
        self.send_first()
        self.send_later()

    # Workers.

    def start(
        self,
        name: str = "one",
        *,
        label: str = "never",
        times: int = 0,
        how: signal.Signals = signal.SIGKILL,
        before: Sequence[str] = (),
        program: Sequence[str] = ("tests.stream_monitor.kafka.crashing",),
    ) -> None:
        """A worker.

        Args:
            name: Its instance.
            label: The point of a transaction at which something happens to it ...
            times: ... the nth time that it comes there.
            how: What happens.
            before: Words in front of its command, of a program that ends by becoming it.
            program: The module that is run, with the first of its arguments.
        """
        command = [*self.enter, *before, sys.executable, "-m", *program]
        command += [str(self.config), str(self.world.catalogue), label, str(times), how.name]
        with self.log(name).open("ab") as log:
            self.workers[name] = subprocess.Popen(
                command, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1", "WORKER": name}
            )

    def supervise(self, *names: str) -> None:
        """Starts workers, and starts each again that ends, as a service manager would, until `finish`."""

        def keep(name: str) -> None:
            while not self._supervised.is_set():
                if name not in self.workers or self.workers[name].poll() is not None:
                    if name in self.workers:
                        self.exits.append(self.workers[name].returncode)
                    self.start(name)
                self._supervised.wait(0.3)

        for name in names:
            thread = threading.Thread(target=keep, args=(name,), daemon=True)
            thread.start()
            self._supervisors.append(thread)

    def signal(self, name: str, what: signal.Signals) -> None:
        """Sends a signal to a worker that runs."""
        if self.workers[name].poll() is None:
            self.workers[name].send_signal(what)

    def kill(self, name: str) -> None:
        """kill -9, and waits."""
        self.signal(name, signal.SIGKILL)
        self.exits.append(self.workers[name].wait(30))

    def log(self, name: str) -> Path:
        """What a worker printed, over all its lives."""
        return self.folder / f"{self.name}-{name}.log"

    def taken_over(self, name: str) -> int:
        """How often a worker has taken partitions over, in all its lives."""
        return self.said(name, "partitions taken over")

    def said(self, name: str, words: str) -> int:
        """How often a worker has logged this, in all its lives."""
        log = self.log(name)
        return log.read_text(encoding="utf-8").count(words) if log.exists() else 0

    def stopped(self, name: str) -> bool:
        """Whether a worker sleeps by SIGSTOP."""
        text = Path(f"/proc/{self.workers[name].pid}/stat").read_text(encoding="ascii")
        return text.rpartition(")")[2].split()[0] == "T"

    def finish(self) -> None:
        """Ends all workers, those of `another` too."""
        for other in self._others:
            other.finish()
        self._supervised.set()
        for thread in self._supervisors:
            thread.join(10)
        for process in self.workers.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)

    # What came out.

    def records(self, topic: str, partitions: int) -> list[Received]:
        """What is committed in a topic."""
        with LogReader(self.kafka) as reader:
            return [each for n in range(partitions) for each in reader.read(Partition(topic=topic, number=n))]

    def events(self) -> Events:
        """By id, without when and by what they were found; no id may be there twice."""
        found: Events = {}
        for record in self.records(self.topics.events, self.partitions):
            event = json.loads(record.value or b"")
            if event["id"] in found:
                raise CaseError(f"event {event['id']} was told twice")
            data = {key: value for key, value in event["data"].items() if key not in ("detected_at", "versions")}
            found[event["id"]] = {**event, "time": None, "data": data}
        return found

    def dead_letters(self) -> list[Received]:
        """Of both topics."""
        names = (dead_letters(self.topics.broadcast), dead_letters(self.topics.uploads))
        return [each for name in names for each in self.records(name, 1)]

    def wait_for_plays(self, oracle: Events) -> None:
        """Waits until the plays that have ended are those of the undisturbed run, at the same places.

        Raises:
            CaseError: They do not become so in time, or an event is there twice.
        """
        expected = _plays(oracle)
        deadline = time.monotonic() + DEADLINE_S
        while (found := _plays(self.events())) != expected:
            if time.monotonic() > deadline:
                raise CaseError(f"missing: {sorted(expected - found)[:5]}; too many: {sorted(found - expected)[:5]}")
            time.sleep(1.0)

    def wait_for(self, oracle: Events) -> Events:
        """The events, as soon as they are those of the undisturbed run.

        Raises:
            CaseError: They do not become so in time, or one is there twice.
        """
        deadline = time.monotonic() + DEADLINE_S
        while (found := self.events()).keys() != oracle.keys():
            if time.monotonic() > deadline:
                missing, extra = oracle.keys() - found.keys(), found.keys() - oracle.keys()
                some = [found[each] for each in sorted(extra)[:2]]
                raise CaseError(f"{len(missing)} events are missing and {len(extra)} are too many: {some}")
            time.sleep(1.0)
        wrong = [key for key in oracle if found[key] != oracle[key]]
        if wrong:
            raise CaseError(f"{len(wrong)} events have other data: {found[wrong[0]]} and not {oracle[wrong[0]]}")
        return found

    def uncommitted(self) -> int:
        """Records in the raw logs of events and snapshots that no reader of committed ones sees: of transactions that
        were aborted, or still are open."""
        topics = (self.topics.events, self.topics.state)
        raw = raw_records(self.bootstrap, topics, self.partitions)
        seen = [record for topic in topics for record in self.records(topic, self.partitions)]
        return len(raw - {(each.partition.topic, each.partition.number, each.offset) for each in seen})


def _plays(events: Events) -> set[tuple[str, int, str, float, float]]:
    """Where which track was, in each stream and epoch."""
    ended = [event["data"] for event in events.values() if event["data"].get("status") == "final"]
    return {(e["stream_id"], e["epoch"], e["track"]["track_id"], e["start_s"], e["end_s"]) for e in ended}
