"""Runs, and which of them is reported where: the newest promotion that holds for a stream and a time, else `live`.

A promotion is a row and nothing else: it moves no play, so the next one takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from stream_monitor.reports.selection import Selection, StreamName
from stream_monitor.store.database import Database
from stream_monitor.store.errors import StoreSettingsError
from stream_monitor.store.schema import LIVE, events, plays, positions, promotions, runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """A run that is reported for some streams and a period."""

    run_id: str
    selection: Selection
    promoted_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is stored under a name."""

    run_id: str
    created_at: datetime
    topics: tuple[str, ...]
    events: int
    plays: int
    """Retracted ones included."""
    first_heard: datetime | None
    last_heard: datetime | None
    promotions: tuple[Promotion, ...]


def promotions_of(connection: Connection) -> list[Promotion]:
    """All of them, newest first."""
    found = []
    for row in connection.execute(select(promotions).order_by(promotions.c.id.desc())):
        streams = () if row.stream_id is None else (StreamName(kind=row.stream_kind, stream_id=row.stream_id),)
        selection = Selection(streams=streams, since=row.since, until=row.until)
        found.append(Promotion(run_id=row.run_id, selection=selection, promoted_at=row.promoted_at))
    return found


def reported_run(newest_first: Sequence[Promotion], kind: str, stream_id: str, heard_at: datetime | None) -> str:
    """Whose plays are reported for a stream at a time."""
    for promotion in newest_first:
        if promotion.selection.holds(kind, stream_id, heard_at):
            return promotion.run_id
    return LIVE


def promote(database: Database, run_id: str, selection: Selection) -> None:
    """From now on this run is reported for what is selected; one transaction.

    Raises:
        StoreSettingsError: There is no such run.
        UnavailableError: The database does not answer.
    """
    now = datetime.now(UTC)
    with database.writing() as connection:
        if connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id)).scalar() is None:
            raise StoreSettingsError(f"there is no run {run_id!r}: `stream-monitor store runs` lists them")
        for stream in selection.streams or (None,):
            connection.execute(
                promotions.insert().values(
                    run_id=run_id,
                    stream_kind=None if stream is None else stream.kind,
                    stream_id=None if stream is None else stream.stream_id,
                    since=selection.since,
                    until=selection.until,
                    promoted_at=now,
                )
            )


def runs_of(database: Database) -> list[Run]:
    """Every run, oldest first.

    Raises:
        UnavailableError: The database does not answer.
    """
    with database.reading() as connection:
        promoted = promotions_of(connection)
        found = []
        for run_id, created_at in connection.execute(select(runs).order_by(runs.c.created_at)).all():
            topics = select(positions.c.topic).where(positions.c.run_id == run_id).distinct()
            heard = select(func.count(), func.min(plays.c.heard_at), func.max(plays.c.heard_at))
            count, first, last = connection.execute(heard.where(plays.c.run_id == run_id)).one()
            stored = select(func.count()).select_from(events).where(events.c.run_id == run_id)
            found.append(
                Run(
                    run_id=run_id,
                    created_at=created_at,
                    topics=tuple(sorted(connection.execute(topics).scalars())),
                    events=connection.execute(stored).scalar_one(),
                    plays=count,
                    first_heard=first,
                    last_heard=last,
                    promotions=tuple(each for each in promoted if each.run_id == run_id),
                )
            )
    return found
