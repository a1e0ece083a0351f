"""Real processes over a real catalogue and real files: equal events, failures, kills, stops and full disks."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from index.errors import CatalogueMissing
from stream_monitor.cli import main
from stream_monitor.cli.logging import quiet_logging
from stream_monitor.config import Config
from stream_monitor.errors import CannotOpenError, SinkError
from stream_monitor.processes import Processes
from stream_monitor.readers import Failure
from stream_monitor.segments import StreamKey
from stream_monitor.shares import shares
from stream_monitor.sink import Event
from stream_monitor.sources import Source, parse_sources
from stream_monitor.watching import WatchPlan, opened_monitor
from tests.fakes.band import song
from tests.stream_monitor.sound import write_audio

RATE = 22_050


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of three songs, and files that are copies of two of them."""
    folder = tmp_path_factory.mktemp("processes")
    for number in range(3):
        write_audio(folder / f"tune{number}.wav", song(number, 40.0)[None], RATE)
    for name, number in (("a", 0), ("b", 1), ("c", 9)):
        write_audio(folder / f"{name}.flac", song(number, 40.0)[None], RATE)
    tunes = [str(folder / f"tune{number}.wav") for number in range(3)]
    assert main(["catalog", "add", *tunes, "--catalog", str(folder / "catalogue")]) == 0
    return folder


def sources(place: Path, *names: str) -> list[Source]:
    return parse_sources([f"{name}={place / name}.flac" for name in names])


class Written:
    """A sink that keeps what it gets, or has no room."""

    def __init__(self, *, full: bool = False) -> None:
        self.events: list[Event] = []
        self._full = full

    def write(self, events: Iterable[Event]) -> None:
        if self._full:
            raise SinkError("no room")
        self.events += events

    def close(self) -> None:
        pass

    def of(self, stream: str) -> list[Mapping[str, Any]]:
        """A stream's events but for the moment when they were made, which also colours their names."""
        return [
            {key: value for key, value in event["data"].items() if key != "detected_at"}
            for event in self.events
            if event["data"]["stream_id"] == stream
        ]


class Onlooker:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.arrived_to: dict[str, int] = {}
        self.chunks = 0
        self.failures: list[Failure] = []

    def arrived(self, stream: StreamKey, end_sample: int) -> None:
        self.arrived_to[stream.stream_id] = end_sample

    def heard(self, outcomes: Any) -> None:
        self.chunks += len(outcomes)

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)


def test_processes_hear_what_one_hears(place: Path) -> None:
    """Events of every stream are those of one process; failures come back as they are; onlookers see all of it."""
    plan = WatchPlan(config=Config(deterministic=True), catalogue=place / "catalogue")
    watched = sources(place, "a", "b", "c", "missing")
    alone, together, onlooker = Written(), Written(), Onlooker()
    with opened_monitor(plan, lambda: alone) as monitor:
        expected = monitor.watch(watched)
    with Processes(plan, shares(watched, 2), prepare=quiet_logging, watched=True) as leader:
        result = leader.watch(together, observers=[onlooker])
    for name in ("a", "b", "c", "missing"):
        assert json.dumps(together.of(name)) == json.dumps(alone.of(name)), name
    assert any(event["type"] == "music.play.v1" for event in together.events)
    assert (result.streams, result.monitored_samples) == (expected.streams, expected.monitored_samples)
    (failure,) = result.failures
    assert isinstance(failure.error, CannotOpenError)
    assert failure.source is not None
    assert failure.source.stream_id == "missing"
    assert [type(each.error) for each in onlooker.failures] == [CannotOpenError]
    assert onlooker.arrived_to["a"] == 40 * RATE
    assert onlooker.chunks > 0


def test_a_killed_process_fails_its_sources_only(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other process's stream is heard to its end."""
    plan = WatchPlan(config=Config(), catalogue=place / "catalogue")
    written, onlooker = Written(), Onlooker()
    with Processes(plan, [sources(place, "a"), sources(place, "b")], prepare=quiet_logging) as leader:
        os.kill(leader.pids[0], signal.SIGKILL)
        result = leader.watch(written, observers=[onlooker])
    (failure,) = result.failures
    assert failure.source is not None
    assert failure.source.stream_id == "a"
    assert "exit code -9" in str(failure.error)
    assert onlooker.failures == [failure]
    assert written.of("b")[-1]["state"] == "ended"
    assert result.streams == 1


def test_a_stop_ends_every_process_in_good_order(place: Path) -> None:
    """Each stream's account says that the monitor was stopped."""
    plan = WatchPlan(config=Config(), catalogue=place / "catalogue", realtime=True)
    written = Written()
    with Processes(plan, [sources(place, "a"), sources(place, "b")], prepare=quiet_logging, watched=True) as leader:
        onlooker = Onlooker()
        result = leader.watch(written, observers=[onlooker], interrupted=lambda: set(onlooker.arrived_to) == {"a", "b"})
    assert result.interrupted
    assert [written.of(name)[-1]["state"] for name in ("a", "b")] == ["interrupted", "interrupted"]


def test_what_a_process_cannot_open_is_one_error(place: Path) -> None:
    """Told before anything is watched, and nobody is left behind."""
    plan = WatchPlan(config=Config(), catalogue=place / "nothing")
    leader = Processes(plan, [sources(place, "a"), sources(place, "b")], prepare=quiet_logging)
    with pytest.raises(CatalogueMissing, match="nothing"), leader:
        pass
    assert leader.pids == ()


def test_a_sink_without_room_ends_everything(place: Path) -> None:
    """The error is the sink's; the processes are gone."""
    plan = WatchPlan(config=Config(), catalogue=place / "catalogue")
    with (
        pytest.raises(SinkError, match="no room"),
        Processes(plan, [sources(place, "a"), sources(place, "b")], prepare=quiet_logging) as leader,
    ):
        pids = leader.pids
        leader.watch(Written(full=True))
    for pid in pids:
        _wait_until_gone(pid)


def _wait_until_gone(pid: int) -> None:
    deadline_s = time.monotonic() + 10.0
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_the_command_shares_files_out(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`watch` with two processes: events of all files in one file, exit code 1 for the one that is missing."""
    monkeypatch.setenv("STREAM_MONITOR__PROCESSES", "2")
    target = tmp_path / "events.jsonl"
    files = [f"{name}={place / name}.flac" for name in ("a", "b", "missing")]
    assert main(["watch", *files, "--catalog", str(place / "catalogue"), "--events", str(target)]) == 1
    events = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    final = {e["data"]["stream_id"] for e in events if e["data"].get("status") == "final"}
    assert final >= {"a", "b"}
