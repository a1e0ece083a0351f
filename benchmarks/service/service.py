"""One service under test: topics, workers as processes, what they use and what they tell. It measures nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml

from benchmarks.service.records import Sendable
from stream_monitor.kafka.client import Admin, LogReader, Partition, Producer, Received
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from stream_monitor.kafka.topics import create

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
START_S, END_S = 180.0, 600.0


@dataclass(kw_only=True, slots=True)
class WorkerProcess:
    """A worker and its children."""

    process: subprocess.Popen[bytes]
    log: Path

    def taken_over_at(self) -> float | None:
        """When it last said that it has its partitions, Unix seconds."""
        lines = [line for line in self.log.read_text(encoding="utf-8").splitlines() if "taken over" in line]
        if not lines:
            return None
        return datetime.fromisoformat(json.loads(lines[-1])["timestamp"].replace("Z", "+00:00")).timestamp()

    def cpu_s(self) -> float:
        """Processor time of it and of its children, ended ones too."""
        total = 0.0
        for pid in _tree(self.process.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            own, ended = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
            total += (own + ended) / TICKS
        return total

    def resident_bytes(self) -> int:
        """Memory that is its own, its children's too; pages of files do not count."""
        total = 0
        for pid in _tree(self.process.pid):
            try:
                fields = Path(f"/proc/{pid}/statm").read_text().split()
            except OSError:
                continue
            total += (int(fields[1]) - int(fields[2])) * PAGE
        return total

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it and waits."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(END_S)


@dataclass(kw_only=True, slots=True)
class Service:
    """Topics of its own on a broker, and workers that read them."""

    bootstrap: str
    name: str
    folder: Path
    catalogue: Path
    partitions: int
    extra: dict[str, object] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The configuration's file."""
        return self.folder / f"{self.name}.yaml"

    @property
    def topics(self) -> TopicSettings:
        """Their names."""
        names = {key: f"{self.name}.{key}" for key in ("broadcast", "uploads", "events", "state", "catalog")}
        return TopicSettings.model_validate(
            {**names, "partitions": self.partitions, "replication": 1, "min_in_sync": 1}
        )

    @property
    def settings(self) -> KafkaSettings:
        """How to get in."""
        return KafkaSettings(bootstrap_servers=self.bootstrap, group_id=self.name)

    def create(self) -> None:
        """Writes the configuration and makes the topics."""
        tree: dict[str, object] = {
            "catalog": str(self.catalogue),
            "kafka": {"bootstrap_servers": self.bootstrap, "group_id": self.name},
            "topics": self.topics.model_dump(mode="json"),
            **self.extra,
        }
        self.config.write_text(yaml.safe_dump(tree), encoding="utf-8")
        with Admin(self.settings) as admin:
            create(admin, self.topics)

    def send(self, records: Iterable[Sendable], *, paced_from: float | None = None) -> int:
        """Sends all of them, at once or when each is due after a monotonic time; how many."""
        sent = 0
        with Producer(self.settings) as producer:
            for record in records:
                if paced_from is not None:
                    time.sleep(max(0.0, paced_from + record.due_s - time.monotonic()))
                producer.send(self.topics.broadcast, record.key, record.value, record.headers)
                sent += 1
            producer.flush()
        return sent

    def start(self, instance: str = "one", *, module: Sequence[str] = ()) -> WorkerProcess:
        """Starts a worker."""
        command = list(module) or ["-m", "stream_monitor", "--log-json", "run", "--config"]
        log = self.folder / f"{self.name}-{instance}-{len(self.workers)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, *command, str(self.config)],
                stderr=sink,
                env={**os.environ, "STREAM_MONITOR__KAFKA__INSTANCE_ID": instance},
            )
        worker = WorkerProcess(process=process, log=log)
        self.workers.append(worker)
        return worker

    def wait_taken_over(self, worker: WorkerProcess) -> float:
        """When the worker had its partitions, Unix seconds."""
        deadline = time.monotonic() + START_S
        while (at := worker.taken_over_at()) is None:
            if worker.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"a worker did not start; its log: {worker.log}")
            time.sleep(0.02)
        return at

    def events(self) -> list[Received]:
        """Every committed record of the events' topic."""
        with LogReader(self.settings) as reader:
            return [
                record
                for number in range(self.partitions)
                for record in reader.read(Partition(topic=self.topics.events, number=number))
            ]

    def wait_ended(self, streams: int) -> list[Received]:
        """All events, as soon as so many streams have ended."""
        deadline = time.monotonic() + END_S
        while True:
            records = self.events()
            if sum(b'"state":"ended"' in (record.value or b"") for record in records) >= streams:
                return records
            if time.monotonic() > deadline or any(worker.process.poll() for worker in self.workers):
                raise SystemExit(f"the streams of {self.name} did not end; logs: {self.folder}")
            time.sleep(1.0)

    def stop(self) -> None:
        """Ends its workers."""
        for worker in self.workers:
            worker.end()


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for path in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(child) for child in path.read_text().split()]
            except OSError:
                continue
    return found
