"""A selection of streams and times as a condition of SQL. It knows nothing of what is selected for."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, and_, or_, true

from stream_monitor.reports.selection import Selection


def condition(table: Table, selection: Selection) -> ColumnElement[bool]:
    """Rows of a table that are meant, as `Selection.holds` says it."""
    parts: list[ColumnElement[bool]] = [true()]
    if selection.streams:
        named = [
            and_(
                table.c.stream_id == stream.stream_id,
                true() if stream.kind is None else table.c.stream_kind == stream.kind,
            )
            for stream in selection.streams
        ]
        parts.append(or_(*named))
    if selection.since is not None:
        parts.append(table.c.heard_at >= selection.since)
    if selection.until is not None:
        parts.append(table.c.heard_at < selection.until)
    return and_(*parts)
