"""One batch of records into the tables, in one transaction with the positions. It reads nothing from Kafka.

    read → positions → leave out what was erased or is there already → events, plays, statuses, verdicts, rejects

An id that is there already is no change; where it says something else the first one stays and the other is a reject.
Of a play the highest revision stays, in whatever order they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import Connection, Table, select

from stream_monitor.event_types import PLAY_TYPE, STATUS_TYPE, VERDICT_TYPE
from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.store.database import Database
from stream_monitor.store.entry import Entry, read
from stream_monitor.store.erasing import CONFLICT, Erasure, erasures_of
from stream_monitor.store.errors import StoreSettingsError
from stream_monitor.store.inserting import insert
from stream_monitor.store.positions import Stored, forget, move, stored
from stream_monitor.store.rows import Row, event_row, play_row, status_row, verdict_row
from stream_monitor.store.schema import events, plays, positions, rejects, runs, statuses, verdicts

log = structlog.get_logger(__name__)

KEPT_BYTES: Final = 4096
"""Of a value that is no event."""
ROWS: Final = {STATUS_TYPE: (statuses, status_row), VERDICT_TYPE: (verdicts, verdict_row)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A partition's position before and after a batch."""

    before: Stored
    after: Stored


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What became of a batch."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Records that were stored, repeated, erased, or rejected (by the code of the reason)."""
    rows: Counter[str] = field(default_factory=Counter)
    """By table."""


