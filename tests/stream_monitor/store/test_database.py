"""Addresses and their secrets, transactions that fail, a report that reads while events are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, text

from stream_monitor.store.database import Database
from stream_monitor.store.errors import StoreSettingsError, UnavailableError
from stream_monitor.store.schema import runs
from stream_monitor.store.settings import StoreSettings
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
