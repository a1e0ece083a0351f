"""A real broker for the tests of this folder, one for each process that runs tests."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.catalogue import Catalogue
from stream_monitor.kafka.client import Admin
from stream_monitor.kafka.settings import KafkaSettings
from tests.fakes.encoder import RememberingEncoder
from tests.fakes.library import encoder_with_cohort, library
from tests.stack.kafka import Kafka
from tests.stack.needed import or_skipped
from tests.stream_monitor.kafka.bench import Bench
from tests.stream_monitor.kafka.guarded import Guarded


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One node on free ports; with CI=true a missing one fails, else the tests are skipped with the reason."""
    with or_skipped():
        cluster = Kafka(tmp_path_factory.mktemp("kafka"))
        cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One with TLS, SASL and access lists, for the tests of a module."""
    with or_skipped():
        broker = Guarded(tmp_path_factory.mktemp("guarded"))
        broker.kafka.start()
    yield broker
    broker.kafka.stop()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Workers on a log in memory; two songs are enrolled."""
    encoder = encoder_with_cohort(RememberingEncoder())
    folder = library(tmp_path_factory.mktemp("bench") / "catalogue", encoder, songs=2, seconds=30.0)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint, index="exact") as opened:
        yield Bench(encoder, opened)


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