class Journal:
    """One run's."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database = database
        self.run_id = run_id

    def begin(self, topic: str, *, from_beginning: bool = False) -> None:
        """Makes the run known.

        Args:
            topic: What will be stored under it.
            from_beginning: Forget how far it was stored.

        Raises:
            StoreSettingsError: The topic belongs to another run.
            UnavailableError: The database does not answer.
        """
        with self._database.writing() as connection:
            other = connection.execute(
                select(positions.c.run_id).where(positions.c.topic == topic, positions.c.run_id != self.run_id).limit(1)
            ).scalar()
            if other is not None:
                raise StoreSettingsError(
                    f"topic {topic} is stored under the run {other!r}, so not under {self.run_id!r}: a re-processing"
                    " writes to a topic of its own, which --from-topic or topics.events names"
                )
            known = insert(connection, runs).values(run_id=self.run_id, created_at=datetime.now(UTC))
            connection.execute(known.on_conflict_do_nothing())
            if from_beginning:
                forget(connection, self.run_id, topic)

    def positions(self, topic: str) -> Mapping[Partition, Stored]:
        """How far a topic was stored.

        Raises:
            UnavailableError: The database does not answer.
        """
        with self._database.reading() as connection:
            return stored(connection, self.run_id, topic)

    def move(self, partition: Partition, before: Stored | None, after: Stored) -> None:
        """Sets a position without storing anything.

        Raises:
            OvertakenError: Another store was quicker.
            UnavailableError: The database does not answer.
        """
        with self._database.writing() as connection:
            move(connection, self.run_id, partition, before, after)

    def write(self, records: Sequence[Received], moved: Mapping[Partition, Moved]) -> Written:
        """Stores records, all of them or none.

        Raises:
            OvertakenError: Another store was quicker.
            UnavailableError: The database does not answer; perhaps nobody knows whether it was written.
            UnstorableError: The database refuses a value.
        """
        written, found, letters = Written(), [], []
        for record in records:
            try:
                found.append((read(record.value), record))
            except PoisonError as error:
                letters.append(self._letter(record, error))
        with self._database.writing() as connection:
            for partition, step in sorted(moved.items()):
                move(connection, self.run_id, partition, step.before, step.after)
            new, conflicting = self._new(connection, found, written.outcomes)
            letters += conflicting
            self._insert(connection, events, [event_row(self.run_id, *each) for each in new], written)
            self._insert_plays(connection, [entry for entry, _ in new if entry.type == PLAY_TYPE], written)
            for kind, (table, row) in ROWS.items():
                told = [row(self.run_id, entry) for entry, _ in new if entry.type == kind]
                self._insert(connection, table, told, written)
            self._insert(connection, rejects, letters, written)
        written.outcomes.update(stored=len(new))
        written.outcomes.update(letter["code"] for letter in letters)
        return written

    def reject(self, record: Received, error: PoisonError, moved: Mapping[Partition, Moved]) -> Written:
        """Puts a record aside that cannot be stored.

        Raises:
            OvertakenError, UnavailableError: As `write`.
        """
        written, letter = Written(), self._letter(record, error)
        with self._database.writing() as connection:
            for partition, step in moved.items():
                move(connection, self.run_id, partition, step.before, step.after)
            self._insert(connection, rejects, [letter], written)
        written.outcomes.update([error.code])
        return written

    def _new(
        self, connection: Connection, found: Iterable[tuple[Entry, Received]], outcomes: Counter[str]
    ) -> tuple[list[tuple[Entry, Received]], list[Row]]:
        """Entries that are not there yet, and letters about those that contradict one that is."""
        found, erased = list(found), erasures_of(connection)
        ids = {entry.event_id for entry, _ in found}
        there = select(events.c.id, events.c.digest).where(events.c.run_id == self.run_id, events.c.id.in_(ids))
        known: dict[str, str] = {row.id: row.digest for row in connection.execute(there)} if ids else {}
        new, letters = [], []
        for entry, record in found:
            digest = known.get(entry.event_id)
            if digest is None and _was_erased(entry, erased):
                outcomes["erased"] += 1
            elif digest is None:
                known[entry.event_id] = entry.digest
                new.append((entry, record))
            elif digest == entry.digest:
                outcomes["repeated"] += 1
            else:
                error = PoisonError(CONFLICT, f"event {entry.event_id} was stored with other data, which stays")
                letters.append(self._letter(record, error))
        return new, letters

    def _insert(self, connection: Connection, table: Table, told: Sequence[Row], written: Written) -> None:
        if told:
            connection.execute(insert(connection, table).on_conflict_do_nothing(), list(told))
            written.rows[table.name] += len(told)

    def _insert_plays(self, connection: Connection, entries: Iterable[Entry], written: Written) -> None:
        newest: dict[str, Row] = {}
        for entry in entries:
            row = play_row(self.run_id, entry)
            known = newest.get(row["play_id"])
            if known is None or row["revision"] > known["revision"]:
                newest[row["play_id"]] = row
        if not newest:
            return
        statement = insert(connection, plays)
        keys = ("run_id", "play_id")
        statement = statement.on_conflict_do_update(
            index_elements=keys,
            set_={column.name: statement.excluded[column.name] for column in plays.c if column.name not in keys},
            where=statement.excluded.revision > plays.c.revision,
        )
        # In one order, so that two stores do not wait for each other in a ring.
        connection.execute(statement, [newest[play_id] for play_id in sorted(newest)])
        written.rows[plays.name] += len(newest)

    def _letter(self, record: Received, error: PoisonError) -> Row:
        log.error(
            "a record is not stored",
            topic=record.partition.topic,
            partition=record.partition.number,
            offset=record.offset,
            code=error.code,
            reason=str(error),
        )
        return {
            "run_id": self.run_id,
            "topic": record.partition.topic,
            "partition": record.partition.number,
            "offset": record.offset,
            "code": error.code,
            "reason": str(error)[:1000].replace("\0", "\\0").encode(errors="backslashreplace").decode(),
            "value": None if record.value is None else record.value[:KEPT_BYTES],
            "rejected_at": datetime.now(UTC),
        }


def _was_erased(entry: Entry, erased: Sequence[Erasure]) -> bool:
    return any(each.holds(entry.kind, entry.stream_id, entry.heard_at, entry.time) for each in erased)
