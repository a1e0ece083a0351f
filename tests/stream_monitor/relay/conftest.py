"""Real brokers for events and alerts, and a relay between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy
from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.needed import or_skipped
from tests.stack.server import HOST
from tests.stream_monitor.kafka.conftest import config_file, kafka
from tests.stream_monitor.relay.service import Service

__all__ = ["config_file", "kafka"]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """With an access list that tests may change."""
    (tmp_path / "acl").write_text("topic readwrite music/#\n")
    with or_skipped():
        broker = Mosquitto(tmp_path / "mosquitto", extra=f"allow_anonymous true\nacl_file {tmp_path}/acl\n")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def proxy(mosquitto: Mosquitto) -> Iterator[Proxy]:
    """The only way to the broker that the relay knows."""
    between = Proxy()
    between.start(mosquitto.port)
    yield between
    between.stop()


@pytest.fixture
def service(kafka: Kafka, config_file: Path, mosquitto: Mosquitto) -> Iterator[Service]:
    """With MQTT only."""
    made = Service(kafka, config_file, mqtt={"host": HOST, "port": mosquitto.port})
    yield made
    made.stop()
