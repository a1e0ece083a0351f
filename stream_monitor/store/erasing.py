"""Rows taken out for good: what is too old, or a stream that must be forgotten; and the memory of it.

What was erased is written down, so that it stays erased when Kafka, which still holds it, is read again. A run that
was thrown away is not: it may be stored once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, false, func, or_, select, tuple_

from stream_monitor.kafka.errors import PoisonError
from stream_monitor.reports.selection import Selection, StreamName
from stream_monitor.store.database import Database
from stream_monitor.store.entry import read
from stream_monitor.store.errors import StoreSettingsError
from stream_monitor.store.schema import (
    LIVE,
    erasures,
    events,
    plays,
    positions,
    promotions,
    rejects,
    runs,
    statuses,
    verdicts,
)
from stream_monitor.store.selecting import condition

CONFLICT: Final = "conflict"
"""Code of an event that contradicts the stored one of its id."""
UNSTORABLE: Final = "unstorable"
"""Code of an event that the database refused."""
TOLD: Final = (plays, statuses, verdicts, events)
"""Events last: the others look there for a time that they do not have themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Erasure:
    """One that was made."""

    selection: Selection

    def holds(self, kind: str, stream_id: str, heard_at: datetime | None, found_at: datetime) -> bool:
        """Whether an event is among what was erased; where nobody knows when it was heard, by when it was found."""
        if heard_at is None and self.selection.since is not None:
            return False
        return self.selection.holds(kind, stream_id, heard_at or found_at)


def erasures_of(connection: Connection) -> list[Erasure]:
    """All that were made."""
    found = []
    for row in connection.execute(select(erasures)):
        streams = () if row.stream_id is None else (StreamName(kind=row.stream_kind, stream_id=row.stream_id),)
        found.append(Erasure(selection=Selection(streams=streams, since=row.since, until=row.until)))
    return found


def erase(database: Database, selection: Selection, *, really: bool) -> Mapping[str, int]:
    """Erases what is selected, of all runs, and writes that down.

    Args:
        database: Where.
        selection: What; without an end it ends now.
        really: Else it is only counted.

    Returns:
        Rows by table.

    Raises:
        UnavailableError: The database does not answer.
    """
    now = datetime.now(UTC)
    until = min(now, selection.until or now)
    scope = Selection(streams=selection.streams, since=selection.since, until=until)
    with database.writing() as connection:
        chosen = {table: _erased(table, scope) for table in TOLD}
        counts = _take(connection, {**chosen, rejects: _put_aside(connection, scope)}, really=really)
        if really:
            _write_down(connection, scope, now)
    return counts


def erase_run(database: Database, run_id: str, *, really: bool) -> Mapping[str, int]:
    """Throws a re-processing away, with its promotions and positions.

    Raises:
        StoreSettingsError: It is the live run, or there is none of that name.
        UnavailableError: The database does not answer.
    """
    if run_id == LIVE:
        raise StoreSettingsError("the run 'live' is not thrown away: erase streams or times of it")
    with database.writing() as connection:
        if connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id)).scalar() is None:
            raise StoreSettingsError(f"there is no run {run_id!r}: `stream-monitor store runs` lists them")
        tables = (*TOLD, rejects, promotions, positions, runs)
        return _take(connection, {table: table.c.run_id == run_id for table in tables}, really=really)


def _take(connection: Connection, chosen: Mapping[Table, ColumnElement[bool]], *, really: bool) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for table, which in chosen.items():
        counts[table.name] = connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()
        if really:
            connection.execute(delete(table).where(which))
    return counts


def _erased(table: Table, scope: Selection) -> ColumnElement[bool]:
    """As `Erasure.holds` says it."""
    known = condition(table, scope)
    if scope.since is not None:
        return known
    untimed = [table.c.heard_at.is_(None), condition(table, Selection(streams=scope.streams))]
    if table is events:
        return or_(known, and_(*untimed, events.c.time < scope.until))
    found = select(events.c.id).where(
        events.c.run_id == table.c.run_id, events.c.id == table.c.event_id, events.c.time < scope.until
    )
    return or_(known, and_(*untimed, found.exists()))


def _put_aside(connection: Connection, scope: Selection) -> ColumnElement[bool]:
    """Events that contradict a stored one, or that the database refused, hold what was heard, too."""
    erasure, places = Erasure(selection=scope), []
    for row in connection.execute(select(rejects).where(rejects.c.code.in_((CONFLICT, UNSTORABLE)))):
        try:
            entry = read(row.value)
        except PoisonError:
            continue  # cut off, being very large: nobody knows whose it is
        if erasure.holds(entry.kind, entry.stream_id, entry.heard_at, entry.time):
            places.append((row.run_id, row.topic, row.partition, row.offset))
    key = tuple_(rejects.c.run_id, rejects.c.topic, rejects.c.partition, rejects.c.offset)
    return key.in_(places) if places else false()


def _write_down(connection: Connection, scope: Selection, now: datetime) -> None:
    for stream in scope.streams or (None,):
        here = {
            "stream_kind": None if stream is None else stream.kind,
            "stream_id": None if stream is None else stream.stream_id,
            "since": scope.since,
        }
        # Yesterday's "everything before" is a part of today's.
        same = [erasures.c[name].is_not_distinct_from(value) for name, value in here.items()]
        connection.execute(delete(erasures).where(*same, erasures.c.until <= scope.until))
        connection.execute(erasures.insert().values(**here, until=scope.until, erased_at=now))
