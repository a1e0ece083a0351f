"""The ledger of a report, from the database: of each stream and time the run that is reported there.

It knows nothing of how a report looks.
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import Connection, func, select

from stream_monitor.reports.ledger import Ledger, Station
from stream_monitor.reports.selection import Selection
from stream_monitor.store.database import Database
from stream_monitor.store.runs import Promotion, promotions_of, reported_run
from stream_monitor.store.schema import LIVE, plays, statuses
from stream_monitor.store.selecting import condition

log = structlog.get_logger(__name__)

ROWS_AT_A_TIME: Final = 1000


def read_ledger(database: Database, selection: Selection) -> Ledger:
    """What is reported of the selected streams and time.

    Raises:
        UnavailableError: The database does not answer.
    """
    stations: dict[tuple[str, str], Station] = {}
    with database.reading() as connection:
        promoted = promotions_of(connection)
        _enter_plays(connection, selection, promoted, stations)
        _enter_statuses(connection, selection, promoted, stations)
        untimed = _untimed(connection, selection)
    if untimed:
        log.warning("plays whose time nobody knows are in no period", plays=untimed)
    return Ledger(stations=tuple(stations[key] for key in sorted(stations)), bad_lines=())


def _enter_plays(
    connection: Connection,
    selection: Selection,
    promoted: list[Promotion],
    stations: dict[tuple[str, str], Station],
) -> None:
    wanted = select(
        plays.c.run_id, plays.c.stream_kind, plays.c.stream_id, plays.c.heard_at, plays.c.play_id, plays.c.data
    ).where(plays.c.run_id.in_(_candidates(promoted)), condition(plays, selection))
    for run_id, kind, stream_id, heard_at, play_id, data in connection.execution_options(
        yield_per=ROWS_AT_A_TIME
    ).execute(wanted):
        if run_id == reported_run(promoted, kind, stream_id, heard_at):
            _station(stations, kind, stream_id).plays[play_id] = data


def _enter_statuses(
    connection: Connection,
    selection: Selection,
    promoted: list[Promotion],
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
    ).where(statuses.c.run_id.in_(_candidates(promoted)), condition(statuses, selection))
    for run_id, kind, stream_id, heard_at, epoch, event_id, data in connection.execution_options(
        yield_per=ROWS_AT_A_TIME
    ).execute(wanted):
        if run_id == reported_run(promoted, kind, stream_id, heard_at):
            _station(stations, kind, stream_id).statuses[epoch, event_id] = data


def _untimed(connection: Connection, selection: Selection) -> int:
    """Plays of the streams that a period leaves out because nobody knows when they were."""
    if not selection.bounded:
        return 0
    streams = condition(plays, Selection(streams=selection.streams))
    counted = select(func.count()).select_from(plays).where(plays.c.run_id == LIVE, plays.c.heard_at.is_(None), streams)
    return connection.execute(counted).scalar_one()


def _candidates(promoted: list[Promotion]) -> set[str]:
    return {LIVE} | {promotion.run_id for promotion in promoted}


def _station(stations: dict[tuple[str, str], Station], kind: str, stream_id: str) -> Station:
    return stations.setdefault((kind, stream_id), Station(kind=kind, stream_id=stream_id))
