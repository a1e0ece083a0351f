"""Sinks of events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream_monitor.errors import SettingsError, SinkError
from stream_monitor.sink import FileSink, StdoutSink


def test_events_are_appended_and_visible_at_once(tmp_path: Path) -> None:
    """Every event is a line that can be read before the sink is closed, after what was there."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"old":1}\n', encoding="utf-8")
    sink = FileSink(path)
    sink.write([{"a": "é"}, {"b": None}])
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"old": 1},
        {"a": "é"},
        {"b": None},
    ]
    assert sink.written == 2
    sink.close()
    sink.close()


def test_a_line_that_was_left_unfinished_stays_apart(tmp_path: Path) -> None:
    """After a crash in the middle of a line, the next event begins a line of its own."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"torn":', encoding="utf-8")
    sink = FileSink(path)
    sink.write([{"new": 1}])
    sink.close()
    assert path.read_text(encoding="utf-8") == '{"torn":\n{"new":1}\n'


def test_a_full_disk_is_one_clear_error() -> None:
    """No space left is told with the path, never swallowed."""
    sink = FileSink(Path("/dev/full"))
    with pytest.raises(SinkError, match=r"/dev/full: events cannot be written: No space left on device \(0 were"):
        sink.write([{"a": 1}])
    sink.close()


@pytest.mark.parametrize("place", ["missing/events.jsonl", "."])
def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path, place: str) -> None:
    """A missing folder, or a folder in the file's place, is said at once and ends with exit code 2."""
    with pytest.raises(SettingsError, match="events cannot be written there") as caught:
        FileSink(tmp_path / place)
    assert caught.value.exit_code == 2


def test_standard_output_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file, events go to standard output, one a line."""
    sink = StdoutSink()
    sink.write([{"a": 1}, {"b": 2}])
    sink.write([])
    sink.close()
    assert capsys.readouterr().out == '{"a":1}\n{"b":2}\n'


def test_a_number_that_is_not_finite_is_no_json(tmp_path: Path) -> None:
    """NaN is refused instead of being written as something that is not JSON."""
    sink = FileSink(tmp_path / "e")
    with pytest.raises(ValueError, match="not JSON compliant"):
        sink.write([{"a": float("nan")}])
    sink.close()
