"""Databases for the tests of this folder: files of SQLite, and a real PostgreSQL with a new database for each test."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from stream_monitor.store.database import Database
from stream_monitor.store.journal import Journal
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import upgrade
from tests.stack.needed import or_skipped
from tests.stack.postgres import Postgres
from tests.stream_monitor.kafka.conftest import admin, config_file, kafka, settings

__all__ = ["admin", "config_file", "kafka", "settings"]

NUMBERS = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server; with CI=true a missing one fails, else the tests are skipped with the reason."""
    # pytest's own folders are closed to others, and PostgreSQL runs as another user than root.
    with tempfile.TemporaryDirectory(prefix="stream-monitor-postgres-") as folder:
        Path(folder).chmod(0o755)
        with or_skipped():
            server = Postgres(Path(folder) / "server")
            server.start()
        yield server
        server.server.stop(signal.SIGQUIT)  # nobody needs its data any more


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """An empty database of this test's own."""
    name = f"test_{next(NUMBERS)}"
    base = f"postgresql://postgres@127.0.0.1:{postgres.port}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]  # a name of our own
    return f"{base}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'plays.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """With the tables."""
    with Database(StoreSettings(url=url, timeout_s=10.0)) as opened:
        upgrade(opened)
        yield opened


@pytest.fixture
def journal(database: Database) -> Journal:
    """Of the live run."""
    return Journal(database, "live")
