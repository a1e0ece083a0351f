"""The database: found by its address, asked in transactions, its errors in our words. It knows no table.

SQLite writes ahead (WAL), so that reports are read while events are written, and each transaction that writes takes
the lock at its begin. Neither a password nor a row's content is in any error or log.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stream_monitor.secret_file import secret_in
from stream_monitor.store.advice import advice
from stream_monitor.store.errors import StoreSettingsError, UnavailableError, UnstorableError
from stream_monitor.store.settings import StoreSettings

DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}
VALUE_STATES: Final = ("22", "54")
"""Classes of PostgreSQL's error codes: data exception, program limit exceeded."""
READS: Final = "stream_monitor_reads"


class Database:
    """One database, with one connection at a time."""

    def __init__(self, settings: StoreSettings) -> None:
        """Connects to nothing yet.

        Raises:
            StoreSettingsError: The address cannot be used.
            SettingsError: The password's file cannot be read.
        """
        url = _url(settings)
        self.where = url.render_as_string(hide_password=True)
        """For people, without the password."""
        self.dialect = url.get_backend_name()
        self.file = Path(str(url.database)) if self.dialect == "sqlite" else None
        """Of SQLite."""
        options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": settings.timeout_s}
        if self.dialect == "sqlite":
            options = {"connect_args": {"timeout": settings.timeout_s}}
        else:
            options |= {"pool_pre_ping": True, "connect_args": _patience(settings.timeout_s)}
        self._engine: Engine = create_engine(url, hide_parameters=True, **options)
        if self.dialect == "sqlite":
            event.listen(self._engine, "connect", _ready_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes what is open."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it, or nothing where it ends by an error.

        Raises:
            UnavailableError: The database does not answer; whether it was committed is not known.
            UnstorableError: It refuses a value.
        """
        with self._in_our_words(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the database and changes nothing.

        Raises:
            UnavailableError: The database does not answer.
        """
        options: dict[str, Any] = {READS: True}
        if self.dialect == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._in_our_words(), self._engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            if _is_about_a_value(error):
                raise UnstorableError(f"{self.where} refuses a value: {_said(error)}") from error
            raise UnavailableError(f"{self.where}: {_said(error)}: {advice(_cause(error))}") from error


def _url(settings: StoreSettings) -> URL:
    """The address with its driver and password; no error quotes it, for it may hold one."""
    try:
        url = make_url(settings.url)
    except (ArgumentError, ValueError) as error:
        raise StoreSettingsError(
            "store.url is no address of a database: sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"
        ) from error
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise StoreSettingsError(f"store.url begins with {url.drivername}: sqlite and postgresql are known")
    if driver == "sqlite":
        folder = Path(url.database or "").parent
        if url.database in (None, "", ":memory:") or not folder.is_dir():
            raise StoreSettingsError(f"store.url names the file {url.database!r}: its folder has to be there")
    if settings.password_file is not None:
        if url.password is not None:
            raise StoreSettingsError("store.url holds a password and store.password_file is set: one of them, the file")
        url = url.set(password=secret_in(settings.password_file, "store.password_file"))
    return url.set(drivername=driver)


def _patience(timeout_s: float) -> dict[str, Any]:
    """How long PostgreSQL may take; a peer that is gone is noticed while nothing is said, too."""
    milliseconds = round(1e3 * timeout_s)
    return {
        "connect_timeout": max(2, round(timeout_s)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": milliseconds,
        "application_name": "stream-monitor",
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
        f" -c idle_in_transaction_session_timeout={2 * milliseconds}",
    }


def _ready_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so, also those that change tables
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _is_about_a_value(error: Exception) -> bool:
    """Whether another attempt can never succeed, since it is the value that is refused."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return isinstance(error, DataError) or state[:2] in VALUE_STATES


def _said(error: Exception) -> str:
    """The driver's first line, without statement and values."""
    cause = _cause(error)
    lines = str(cause).strip().splitlines()
    return lines[0][:300] if lines else type(cause).__name__


def _cause(error: Exception) -> BaseException:
    """The driver's error, where it is one."""
    cause: BaseException | None = getattr(error, "orig", None)
    return error if cause is None else cause
