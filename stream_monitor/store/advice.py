"""What to do where a database fails: by the code of its error. It knows neither addresses nor tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

SLOW: Final = "another session holds the tables, or the server is busy: end what it does, or raise store.timeout_s"
POSTGRESQL: Final[Mapping[str, str]] = {
    "25006": "it takes reads only: point store.url at the server that takes writes",
    "42501": "give store.url's user its rights on the database and its tables",
    "53100": "make room on the database's disk",
    "53300": "raise max_connections, or end who else is connected",
    "55P03": SLOW,
    "57014": SLOW,
}
"""SQLSTATE codes of PostgreSQL's manual, appendix A."""
SQLITE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another process writes for longer than store.timeout_s: end it, or raise store.timeout_s",
    sqlite3.SQLITE_CANTOPEN: "see that store.url's file and its folder are there and ours to write",
    sqlite3.SQLITE_CORRUPT: "it is damaged: put a backup in its place, or let `store` write a new file from the topic",
    sqlite3.SQLITE_FULL: "make room on the disk of store.url's file",
    sqlite3.SQLITE_IOERR: "see to the disk of store.url's file: is it full, or failing?",
    sqlite3.SQLITE_NOTADB: "the file is something else: correct store.url",
    sqlite3.SQLITE_READONLY: "make store.url's file and its folder writable for this user",
}
"""SQLite's primary result codes."""
SERVER: Final = "see that it runs, and that store.url's host, port, database and user, and its password, are right"
"""Where no code came: a connection that did not come about carries none."""


def advice(cause: BaseException) -> str:
    """What to do about a driver's error.

    Args:
        cause: Of sqlite3 or psycopg, or of the pool.
    """
    if isinstance(cause, sqlite3.Error):
        code: int | None = getattr(cause, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF  # the low byte of an extended code
        return SQLITE.get(primary or 0, "see SQLite's words, and that store.url's file is ours")
    return POSTGRESQL.get(getattr(cause, "sqlstate", None) or "", SERVER)
