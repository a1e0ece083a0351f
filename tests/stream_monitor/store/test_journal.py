"""Batches into both databases: idempotent by id, the highest revision wins, what is no event is put aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select, text

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.store.database import Database
from stream_monitor.store.errors import OvertakenError, StoreSettingsError
from stream_monitor.store.journal import Journal, Moved, Written
from stream_monitor.store.positions import Stored
from stream_monitor.store.schema import events, plays, positions, rejects, statuses, verdicts
from tests.stream_monitor.store.told import EPOCH, Event, a_day, play, record, status, verdict

PLACE = Partition(topic="match.events", number=0)


class Desk:
    """Writes batch after batch, each from where the last one ended."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.place = Stored(topic_id="id", next_offset=0)
        journal.begin(PLACE.topic)
        journal.move(PLACE, None, self.place)

    def write(self, values: Sequence[Event | bytes | None]) -> Written:
        """As the next records of one partition."""
        first = self.place.next_offset
        records = [record(value, first + n) for n, value in enumerate(values)]
        return self.write_records(records)

    def write_records(self, records: list[Received]) -> Written:
        """From the position to beyond the last of these."""
        after = Stored(topic_id="id", next_offset=records[-1].offset + 1)
        written = self._journal.write(records, {PLACE: Moved(before=self.place, after=after)})
        self.place = after
        return written


@pytest.fixture
def desk(journal: Journal) -> Desk:
    """At the begin of one partition."""
    return Desk(journal)


def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    """All of a table, in the order of its key."""
    with database.reading() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings().all()
    return [dict(row) for row in found]


def test_what_comes_twice_changes_nothing(database: Database, desk: Desk) -> None:
    """Neither in one batch nor later; found out at another time by other versions, it is the same."""
    told = a_day()
    assert desk.write([*told, told[0]]).outcomes == {"stored": len(told), "repeated": 1}
    before = [rows(database, table) for table in (events, plays, statuses)]
    assert [len(each) for each in before] == [120, 30, 30]
    again = [{**event, "time": "2026-11-25T00:00:00.000Z"} for event in told]
    for event in again:
        event["data"] = {**event["data"], "detected_at": event["time"], "versions": {"software": "2"}}
    assert desk.write(again).outcomes == {"repeated": len(told), "stored": 0}
    assert [rows(database, table) for table in (events, plays, statuses)] == before


def test_the_highest_revision_wins_in_any_order(database: Database, desk: Desk) -> None:
    """Within one batch and over several; every revision is kept among the events."""
    desk.write([play(0, 2), play(0, 0, "provisional")])
    desk.write([play(0, 1, "updated"), play(1, 0, "provisional")])
    desk.write([play(1, 1, "retracted")])
    found = {row["data"]["start_s"]: (row["revision"], row["status"], row["end_s"]) for row in rows(database, plays)}
    assert found == {0.0: (2, "final", 182.0), 300.0: (1, "retracted", 481.0)}
    assert len(rows(database, events)) == 5


def test_an_event_that_contradicts_one_of_its_id_is_put_aside(database: Database, desk: Desk) -> None:
    """The first one stays, also within one batch; the other is a reject with its value and place."""
    desk.write([play(0), play(0, score=0.5)])
    assert desk.write([play(0, confidence=0.1)]).outcomes == {"conflict": 1, "stored": 0}
    assert [row["data"] for row in rows(database, plays)] == [play(0)["data"]]
    told = rows(database, rejects)
    assert [(row["code"], row["offset"]) for row in told] == [("conflict", 1), ("conflict", 2)]
    assert json.loads(told[1]["value"])["data"]["confidence"] == 0.1


