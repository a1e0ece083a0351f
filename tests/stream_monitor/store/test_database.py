"""Addresses and their secrets, transactions that fail, a report that reads while events are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, text

from stream_monitor.store.database import Database
from stream_monitor.store.errors import StoreSettingsError, UnavailableError
from stream_monitor.store.schema import runs
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import upgrade
from tests.stack.server import free_ports


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    """Whether it is in the address or in its file; the file's end of line does not belong to it."""
    secret = tmp_path / "password"
    secret.write_text("tulip\n", encoding="utf-8")
    (port,) = free_ports(1)
    by_file = StoreSettings(url=f"postgresql://me@127.0.0.1:{port}/db", password_file=secret, timeout_s=2.0)
    by_url = StoreSettings(url=f"postgresql://me:tulip@127.0.0.1:{port}/db", timeout_s=2.0)
    for settings in (by_file, by_url):
        with Database(settings) as database:
            assert database.where == f"postgresql+psycopg://me:***@127.0.0.1:{port}/db"
            with pytest.raises(UnavailableError) as caught, database.reading():
                pass
        assert "tulip" not in str(caught.value) + repr(settings) + str(caught.value.__cause__)
    with pytest.raises(StoreSettingsError, match="one of them, the file") as refused:
        Database(by_url.model_copy(update={"password_file": secret}))
    assert "tulip" not in str(refused.value)


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    """An error of ours, too, takes everything back."""
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute(text("INSERT INTO runs VALUES ('half', '2026-01-01 00:00:00')"))
        _ = 1 / 0
    with database.reading() as connection:
        assert list(connection.execute(select(runs.c.run_id)).scalars()) == ["live"]


def test_a_report_sees_one_moment_and_stops_nobody(url: str, database: Database) -> None:
    """What is written meanwhile is in the next one."""
    with Database(StoreSettings(url=url, timeout_s=5.0)) as other, database.reading() as connection:
        assert len(connection.execute(select(runs)).all()) == 1
        with other.writing() as writing:
            writing.execute(text("INSERT INTO runs VALUES ('new', '2026-01-01 00:00:00')"))
        assert len(connection.execute(select(runs)).all()) == 1
    with database.reading() as connection:
        assert len(connection.execute(select(runs)).all()) == 2


def test_a_file_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    """Not a database, held by another, or nothing that can be opened."""
    other, held, folder = tmp_path / "letter.txt", tmp_path / "held.db", tmp_path / "folder.db"
    other.write_text("Dear reader, this is no database at all. " * 40)
    folder.mkdir()
    assert "the file is something else: correct store.url" in _why(f"sqlite:///{other}")
    assert "its folder are there and ours" in _why(f"sqlite:///{folder}")
    with Database(StoreSettings(url=f"sqlite:///{held}")) as database, database.writing():
        assert "end it, or raise store.timeout_s" in _why(f"sqlite:///{held}")


def test_a_server_that_cannot_be_used_is_told_with_what_to_do(postgres_url: str) -> None:
    """Nobody there, an unknown database or user, one without rights, one that holds what we need."""
    (port,) = free_ports(1)
    server, name = postgres_url.rsplit("/", 1)
    urls = [f"postgresql://me@127.0.0.1:{port}/x", f"{server}/absent", postgres_url.replace("postgres@", "nobody@")]
    for url in urls:
        assert "see that it runs, and that store.url's host, port, database and user" in _why(url)
    with Database(StoreSettings(url=postgres_url)) as database:
        upgrade(database)
        with database.writing() as connection:
            connection.execute(text(f"CREATE ROLE guest_{name} LOGIN"))
        assert "give store.url's user its rights" in _why(postgres_url.replace("postgres@", f"guest_{name}@"))
        with database.writing() as connection:
            connection.execute(text("LOCK TABLE runs"))
            assert "another session holds the tables" in _why(postgres_url)


def _why(url: str) -> str:
    """The message to whoever wants to write."""
    with (
        Database(StoreSettings(url=url, timeout_s=1.0)) as database,
        pytest.raises(UnavailableError) as caught,
        database.writing() as connection,
    ):
        connection.execute(text("INSERT INTO runs VALUES ('new', '2026-01-01 00:00:00')"))
    return str(caught.value)
