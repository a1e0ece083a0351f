"""`INSERT … ON CONFLICT`, which both databases have in the same words and SQLAlchemy in two dialects."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what happens where the row is there already."""
    return sqlite.Insert(table) if connection.dialect.name == "sqlite" else postgresql.Insert(table)
