"""The schema's version: compared with ours, and brought up to it, step by step, by one process at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from stream_monitor.store.database import Database
from stream_monitor.store.errors import SchemaError

log = structlog.get_logger(__name__)

MIGRATIONS: Final = Path(__file__).with_name("migrations")
LOCK: Final = 7_305_809_124
"""Any number, the same in all versions: PostgreSQL's advisory lock of those who change the schema."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The database's schema and ours."""

    schema: str | None
    """None where there is none."""
    needed: str


def upgrade(database: Database) -> None:
    """Brings the schema to our version, in one transaction; others wait meanwhile.

    Raises:
        SchemaError: It is newer than we are.
        UnavailableError: The database does not answer.
    """
    with database.writing() as connection:  # SQLite takes the whole database's lock here
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        steps = _steps()
        found, wanted = _known(connection, steps, database.where), steps.get_current_head()
        if found == wanted:
            return
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    log.info("the schema of the store was upgraded", before=found, now=wanted)


def check(database: Database) -> None:
    """Makes sure that the schema is ours, and changes nothing.

    Raises:
        SchemaError: It is not.
        UnavailableError: The database does not answer.
    """
    if database.file is not None and not database.file.exists():  # else SQLite would make it
        raise SchemaError(
            f"{database.where}: there is no such file: correct the address; `stream-monitor store` makes a new one"
        )
    steps = _steps()
    with database.reading() as connection:
        found = _known(connection, steps, database.where)
    if found is None:
        raise SchemaError(
            f"{database.where} holds no plays yet: `stream-monitor store` makes its tables and fills them"
        )
    if found != steps.get_current_head():
        raise SchemaError(
            f"{database.where} has the schema {found}, this version needs {steps.get_current_head()}:"
            " `stream-monitor store` upgrades it at its start"
        )


def needed_version() -> str:
    """The schema that this version works with."""
    return _steps().get_current_head() or ""


def versions(database: Database) -> Versions:
    """The schema that is there, whatever its age, beside ours.

    Raises:
        SchemaError: It is newer than we are.
        UnavailableError: The database does not answer.
    """
    with database.reading() as connection:
        return Versions(schema=_known(connection, _steps(), database.where), needed=needed_version())


def _steps() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _known(connection: Connection, steps: ScriptDirectory, where: str) -> str | None:
    """The schema's version, one of ours; None where there is nothing."""
    found = MigrationContext.configure(connection).get_current_revision()
    known = {step.revision for step in steps.walk_revisions()}
    if found is not None and found not in known:
        raise SchemaError(
            f"{where} has the schema {found}, this version knows {steps.get_current_head()} and older: it was written"
            " by a newer stream-monitor; install that, or restore the backup of before"
        )
    return found
