"""`store` as people run it: a process that is killed, servers that go away, topics that are cut; nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from sqlalchemy import text

from stream_monitor.cli import main
from stream_monitor.kafka.client import CommittingConsumer, Partition, Producer
from stream_monitor.kafka.settings import KafkaSettings
from stream_monitor.store.database import Database
from stream_monitor.store.errors import UnavailableError
from stream_monitor.store.journal import Journal, Moved
from stream_monitor.store.positions import Stored
from stream_monitor.store.schema import events, plays, rejects, statuses
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import upgrade
from tests.stack.postgres import Postgres
from tests.stack.server import asked, free_ports
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
    """Topics made, a database, small batches."""
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

    def start(self, *options: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """One more."""
        command = [sys.executable, "-m", "stream_monitor", "store", "--config", str(self._config), *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})})
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


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
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


def ready(port: int) -> str:
    """The words of /readyz; nothing while nobody answers."""
    return asked(port, "readyz")


REFUSAL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'no such tune' USING ERRCODE = '22023'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON plays FOR EACH ROW WHEN (NEW.track_id = 'unheard of') EXECUTE FUNCTION refuse();
"""


def test_two_stores_outlast_a_database_that_goes_away(
    config_file: Path, settings: KafkaSettings, stores: Stores, postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    """It is not there at the start, and killed in the middle: they say so, wait, and store all of it, poison aside."""
    configure(config_file, postgres_url)
    topic, told = topic_of(config_file), a_day(streams=6, plays=20)
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    send(settings, topic, told[:200])
    refused = play(0, stream="fm-9", track={**play(0)["data"]["track"], "track_id": "unheard of"})
    (port,) = free_ports(1)
    postgres.stop()
    first = stores.start(environment={"STREAM_MONITOR__TELEMETRY__PORT": str(port)})
    until(lambda: "connection refused" in ready(port).lower(), "nothing was said of the database")
    second = stores.start()
    postgres.start()
    with Database(StoreSettings(url=postgres_url)) as database:
        upgrade(database)
        with database.writing() as connection:
            connection.execute(text(REFUSAL))
        until(lambda: len(rows(database, events)) == 200 and ready(port) == "ready\n", "it is not ready")
        postgres.server.stop(signal.SIGKILL)
        send(settings, topic, [b"poison", refused, *told[200:]])
        until(lambda: ready(port) not in ("", "ready\n"), "nothing was said of the database")
        postgres.start()
        until(lambda: looked(lambda: len(rows(database, events))) == len(told), "not all were stored")
        until(lambda: len(rows(database, rejects)) == 2, "poison was not put aside")
        assert content(database) == undisturbed(told, tmp_path / "oracle.db")
        assert {row["code"]: row["value"] for row in rows(database, rejects)} == {
            "not_json": b"poison",
            "unstorable": lines([refused]).encode(),
        }
    stores.finish(second)
    assert "nothing can be stored now" in stores.finish(first)


def looked(look: Callable[[], int]) -> int:
    """What is seen; nothing while the database is away."""
    try:
        return look()
    except UnavailableError:
        return 0


def test_a_topic_that_was_cut_or_made_anew_is_told(
    config_file: Path, settings: KafkaSettings, stores: Stores, tmp_path: Path
) -> None:
    """What is gone is counted in the log, what is new is stored, nothing is skipped silently."""
    url = f"sqlite:///{tmp_path / 'plays.db'}"
    configure(config_file, url)
    topic = topic_of(config_file)
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    place = TopicPartition(topic, 0)
    with Database(StoreSettings(url=url)) as database:
        upgrade(database)

        def stored(told: Sequence[Event]) -> str:
            """The log of a store that runs until all of these are there."""
            running = [stores.start()]

            def there() -> bool:
                if running[-1].poll() not in (None, 0):  # a broker refused: started again, as a supervisor does
                    running[-1].communicate()
                    running.append(stores.start())
                return len(rows(database, events)) == len(told)

            until(there, "not all were stored")
            return stores.finish(running[-1])

        def to_partition_0(told: Sequence[Event]) -> None:
            with KafkaProducer(bootstrap_servers=settings.bootstrap_servers) as producer:
                for event in told:
                    producer.send(topic, lines([event]).encode(), partition=0).get(60)

        told = [play(n) for n in range(10)]
        to_partition_0(told[:4])
        assert "made anew" not in stored(told[:4])
        to_partition_0(told[4:])
        admin.delete_records({place: 7})
        log = stored(told[:4] + told[7:])
        assert "events are gone that were not stored" in log and "begins=7" in log and "stored=4" in log
        admin.delete_topics([topic])
        until(lambda: topic not in admin.list_topics(), "it is still there")
        assert main(["topics", "create", "--config", str(config_file)]) == 0
        to_partition_0(told[4:7])
        assert "the topic was made anew: it is read from its begin" in stored(told)
        admin.close()


def test_what_cannot_work_ends_at_once(
    config_file: Path, stores: Stores, opened: Database, tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and what to do: no topic, one of another run, a schema of the future, a file that is not there."""
    configure(config_file, url)
    config = str(config_file)
    assert main(["store", "--config", config]) == 2
    assert "is missing: `stream-monitor topics create` makes it" in capsys.readouterr().err
    assert main(["topics", "create", "--config", config]) == 0
    Journal(opened, "again").begin("elsewhere")
    Journal(opened, "again").move(
        Partition(topic=topic_of(config_file), number=0), None, Stored(topic_id="", next_offset=0)
    )
    assert main(["store", "--config", config]) == 2
    assert "is stored under the run 'again', so not under 'live'" in capsys.readouterr().err
    with opened.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store = stores.start()
    told = store.communicate(timeout=DEADLINE_S)[1].decode()
    assert store.returncode == 2 and "a newer stream-monitor" in told and "Traceback" not in told
    configure(config_file, url, password_file=str(tmp_path / "absent"))
    assert main(["store", "--config", config]) == 2
    assert "store.password_file" in capsys.readouterr().err
