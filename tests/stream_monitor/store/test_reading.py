"""Reports from the store: those of the events' file, and those of another run where one was promoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.cli import main
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.store.database import Database
from stream_monitor.store.erasing import UNSTORABLE
from stream_monitor.store.journal import Journal, Moved
from stream_monitor.store.positions import Stored
from tests.stream_monitor.store.told import Event, a_day, lines, play, record


def fill(database: Database, told: list[Event], run_id: str = "live") -> None:
    """Stores events under a run, from a topic of its own."""
    journal, topic = Journal(database, run_id), f"match.events.{run_id}"
    journal.begin(topic)
    records = [record(event, offset, topic=topic) for offset, event in enumerate(told)]
    place = records[0].partition
    before = journal.positions(topic).get(place)
    if before is None:
        before = Stored(topic_id="id", next_offset=0)
        journal.move(place, None, before)
    after = Stored(topic_id="id", next_offset=before.next_offset + len(told))
    journal.write(records, {place: Moved(before=before, after=after)})


def put_aside(database: Database, event: Event) -> None:
    """What `store` does with an event that the database refuses."""
    journal, topic = Journal(database, "live"), "match.events.live"
    ((place, before),) = journal.positions(topic).items()
    after = Stored(topic_id=before.topic_id, next_offset=before.next_offset + 1)
    refused = record(event, before.next_offset, topic=topic)
    journal.reject(refused, PoisonError(UNSTORABLE, "refused"), {place: Moved(before=before, after=after)})


@pytest.fixture
def config(tmp_path: Path, url: str, database: Database) -> str:
    """Names the database, which has its tables."""
    path = tmp_path / "monitor.yaml"
    path.write_text(f"store: {{url: '{url}'}}\n", encoding="utf-8")
    return str(path)


def plays_of(capsys: pytest.CaptureFixture[str], config: str, *options: str) -> list[tuple[str, float, float]]:
    """Stream, start and score of what is reported."""
    capsys.readouterr()
    assert main(["report", "--config", config, "--format", "json", *options]) == 0
    stations: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["stations"]
    return [(play["stream_id"], play["start_s"], play["score"]) for each in stations for play in each["plays"]]


@pytest.mark.parametrize("form", ["csv", "json", "html"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--stream", "broadcast/fm-1", "--stream", "fm-2"],
        ["--from", "2026-11-22T00:10:00", "--to", "2026-11-22T01:31+01:00"],
        ["--day", "2026-11-22"],
        ["--from", "2026-11-23"],
    ],
    ids=["all", "streams", "period", "day", "nothing"],
)
def test_a_report_from_the_store_is_that_of_the_events(
    url: str, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, options: list[str]
) -> None:
    """To the byte, in every format, whatever is selected."""
    told = [*a_day(), play(50, timed=False), play(51, start_s=600.0, start_time=None)]
    (tmp_path / "events.jsonl").write_text(lines(told), encoding="utf-8")
    fill(database, told[::-1])
    assert main(["report", "--events", str(tmp_path / "events.jsonl"), "--format", form, *options]) == 0
    from_file = capsys.readouterr().out
    assert main(["report", "--store", url, "--format", form, *options]) == 0
    assert capsys.readouterr().out == from_file
    assert ("fm-1" in from_file) == (options != ["--from", "2026-11-23"])


def test_a_re_processing_is_reported_when_it_is_told_to_and_not_before(
    database: Database, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the streams and the period that are named, and back again; ids may be those of the live plays."""
    fill(database, [play(n, stream=stream) for n in range(3) for stream in ("fm-1", "fm-2")])
    live = plays_of(capsys, config)
    fill(database, [play(n, stream=stream, score=0.5) for n in range(3) for stream in ("fm-1", "fm-2")], "again")
    assert plays_of(capsys, config) == live
    assert {score for _, _, score in plays_of(capsys, config, "--run-id", "again")} == {0.5}
    assert main(["report", "--config", config, "--run-id", "agian"]) == 2
    assert "there is no run 'agian': there are again, live" in capsys.readouterr().err
    hour = ["--from", "2026-11-22T00:04", "--to", "2026-11-22T00:09"]
    assert main(["store", "promote", "--config", config, "--run-id", "again", "--stream", "fm-1", *hour]) == 0
    changed = [(stream, start_s, 0.5 if (stream, start_s) == ("fm-1", 300.0) else s) for stream, start_s, s in live]
    assert plays_of(capsys, config) == changed
    assert main(["store", "promote", "--config", config, "--run-id", "again", "--day", "2026-11-22"]) == 0
    assert {score for _, _, score in plays_of(capsys, config)} == {0.5}
    assert main(["store", "runs", "--config", config, "--json"]) == 0
    runs = {run["run_id"]: run for run in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (runs["again"]["plays"], len(runs["again"]["promotions"]), runs["live"]["promotions"]) == (6, 2, [])
    assert runs["again"]["topics"] == ["match.events.again"]
    assert main(["store", "promote", "--config", config, "--run-id", "live"]) == 0
    assert plays_of(capsys, config) == live
    assert main(["store", "erase", "--config", config, "--run-id", "again", "--yes"]) == 0
    assert main(["store", "runs", "--config", config]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("live: 6 events, 6 plays, 2026-11-22T00:00:00Z to ")


def test_what_is_erased_stays_erased(database: Database, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted first, then gone from every table; the same events once more do not bring it back, others come."""
    told = a_day(streams=2, plays=4)
    fill(database, [*told, play(1, stream="fm-1", score=0.125), play(3, stream="fm-1", score=0.125)])  # contradict them
    for stream in ("fm-1", "fm-2"):
        put_aside(database, play(0, stream=stream, score=0.25))
    erase = ["store", "erase", "--config", config, "--stream", "fm-1", "--to", "2026-11-22T00:10"]
    for options in ([], ["--yes"]):
        capsys.readouterr()
        assert main([*erase, *options]) == 0
        counted = json.loads(capsys.readouterr().out)
        assert counted == {
            "erased": bool(options),
            "rows": {"plays": 2, "statuses": 2, "verdicts": 0, "events": 8, "rejects": 2},
        }
    left = plays_of(capsys, config)
    assert [start_s for stream, start_s, _ in left if stream == "fm-1"] == [600.0, 900.0]
    fill(database, [*told, play(9, stream="fm-1")])
    assert plays_of(capsys, config) == [*left, ("fm-1", 2700.0, 0.8125)]


def test_wrong_words_are_refused(tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, what is wrong, what to do; a password in an address is in no message."""
    cases = {
        "there is no run 'x'": ["store", "promote", "--config", config, "--run-id", "x"],
        "is not before": ["report", "--config", config, "--from", "2026-11-23", "--to", "2026-11-22"],
        "leave out --from": ["report", "--config", config, "--from", "2026-11-23", "--day", "2026-11-22"],
        "is no time": ["report", "--config", config, "--from", "noon"],
        "from where?": ["report"],
        "what? give": ["store", "erase", "--config", config, "--yes"],
        "'live' is not thrown away": ["store", "erase", "--config", config, "--run-id", "live"],
        "Missing option '--config'": ["store"],
        "begins with mysql": ["report", "--store", "mysql://u:secret@h/db"],
        "is no address": ["report", "--store", "secret"],
        "its folder has to be there": ["report", "--store", f"sqlite:///{tmp_path}/absent/x.db"],
        "there is no such file": ["report", "--store", f"sqlite:///{tmp_path}/new.db"],
        "is of a store": ["report", "--events", "-", "--run-id", "x"],
    }
    for words, arguments in cases.items():
        assert main(arguments) == 2, arguments
        told = capsys.readouterr().err
        assert words in told and "secret" not in told, told
    assert not (tmp_path / "new.db").exists()  # who reads makes nothing
