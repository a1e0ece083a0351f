"""The schema: from nothing, from each version before, by several at once; never from a newer one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from setuptools import find_packages
from sqlalchemy import select, text

from stream_monitor.store.database import Database
from stream_monitor.store.errors import SchemaError
from stream_monitor.store.schema import metadata, runs, verdicts
from stream_monitor.store.settings import StoreSettings
from stream_monitor.store.versions import MIGRATIONS, check, upgrade
from tests.stream_monitor.store.told import verdict

STEPS = [step.revision for step in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


def step_to(database: Database, target: str, *, down: bool = False) -> None:
    """To a version, as a program of that time would have done it."""
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, target)


@pytest.mark.parametrize("before", [None, *STEPS[:-1]])
def test_every_version_becomes_ours(url: str, before: str | None) -> None:
    """The tables are then those that the code knows, and what was there is still there."""
    with Database(StoreSettings(url=url)) as database:
        if before is not None:
            step_to(database, before)
            with database.writing() as connection:
                connection.execute(text("INSERT INTO runs VALUES ('old', '2026-01-01 00:00:00')"))
        with pytest.raises(SchemaError, match="`stream-monitor store`"):
            check(database)
        upgrade(database)
        check(database)
        with database.writing() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            found = set(connection.execute(select(runs.c.run_id)).scalars())
        assert found == ({"live"} if before is None else {"live", "old"})
        step_to(database, "base", down=True)


OLD_VERDICT = text(
    "INSERT INTO verdicts (run_id, event_id, stream_kind, stream_id, epoch, verdict, action, time, data)"
    " VALUES ('live', :event_id, 'upload', 'u', 5, 'match', 'block', '2026-01-01 00:00:00', :data)"
)
STRANGE = (
    {},
    {"revision": "2", "replays": 1.5, "early": "yes"},
    {"revision": [3], "replays": None, "early": 1},
    {"revision": -1},
)
"""What no worker ever told, and no upgrade may fail on."""


def test_verdicts_of_before_get_their_order(url: str) -> None:
    """A database of version 0002 with verdicts in it: the columns are what the stored events say."""
    told = [verdict("u", 0, "match", early=True), verdict("u", 12, "match"), verdict("u", 1, replays=3)]
    with Database(StoreSettings(url=url)) as database:
        step_to(database, "0002")
        with database.writing() as connection:
            for event in told:
                connection.execute(OLD_VERDICT, {"event_id": event["id"], "data": json.dumps(event["data"])})
            for number, data in enumerate(STRANGE):
                connection.execute(OLD_VERDICT, {"event_id": f"strange-{number}", "data": json.dumps(data)})
        upgrade(database)
        with database.reading() as connection:
            found = {row.event_id: row for row in connection.execute(select(verdicts))}
    for event in told:
        row, data = found.pop(event["id"]), event["data"]
        assert (row.revision, row.replays, row.early) == (data["revision"], data["replays"], data["early"])
        assert row.data == data
    assert len(found) == len(STRANGE)
    assert all(isinstance(row.revision, int) and isinstance(row.early, bool) for row in found.values())


def test_a_newer_schema_is_refused_and_left(database: Database) -> None:
    """With what to do; nothing is changed."""
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for way in (upgrade, check):
        with pytest.raises(SchemaError, match=r"schema 9999, this version knows \d+ and older.*a newer stream-monitor"):
            way(database)


def test_several_at_once_make_it_once(url: str) -> None:
    """Four stores that start together on an empty database."""

    def start(_: int) -> None:
        with Database(StoreSettings(url=url)) as database:
            upgrade(database)
            check(database)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))


def test_a_step_that_fails_changes_nothing(url: str) -> None:
    """Tables of a step are made with its transaction, on SQLite too."""
    with Database(StoreSettings(url=url)) as database:
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE erasures (id INTEGER)"))
        with pytest.raises(Exception, match="erasures"):
            upgrade(database)
        with pytest.raises(SchemaError, match="holds no plays yet"):
            check(database)
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE runs (id INTEGER)"))


def test_the_steps_ship_with_the_package() -> None:
    """They are packages of Python, which the build takes along."""
    root = Path(__file__).parents[3]
    packages = find_packages(str(root), include=["stream_monitor*"])
    assert {"stream_monitor.store.migrations", "stream_monitor.store.migrations.versions"} <= set(packages)
