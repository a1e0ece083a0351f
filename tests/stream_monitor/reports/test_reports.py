"""Events to ledger to CSV and JSON, through the command line as a user would."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from click.testing import CliRunner

from stream_monitor.cli.report import report


def play(play_id: str, revision: int, status: str = "final", **data: Any) -> dict[str, Any]:
    base = {
        "play_id": play_id, "revision": revision, "status": status, "stream_id": "fm-1", "stream_kind": "broadcast",
        "epoch": 0, "track": {"track_id": "t1", "work_id": "w1", "title": "Ö, \"quoted\"", "artist": None},
        "start_s": 10.0, "end_s": 70.0, "gaps": [[20.0, 26.5]], "confidence": 0.97, "start_time": None,
    }  # fmt: skip
    return {"type": "music.play.v1", "id": f"{play_id}-{revision}", "data": base | data}


def status(seconds: dict[str, float], epoch: int = 0) -> dict[str, Any]:
    data = {"stream_id": "fm-1", "stream_kind": "broadcast", "epoch": epoch, "seconds": seconds}
    return {"type": "stream.status.v1", "id": f"s{epoch}", "data": data}


def run(tmp_path: Path, lines: list[str], *arguments: str) -> Any:
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CliRunner().invoke(report, ["--events", str(events), *arguments])


def test_newest_revision_wins_whatever_the_order(tmp_path: Path) -> None:
    """A play is reported once, as its highest revision says, also when revisions arrive out of order or twice."""
    events = [play("p", 3, end_s=90.0), play("p", 1, "provisional"), play("p", 3, end_s=90.0)]
    result = run(tmp_path, [json.dumps(event) for event in events])
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert result.exit_code == 0
    assert [(row["row"], row["duration_s"]) for row in rows] == [("play", "80.000"), ("stream", "")]
    assert rows[0]["title"] == 'Ö, "quoted"' and rows[0]["gaps_s"] == "6.500" and rows[0]["artist"] == ""


def test_no_plays_differs_from_stream_down(tmp_path: Path) -> None:
    """A stream without plays still has its row, with the seconds it was monitored, summed over its epochs."""
    lines = [
        json.dumps(status({"monitored": 30.0, "no_signal": 1.0})),
        json.dumps(status({"monitored": 12.0}, epoch=7)),
    ]
    result = run(tmp_path, lines, "--format", "json")
    (station,) = json.loads(result.output)["stations"]
    assert station["seconds"] == {"monitored": 42.0, "no_signal": 1.0} and station["plays"] == []


def test_retracted_plays_are_counted_not_listed(tmp_path: Path) -> None:
    """A retracted play leaves the list and is counted."""
    result = run(tmp_path, [json.dumps(play("p", 1)), json.dumps(play("p", 2, "retracted"))], "--format", "json")
    (station,) = json.loads(result.output)["stations"]
    assert station["plays"] == [] and station["retracted"] == 1


@pytest.mark.parametrize("bad", ["{cut off", "[]", '{"type": "music.play.v1", "data": {}}', '{"no": "type"}'])
def test_a_bad_line_is_named_and_the_rest_reported(tmp_path: Path, bad: str) -> None:
    """A line that is no event is named with its number, the rest is reported, exit code 1."""
    target = tmp_path / "report.json"
    result = run(tmp_path, [json.dumps(play("p", 1)), bad], "--format", "json", "--output", str(target))
    assert result.exit_code == 1 and "line 2" in result.output
    assert len(json.loads(target.read_text())["stations"][0]["plays"]) == 1


def test_missing_events_file_is_a_usage_error(tmp_path: Path) -> None:
    """A wrong path gives one clear line and exit code 2."""
    result = CliRunner().invoke(report, ["--events", str(tmp_path / "absent.jsonl")])
    assert result.exit_code == 2 and "absent.jsonl" in result.output


def test_parquet_holds_what_the_csv_says_with_types(tmp_path: Path) -> None:
    """A file that PyArrow reads: times are times, numbers numbers, what is not known is null."""
    played = play("p", 1, start_time="2026-11-22T10:00:03.200Z", epoch=5, transposition_semitones=-3)
    target = tmp_path / "report.parquet"
    result = run(
        tmp_path, [json.dumps(played), json.dumps(status({"monitored": 30.0}, 5))], "--format", "parquet",
        "--output", str(target),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    first, second = pyarrow.parquet.read_table(target).to_pylist()
    assert first["start_time"] == datetime(2026, 11, 22, 10, 0, 3, 200_000, UTC)
    assert (first["end_time"], first["artist"], first["monitored_s"]) == (None, None, None)
    assert (first["epoch"], first["duration_s"], first["gaps_s"], first["transposition_semitones"]) == (
        5,
        60.0,
        6.5,
        -3,
    )
    assert (second["row"], second["stream_id"], second["monitored_s"], second["start_s"]) == (
        "stream",
        "fm-1",
        30.0,
        None,
    )


def test_a_report_without_stations_is_a_parquet_file_too(tmp_path: Path) -> None:
    """With all columns and no rows, to standard output as well."""
    result = run(tmp_path, [], "--format", "parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(result.stdout_bytes))
    assert (table.num_rows, table.num_columns) == (0, 30)
