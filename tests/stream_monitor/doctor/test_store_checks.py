"""What `doctor` says of a real database: reachable, migrated, writable, and nothing is left there."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text

from stream_monitor.config import Config
from stream_monitor.doctor.examination import examine
from stream_monitor.doctor.finding import Finding
from stream_monitor.doctor.store_checks import store_checks
from stream_monitor.store.database import Database
from stream_monitor.store.schema import LIVE, runs
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import upgrade
from tests.stack.server import free_ports


def found(url: str) -> Finding:
    """The one line."""
    config = Config.model_validate({"store": {"url": url, "timeout_s": 10.0}})
    (finding,) = examine(store_checks(config))
    return finding


def test_a_store_that_nobody_configured_is_no_failure() -> None:
    """The default's file is not looked for."""
    (finding,) = examine(store_checks(Config()))
    assert (finding.level, finding.message) == ("good", "not configured: there is no key store")


def test_tables_are_told_by_their_age(url: str) -> None:
    """None yet, ours, older ones, newer ones; nothing that was written to try it stays."""
    first = found(url)
    assert (first.level, "makes its tables at its start" in first.message) == ("good", True)
    assert not (url.startswith("sqlite") and Path(url.removeprefix("sqlite:///")).exists())
    with Database(StoreSettings(url=url)) as database:
        upgrade(database)
        assert (found(url).level, "its tables are of this version" in found(url).message) == ("good", True)
        with database.reading() as connection:
            assert connection.execute(select(runs.c.run_id)).scalars().all() == [LIVE]
        for version, level, words in (("0001", "warn", "upgrades it"), ("9999", "bad", "by a newer stream-monitor")):
            with database.writing() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": version})
            finding = found(url)
            assert (finding.level, words in f"{finding.message} {finding.advice}") == (level, True)


def test_a_user_who_may_only_read_is_told(postgres_url: str) -> None:
    """Before there are tables and afterwards, in the database's words."""
    name = postgres_url.rpartition("/")[2]
    reader = postgres_url.replace("postgres@", f"reader_{name}@")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE reader_{name} LOGIN")  # type: ignore[call-overload]  # a name of our own
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        assert (found(reader).level, "permission denied" in found(reader).message) == ("bad", True)
        with Database(StoreSettings(url=postgres_url)) as database:
            upgrade(database)
        connection.execute(
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}"  # type: ignore[call-overload]
        )
    finding = found(reader)
    assert (finding.level, finding.advice) == ("bad", "give the user its rights")
    assert "cannot be written" in finding.message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody:kept-secret-77@127.0.0.1:{port}/plays", "store.url's host, port, database and user"),
        ("sqlite:////nowhere/plays.db", "its folder has to be there"),
        ("oracle://x", "sqlite and postgresql are known"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told(url: str, words: str) -> None:
    """With what to do, and no password."""
    finding = found(url.format(port=free_ports(1)[0]))
    assert finding.level == "bad"
    assert words in f"{finding.message} {finding.advice}"
    assert "kept-secret" not in finding.message