BAD: dict[str, bytes | None] = {
    "empty": None,
    "cut off": b'{"type": "music',
    "not UTF-8": b"\xff\xfe",
    "no object": b"[]",
    "not a number": json.dumps(play(1)).replace("0.8125", "NaN").encode(),
    "infinite": json.dumps(play(1)).replace("0.8125", "1e999").encode(),
    "no data": b'{"type": "music.play.v1", "id": "x"}',
    "no track": json.dumps(play(1, track=None)).encode(),
    "NUL": json.dumps(play(1, stream="a\0b")).encode(),
    "half a character": json.dumps(play(1)).replace("fm-1", "fm\\ud800").encode(),
    "a revision out of range": json.dumps(play(1)).replace('"revision": 0', f'"revision": {1 << 70}').encode(),
    "no time": json.dumps(play(1, found_at="yesterday")).encode(),
    "deep": b"[" * 100_000,
    "a name without end": json.dumps(play(1, stream="x" * 5000)).encode(),
    "a verdict without its order": json.dumps(verdict("u", 1)).replace('"revision": 1', '"revision": "1"').encode(),
    "before the calendar": json.dumps(play(1, found_at="0001-01-01T00:00:00+14:00")).encode(),
}


def test_what_is_no_event_is_put_aside_and_blocks_nothing(database: Database, desk: Desk) -> None:
    """Sixteen kinds of it between two good ones, all in one batch, with reasons."""
    desk.write([play(0), *BAD.values(), play(2)])
    assert len(rows(database, plays)) == 2
    told = rows(database, rejects)
    assert [row["offset"] for row in told] == list(range(1, 1 + len(BAD)))
    assert {row["code"] for row in told} == {"not_json", "not_an_event", "bad_field", "bad_text"}
    assert all(row["reason"] for row in told)


def test_an_event_of_an_unknown_type_is_kept(database: Database, desk: Desk) -> None:
    """A newer worker may tell more than this store knows; a backslash before u0000 is no NUL."""
    event = {**status(0), "type": "music.weather.v1"}
    event["data"] = {"stream_kind": "broadcast", "stream_id": "fm\\u0000", "epoch": 0, "sunny": True}
    assert desk.write([event]).outcomes == {"stored": 1}
    (row,) = rows(database, events)
    assert row["data"] == event["data"] and row["heard_at"] is None


def last_words(database: Database) -> dict[str, tuple[str, str]]:
    """What docs/store.md asks the database for: verdict and action by upload."""
    page = (Path(__file__).parents[3] / "docs/store.md").read_text(encoding="utf-8")
    question = page.split("```sql\n")[1].split("```")[0]
    with database.reading() as connection:
        return {row.stream_id: (row.verdict, row.action) for row in connection.execute(text(question))}


def test_the_last_word_on_an_upload_is_found(database: Database, desk: Desk) -> None:
    """In whatever order verdicts come; early ones, and those on what was sent again later, are not the last word."""
    desk.write([verdict("a", 2, "match"), verdict("a", 0, "match", early=True), verdict("a", 1, "incomplete")])
    desk.write([verdict("b", 0), verdict("b", 0, "match", replays=1), verdict("c", 0, "match", early=True)])
    desk.write([verdict("d", 0, "match", epoch=EPOCH + 1), verdict("d", 3)])
    assert last_words(database) == {"a": ("match", "allow"), "b": ("clear", "allow"), "d": ("match", "allow")}
    assert len(rows(database, verdicts)) == 8


def test_of_two_stores_one_is_overtaken(database: Database, desk: Desk, journal: Journal) -> None:
    """Who writes from a position that is no longer the one leaves nothing behind."""
    stale = desk.place
    desk.write([play(0)])
    after = Stored(topic_id="id", next_offset=1)
    with pytest.raises(OvertakenError, match=r"match\.events-0 was stored beyond offset 0 by another store"):
        journal.write([record(play(7))], {PLACE: Moved(before=stale, after=after)})
    assert len(rows(database, events)) == 1
    assert [(row["next_offset"], row["topic_id"]) for row in rows(database, positions)] == [(1, "id")]


def test_a_topic_belongs_to_one_run(database: Database, desk: Desk) -> None:
    """Else a re-processing would be told twice, or live plays be taken for one."""
    with pytest.raises(StoreSettingsError, match=r"topic match\.events is stored under the run 'live'"):
        Journal(database, "again").begin("match.events")


def test_a_day_is_written_in_few_statements(database: Database, desk: Desk) -> None:
    """Two thousand events in one batch are all there."""
    told = [play(number, revision) for number in range(1000) for revision in (0, 1)]
    desk.write(told)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(events)).scalar_one() == 2000
        assert connection.execute(select(func.count()).select_from(plays)).scalar_one() == 1000
