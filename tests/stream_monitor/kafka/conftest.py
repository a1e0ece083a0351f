"""A real broker for the tests of this folder, one for each process that runs tests."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_monitor.kafka.client import Admin
from stream_monitor.kafka.settings import KafkaSettings
from tests.stack.kafka import Kafka
from tests.stack.server import ServerError


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One node on free ports; with CI=true a missing one fails, else the tests are skipped with the reason."""
    try:
        cluster = Kafka(tmp_path_factory.mktemp("kafka"))
        cluster.start()
    except ServerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    yield cluster
    cluster.stop()


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test leaves to the garbage is collected while its own filters of warnings hold; no log record keeps it."""
    client = logging.getLogger("kafka")
    level = client.level
    client.setLevel(logging.CRITICAL)
    yield
    client.setLevel(level)
    gc.collect()


@pytest.fixture
def settings(kafka: Kafka) -> KafkaSettings:
    """How to reach it."""
    return KafkaSettings(bootstrap_servers=kafka.bootstrap)


@pytest.fixture
def admin(settings: KafkaSettings) -> Iterator[Admin]:
    """Connected."""
    with Admin(settings) as connected:
        yield connected


@pytest.fixture
def config_file(kafka: Kafka, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A configuration whose topics are this test's own."""
    mark = f"{abs(hash(request.node.nodeid)):x}"
    lines = [f"kafka: {{bootstrap_servers: '{kafka.bootstrap}'}}", "topics:", "  partitions: 3"]
    lines += ["  replication: 1", "  min_in_sync: 1"]
    lines += [f"  {name}: {name}-{mark}" for name in ("broadcast", "uploads", "events", "state", "catalog")]
    path = tmp_path / "service.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
