"""`store` as people run it: a process that is killed, servers that go away, topics that are cut; nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_monitor.cli import main
from stream_monitor.kafka.client import CommittingConsumer, Partition, Producer
from stream_monitor.kafka.settings import KafkaSettings
from stream_monitor.store.database import Database
from stream_monitor.store.journal import Journal, Moved
from stream_monitor.store.positions import Stored
from stream_monitor.store.schema import events, plays, rejects, statuses
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import upgrade
from tests.stream_monitor.store.test_journal import rows
from tests.stream_monitor.store.told import Event, a_day, lines, play, record

DEADLINE_S = 120.0
TABLES = (events, plays, statuses)


def configure(path: Path, url: str, **store: Any) -> None:
    """Says where plays are kept."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["store"] = {"url": url, "batch_records": 7, "timeout_s": 5, "retry_max_s": 1} | store
    tree["service"] = {"session_s": 6}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")


def topic_of(config: Path) -> str:
    """Where the events are."""
    return str(yaml.safe_load(config.read_text(encoding="utf-8"))["topics"]["events"])


@pytest.fixture
def service(config_file: Path, url: str) -> Path:
    """Topics made, a database of each kind, small batches."""
    configure(config_file, url)
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    return config_file


def send(settings: KafkaSettings, topic: str, values: Sequence[Event | bytes]) -> None:
    """Each stream's in order, as a worker does."""
    with Producer(settings) as producer:
        for value in values:
            key = b"bad" if isinstance(value, bytes) else str(value["data"]["stream_id"]).encode()
            text = value if isinstance(value, bytes) else lines([value]).encode()
            producer.send(topic, key, text, [])
        producer.flush()


class Stores:
    """Starts stores as processes and sees to it that none stays."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """One more, in the log's plain form."""
        command = [sys.executable, "-m", "stream_monitor", "store", "--config", str(self._config), *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ))
        self._running.append(process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> str:
        """Ends one in good order; what it logged."""
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=DEADLINE_S)[1].decode()
        assert process.returncode == 0, told
        return told

    def stop(self) -> None:
        """Kills what runs."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture
def stores(config_file: Path) -> Iterator[Stores]:
    """All of them are gone afterwards."""
    starter = Stores(config_file)
    yield starter
    starter.stop()


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for it."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def opened(url: str) -> Iterator[Database]:
    """The store's database, looked at from outside."""
    with Database(StoreSettings(url=url)) as database:
        upgrade(database)
        yield database


def content(database: Database) -> list[list[dict[str, Any]]]:
    """What is stored, but for where it came from."""
    return [
        [{name: value for name, value in row.items() if not name.startswith("kafka_")} for row in rows(database, table)]
        for table in TABLES
    ]


def undisturbed(told: Sequence[Event], path: Path) -> list[list[dict[str, Any]]]:
    """What these events are in a database of their own."""
    with Database(StoreSettings(url=f"sqlite:///{path}")) as database:
        upgrade(database)
        journal, place = Journal(database, "live"), Partition(topic="match.events", number=0)
        before, after = Stored(topic_id="", next_offset=0), Stored(topic_id="", next_offset=len(told))
        journal.move(place, None, before)
        records = [record(event, offset) for offset, event in enumerate(told)]
        journal.write(records, {place: Moved(before=before, after=after)})
        return content(database)


def test_a_store_that_is_killed_loses_and_doubles_nothing(
    service: Path, settings: KafkaSettings, stores: Stores, opened: Database, tmp_path: Path
) -> None:
    """kill -9 in the middle, Kafka's own offsets set back, and all of it read once more from the begin."""
    told, topic = a_day(streams=5, plays=20), topic_of(service)
    send(settings, topic, told)
    killed = stores.start()
    until(lambda: len(rows(opened, events)) > len(told) / 4, "nothing was stored")
    killed.kill()
    killed.communicate()
    assert len(rows(opened, events)) < len(told)
    group = settings.model_copy(update={"group_id": "stream-monitor-store"})
    with CommittingConsumer(group, [topic]) as consumer:
        until(lambda: bool(consumer.poll(0.2)), "the group does not let anybody in")
        assert consumer.commit({Partition(topic=topic, number=n): 0 for n in range(3)})
    store = stores.start()
    until(lambda: len(rows(opened, events)) == len(told), "not all were stored")
    stores.finish(store)
    assert content(opened) == undisturbed(told, tmp_path / "oracle.db")
    again, last = stores.start("--from-beginning"), [play(n, stream=f"last-{n}") for n in range(12)]
    send(settings, topic, last)
    until(lambda: len(rows(opened, events)) == len(told) + len(last), "the last ones did not come")
    stores.finish(again)
    assert content(opened) == undisturbed([*told, *last], tmp_path / "oracle2.db")
    assert rows(opened, rejects) == []
