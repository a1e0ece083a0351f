"""Whether the database can be used, found out without leaving anything behind."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, text

from stream_monitor.store.database import Database
from stream_monitor.store.errors import StoreError
from stream_monitor.store.schema import runs
from stream_monitor.store.versions import needed_version, versions

NAME = "stream_monitor_doctor"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What was found."""

    schema: str | None
    """Of the tables that are there; None where there are none."""
    needed: str
    """By this version."""
    refused: str | None
    """Why nothing can be written; None where it can."""


class _GivenUpError(Exception):
    """Ends a transaction that was never meant to be committed."""


def try_database(database: Database) -> Trial:
    """Looks at the schema, writes as `store` would, and gives it up.

    Raises:
        UnavailableError: The database does not answer.
        SchemaError: Its schema is a newer version's.
    """
    if database.file is not None and not database.file.exists():  # a connection would make it
        folder = database.file.resolve().parent
        refused = None if os.access(folder, os.W_OK) else f"the folder {folder} is not ours to write"
        return Trial(schema=None, needed=needed_version(), refused=refused)
    found = versions(database)
    refused = None
    try:
        with database.writing() as connection:
            _write(connection, tables=found.schema == found.needed)
            raise _GivenUpError
    except _GivenUpError:
        pass
    except StoreError as error:
        refused = str(error)
    return Trial(schema=found.schema, needed=found.needed, refused=refused)


def _write(connection: Connection, *, tables: bool) -> None:
    """A row where the tables are ours; else a table, since `store` has to make or change some."""
    if tables:
        connection.execute(insert(runs).values(run_id=NAME, created_at=datetime.now(UTC)))
    else:
        connection.execute(text(f"CREATE TABLE {NAME} (number integer)"))
