"""What comes from Kafka under those who tell and store events: brokers that are away, and events that are gone."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from stream_monitor.store.database import Database
from stream_monitor.store.schema import events
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import upgrade
from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import asked, free_ports
from tests.stream_monitor.kafka.conftest import collected
from tests.stream_monitor.relay.listeners import Subscriber
from tests.stream_monitor.relay.service import Service, event, until
from tests.stream_monitor.store.test_journal import rows
from tests.stream_monitor.store.test_store import Stores
from tests.stream_monitor.store.told import play

__all__ = ["collected"]

# The client leaves a socket to the garbage where a connection is refused or given up.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]


@pytest.fixture
def stores(config_file: Path) -> Iterator[Stores]:
    """All of them are gone afterwards."""
    starter = Stores(config_file)
    yield starter
    starter.stop()


def test_relay_and_store_outlast_a_kafka_that_is_away_for_longer_than_they_wait(
    kafka: Kafka, service: Service, mosquitto: Mosquitto, stores: Stores, tmp_path: Path
) -> None:
    """Both are put out of their groups meanwhile, stay alive, say so, and go on by themselves; nothing is missing."""
    url, (port,) = f"sqlite:///{tmp_path / 'plays.db'}", free_ports(1)
    service.configure(store={"url": url, "retry_max_s": 1})
    subscriber = Subscriber(mosquitto.port)
    first, then = [play(n) for n in range(3)], [play(n) for n in range(3, 6)]
    service.tell(*first)
    relay, store = service.start(), stores.start(environment={"STREAM_MONITOR__TELEMETRY__PORT": str(port)})
    with Database(StoreSettings(url=url)) as database:
        upgrade(database)

        def arrived(told: list[dict[str, object]]) -> bool:
            stored = [row["id"] for row in rows(database, events)]
            ids = [each["id"] for each in told]
            return subscriber.events() == ids and sorted(stored) == sorted(map(str, ids))

        def silences() -> list[int]:
            return [service.ready().count("mqtt: Kafka: "), asked(port, "readyz").count("Kafka: ")]

        until(lambda: arrived(first) and service.ready() == asked(port, "readyz") == "ready\n")
        kafka.stop()
        until(lambda: silences() == [1, 1], "nothing was said of Kafka")
        until(lambda: service.log.count("Kafka does not answer; it is asked again") >= 2)
        assert silences() == [1, 1] and service.healthy() and asked(port, "healthz") == "alive\n"
        assert relay.poll() is None and store.poll() is None
        kafka.start()
        service.tell(*then)
        until(lambda: arrived([*first, *then]))
        until(lambda: service.ready() == asked(port, "readyz") == "ready\n")
        until(lambda: service.committed() == service.ends())
    assert "nothing can be stored now" in stores.finish(store)
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(60) == 0
    subscriber.close()


def test_events_that_were_gone_before_they_were_told_are_counted(service: Service, mosquitto: Mosquitto) -> None:
    """Deleted under a relay that runs, and before one starts: each is counted once, and later ones are told."""
    subscriber = Subscriber(mosquitto.port)
    admin = KafkaAdminClient(bootstrap_servers=service.kafka.bootstrap_servers)

    def lost() -> float:
        lines = re.findall(r"relay_lost_records_total\{.*\} (\S+)", asked(service.port, "metrics"))
        return sum(map(float, lines))

    def cut(number: int, upto: int) -> None:
        admin.delete_records({TopicPartition(service.topics.events, number): upto})

    service.tell(event(0))
    relay = service.start()
    until(lambda: service.committed() == service.ends() != {})
    ((number, end),) = service.ends().items()
    relay.send_signal(signal.SIGSTOP)
    service.tell(event(1))  # may be the answer to what the relay had asked before
    service.tell(*[event(n) for n in range(2, 6)])
    cut(number, end + 4)
    relay.send_signal(signal.SIGCONT)
    until(lambda: subscriber.events()[-1] == "event-fm-1-5")
    until(lambda: service.committed() == service.ends() and lost() + len(subscriber.events()) == 6)
    assert lost() >= 3
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(60) == 0
    service.tell(event(6), event(7))
    cut(number, end + 7)
    relay = service.start()
    until(lambda: lost() == 2)
    until(lambda: service.committed() == {number: end + 7})
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(60) == 0
    service.start()
    until(lambda: service.ready() == "ready\n")
    service.tell(event(8))
    until(lambda: subscriber.events()[-1] == "event-fm-1-8")
    assert lost() == 0
    assert service.log.count("events are gone that were not told") == 2
    subscriber.close()
    admin.close()
