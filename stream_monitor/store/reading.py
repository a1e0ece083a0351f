"""The ledger of a report, from the database: of each stream and time the run that is reported there.

It knows nothing of how a report looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, func, select

from stream_monitor.reports.ledger import Ledger, Station
from stream_monitor.reports.selection import Selection
from stream_monitor.store.database import Database
from stream_monitor.store.errors import StoreSettingsError
from stream_monitor.store.runs import Promotion, promotions_of, reported_run
from stream_monitor.store.schema import LIVE, plays, runs, statuses
from stream_monitor.store.selecting import condition

log = structlog.get_logger(__name__)

ROWS_AT_A_TIME: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """Which run counts: one that was asked for, else whichever is promoted at a place."""

    run_id: str | None
    promoted: list[Promotion]

    @property
    def candidates(self) -> set[str]:
        if self.run_id is not None:
            return {self.run_id}
        return {LIVE} | {promotion.run_id for promotion in self.promoted}

    def takes(self, run_id: str, kind: str, stream_id: str, heard_at: datetime | None) -> bool:
        return self.run_id is not None or run_id == reported_run(self.promoted, kind, stream_id, heard_at)


def read_ledger(database: Database, selection: Selection, run_id: str | None = None) -> Ledger:
    """What is reported of the selected streams and time.

    Args:
        database: Of our schema.
        selection: Streams and time.
        run_id: The run that is told, promoted or not; None is what counts.

    Raises:
        StoreSettingsError: There is no such run.
        UnavailableError: The database does not answer.
    """
    stations: dict[tuple[str, str], Station] = {}
    with database.reading() as connection:
        if run_id is not None:
            _check_run(connection, run_id)
        choice = _Choice(run_id=run_id, promoted=promotions_of(connection))
        _enter_plays(connection, selection, choice, stations)
        _enter_statuses(connection, selection, choice, stations)
        untimed = _untimed(connection, selection)
    if untimed:
        log.warning("plays whose time nobody knows are in no period", plays=untimed)
    return Ledger(stations=tuple(stations[key] for key in sorted(stations)), bad_lines=())


def _enter_plays(
    connection: Connection,
    selection: Selection,
    choice: _Choice,
    stations: dict[tuple[str, str], Station],
) -> None:
    wanted = select(
        plays.c.run_id, plays.c.stream_kind, plays.c.stream_id, plays.c.heard_at, plays.c.play_id, plays.c.data
    ).where(plays.c.run_id.in_(choice.candidates), condition(plays, selection))
    for run_id, kind, stream_id, heard_at, play_id, data in connection.execution_options(
        yield_per=ROWS_AT_A_TIME
    ).execute(wanted):
        if choice.takes(run_id, kind, stream_id, heard_at):
            _station(stations, kind, stream_id).plays[play_id] = data


def _enter_statuses(
    connection: Connection,
    selection: Selection,
    choice: _Choice,
    stations: dict[tuple[str, str], Station],
) -> None:
    wanted = select(
        statuses.c.run_id,
        statuses.c.stream_kind,
        statuses.c.stream_id,
        statuses.c.heard_at,
        statuses.c.epoch,
        statuses.c.event_id,
        statuses.c.data,
    ).where(statuses.c.run_id.in_(choice.candidates), condition(statuses, selection))
    for run_id, kind, stream_id, heard_at, epoch, event_id, data in connection.execution_options(
        yield_per=ROWS_AT_A_TIME
    ).execute(wanted):
        if choice.takes(run_id, kind, stream_id, heard_at):
            _station(stations, kind, stream_id).statuses[epoch, event_id] = data


def _untimed(connection: Connection, selection: Selection) -> int:
    """Plays of the streams that a period leaves out because nobody knows when they were."""
    if not selection.bounded:
        return 0
    streams = condition(plays, Selection(streams=selection.streams))
    counted = select(func.count()).select_from(plays).where(plays.c.run_id == LIVE, plays.c.heard_at.is_(None), streams)
    return connection.execute(counted).scalar_one()


def _check_run(connection: Connection, run_id: str) -> None:
    known = sorted(connection.execute(select(runs.c.run_id)).scalars())
    if run_id not in known:
        raise StoreSettingsError(f"there is no run {run_id!r}: there are {', '.join(known) or 'none'}")


def _station(stations: dict[tuple[str, str], Station], kind: str, stream_id: str) -> Station:
    return stations.setdefault((kind, stream_id), Station(kind=kind, stream_id=stream_id))
