"""What a real worker tells, through Kafka and the store to the report; and the same audio once more as another run."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from stream_monitor.cli import main
from tests.fakes.band import song
from tests.stack.kafka import Kafka
from tests.stream_monitor.kafka.test_run import EPOCH, Workers, events_of
from tests.stream_monitor.sound import write_audio
from tests.stream_monitor.store.test_store import Stores

RATE = 22_050
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of two songs, and an upload of both."""
    folder = tmp_path_factory.mktemp("reported")
    for number in range(2):
        write_audio(folder / f"tune{number}.wav", song(number, 40.0)[None], RATE)
    tunes = [str(folder / f"tune{number}.wav") for number in range(2)]
    assert main(["catalog", "add", *tunes, "--catalog", str(folder / "catalogue")]) == 0
    wave_S = np.concatenate((song(50, 10.0), song(0, 40.0), song(60, 20.0), song(1, 40.0)))
    write_audio(folder / "upload.flac", wave_S[None], RATE)
    return folder


def configured(path: Path, url: str, base: Path, **changed: str) -> Path:
    """A service of its own; `changed` are names of topics."""
    tree = yaml.safe_load(base.read_text(encoding="utf-8"))
    tree["topics"] |= changed
    tree["kafka"]["group_id"] = path.stem
    tree |= {"deterministic": True, "store": {"url": url}, "service": {"session_s": 6, "commit_s": 0.2}}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert main(["topics", "create", "--config", str(path)]) == 0
    return path


def heard(config: Path, place: Path, kafka: Kafka) -> int:
    """A worker hears the upload to its end; how many events it told."""
    workers = Workers(config, place)
    try:
        return len(workers.until(workers.start(), kafka, 1))
    finally:
        workers.stop()


def report(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, str]]:
    """Its rows."""
    capsys.readouterr()
    assert main(["report", *options]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def stored(config: Path, events: int, capsys: pytest.CaptureFixture[str], *options: str, run: str = "live") -> None:
    """A store works until so many events of a run are there."""
    stores = Stores(config)

    def there() -> bool:
        capsys.readouterr()
        if main(["store", "runs", "--config", str(config), "--json"]):
            return False  # the tables are not made yet
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return any(each["run_id"] == run and each["events"] == events for each in found)

    try:
        process = stores.start(*options)
        _until(there)
        stores.finish(process)
    finally:
        stores.stop()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, "it was not stored"
        time.sleep(0.3)


def test_the_report_of_the_store_is_that_of_the_events_and_a_second_run_waits_to_be_promoted(
    kafka: Kafka, config_file: Path, tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The day is heard again without one of the songs: nothing that is reported changes until it is told to."""
    live = configured(tmp_path / "live.yaml", f"sqlite:///{tmp_path}/plays.db", config_file)
    assert main(["produce", str(place / "upload.flac"), "--config", str(live), "--epoch", EPOCH]) == 0
    count = heard(live, place, kafka)
    stored(live, count, capsys)
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps(event) + "\n" for event in events_of(kafka, live)))
    rows = report(capsys, "--config", str(live))
    assert rows == report(capsys, "--events", str(events))
    assert [row["track_id"] for row in rows] == ["tune0", "tune1", ""]

    again = configured(
        tmp_path / "again.yaml",
        f"sqlite:///{tmp_path}/plays.db",
        live,
        events=f"again-{tmp_path.name}",
        state=f"again-state-{tmp_path.name}",
    )
    assert main(["catalog", "remove", "tune1", "--catalog", str(place / "catalogue")]) == 0
    count = heard(again, place, kafka)
    stored(again, count, capsys, "--run-id", "again", run="again")
    assert report(capsys, "--config", str(live)) == rows
    day = rows[0]["start_time"][:10]
    assert main(["store", "promote", "--config", str(live), "--run-id", "again", "--day", day]) == 0
    assert [row["track_id"] for row in report(capsys, "--config", str(live))] == ["tune0", ""]
