"""The worker as people run it: processes that are killed in the worst places, a real broker, the real encoder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stream_monitor.cli import main
from stream_monitor.kafka.client import LogReader, Partition, Received
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings, dead_letters
from tests.fakes.band import song
from tests.fakes.schemas import checked
from tests.stack.kafka import Kafka
from tests.stream_monitor.sound import write_audio

RATE = 22_050
PARTITIONS = 3
DEADLINE_S = 120.0
EPOCH = "1795000000000"
LABELS = ("after send", "before offsets", "before commit", "after commit")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of four songs, and three uploads that play some of them between others."""
    folder = tmp_path_factory.mktemp("service")
    for number in range(4):
        write_audio(folder / f"tune{number}.wav", song(number, 40.0)[None], RATE)
    tunes = [str(folder / f"tune{number}.wav") for number in range(4)]
    assert main(["catalog", "add", *tunes, "--catalog", str(folder / "catalogue")]) == 0
    for number in range(3):
        wave_S = np.concatenate((song(50 + number, 15.0), song(number, 40.0), song(60 + number, 20.0), song(3, 40.0)))
        write_audio(folder / f"upload{number}.flac", wave_S[None], RATE)
    return folder


@pytest.fixture
def service(config_file: Path) -> Path:
    """Topics made; small transactions, so that many of them are needed; equal audio gives equal events."""
    text = "deterministic: true\nservice: {commit_s: 0.05, poll_records: 6, session_s: 6, transaction_s: 6}\n"
    config_file.write_text(config_file.read_text(encoding="utf-8") + text, encoding="utf-8")
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    return config_file


def topics_of(config: Path) -> TopicSettings:
    """Their names."""
    return TopicSettings.model_validate(yaml.safe_load(config.read_text())["topics"])


def read_all(kafka: Kafka, topic: str, partitions: int) -> list[Received]:
    """What is committed in a topic."""
    with LogReader(KafkaSettings(bootstrap_servers=kafka.bootstrap)) as reader:
        return [each for n in range(partitions) for each in reader.read(Partition(topic=topic, number=n))]


def events_of(kafka: Kafka, config: Path) -> list[dict[str, Any]]:
    """Every event that is committed, each checked against its schema."""
    topics = topics_of(config)
    values = [record.value or b"" for record in read_all(kafka, topics.events, topics.partitions)]
    return [dict(event) for event in checked("\n".join(value.decode() for value in values))] if values else []


def undated(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By id, without when it was found out and by what; no id may come twice."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        assert event["id"] not in found, f"event {event['id']} was told twice"
        data = {key: value for key, value in event["data"].items() if key not in ("detected_at", "versions")}
        found[event["id"]] = {**event, "time": None, "data": data}
    return found


def wait_for(
    kafka: Kafka, config: Path, wanted: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The events that are wanted, as soon as there are some."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := wanted(events_of(kafka, config))):
        assert time.monotonic() < deadline, "it was never told"
        time.sleep(0.2)
    return found


def ended(events: list[dict[str, Any]]) -> set[str]:
    """Streams of which the end is told."""
    return {e["data"]["stream_id"] for e in events if e["type"] == "stream.status.v1" and e["data"]["state"] == "ended"}


def oracle_of(place: Path, events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The events of an undisturbed run in one process: the first time, those that are given.

    Whichever test comes first sets it; all must agree, and that of `watch` compares it with another way altogether.
    """
    path = place / "oracle.json"
    if not path.exists():
        path.write_text(json.dumps(undated(events)))
    found: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return found


class Workers:
    """Starts worker processes and sees to it that none stays."""

    def __init__(self, config: Path, place: Path) -> None:
        self._config = config
        self._place = place
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, label: str = "never", times: int = 0, name: str = "one") -> subprocess.Popen[bytes]:
        """A worker that kills itself at a labelled point; workers of another name stand beside it."""
        command = [sys.executable, "-m", "tests.stream_monitor.kafka.crashing", str(self._config)]
        command += [str(self._place / "catalogue"), label, str(times)]
        # A transactional id of its own, but no static membership, so that the group sees a death by its session.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "WORKER": name}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
        self._running.append(process)
        return process

    def until(self, process: subprocess.Popen[bytes], kafka: Kafka, streams: int) -> list[dict[str, Any]]:
        """Waits until so many streams have ended, then ends the worker in good order; the events."""
        deadline = time.monotonic() + DEADLINE_S
        while len(ended(events := events_of(kafka, self._config))) < streams:
            assert process.poll() is None, (process.stderr.read() if process.stderr else b"").decode()[-3000:]
            assert time.monotonic() < deadline, "the worker did not come to the end"
            time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
        return events

    def stop(self) -> None:
        """Kills what runs."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
            if process.stderr is not None and not process.stderr.closed:
                process.communicate()


@pytest.fixture
def workers(service: Path, place: Path) -> Iterator[Workers]:
    """All of them are gone afterwards."""
    starter = Workers(service, place)
    yield starter
    starter.stop()


def send(config: Path, place: Path) -> None:
    """The three uploads."""
    files = [str(place / f"upload{number}.flac") for number in range(3)]
    assert main(["produce", *files, "--config", str(config), "--epoch", EPOCH]) == 0


def test_plays_are_those_of_watch(
    service: Path, place: Path, kafka: Kafka, workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same files through Kafka: the same tracks at the same places; streams that ended leave no state behind."""
    send(service, place)
    events = workers.until(workers.start(), kafka, 3)
    capsys.readouterr()
    files = [str(place / f"upload{number}.flac") for number in range(3)]
    assert main(["watch", *files, "--config", str(service), "--catalog", str(place / "catalogue")]) == 0
    watched = [dict(event) for event in checked(capsys.readouterr().out)]

    def plays(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        final = [e["data"] for e in told if e["type"] == "music.play.v1" and e["data"]["status"] == "final"]
        keys = ("stream_id", "match_type", "start_s", "end_s", "track_start_s", "revision", "confidence")
        return sorted((play["track"]["track_id"], *(play[key] for key in keys)) for play in final)

    oracle_of(place, events)
    assert plays(events) == plays(watched)
    assert len(plays(events)) >= 6
    state = read_all(kafka, topics_of(service).state, PARTITIONS)
    last = {record.key: record.value for record in state}
    assert set(last) == {f"upload/upload{number}".encode() for number in range(3)}
    assert set(last.values()) == {None}


@pytest.mark.parametrize("label", LABELS)
def test_a_worker_killed_at_any_point_changes_nothing(
    service: Path, place: Path, kafka: Kafka, workers: Workers, label: str
) -> None:
    """Killed three times at a labelled point, each time another one: ids and data are those of an undisturbed run."""
    send(service, place)
    for times in (1, 3, 2):
        killed = workers.start(label, times)
        killed.communicate(timeout=DEADLINE_S)
        assert killed.returncode == -signal.SIGKILL
    assert ended(events_of(kafka, service)) != {"upload0", "upload1", "upload2"}
    events = workers.until(workers.start(), kafka, 3)
    assert undated(events) == oracle_of(place, events)


def test_a_worker_killed_at_random_times_changes_nothing(
    service: Path, place: Path, kafka: Kafka, workers: Workers
) -> None:
    """Five kills at times that a seed decides, some of them before a worker has even begun."""
    send(service, place)
    rng = np.random.default_rng(7)
    for _ in range(5):
        worker = workers.start()
        time.sleep(float(rng.uniform(1.5, 5.0)))
        worker.kill()
        worker.communicate()
    events = workers.until(workers.start(), kafka, 3)
    assert undated(events) == oracle_of(place, events)


def test_workers_that_join_and_die_share_the_work(service: Path, place: Path, kafka: Kafka, workers: Workers) -> None:
    """Two of a group, one killed in the middle: the other takes its streams over where they were committed."""
    first, second = workers.start(name="one"), workers.start(name="two")
    time.sleep(5.0)
    send(service, place)
    deadline = time.monotonic() + DEADLINE_S
    while not events_of(kafka, service):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first.kill()
    first.communicate()
    events = workers.until(second, kafka, 3)
    assert undated(events) == oracle_of(place, events)


def test_a_stream_that_falls_silent_is_ended_by_the_time_of_others(
    service: Path, place: Path, kafka: Kafka, workers: Workers, tmp_path: Path
) -> None:
    """An upload breaks off in a song: when its partition has gone on without it for long enough, its play is final."""
    text = service.read_text(encoding="utf-8").replace("commit_s: 0.05", "commit_s: 0.05, idle_s: 5")
    service.write_text(text, encoding="utf-8")
    whole = (place / "upload1.flac").read_bytes()
    (tmp_path / "broken.flac").write_bytes(whole[: len(whole) * 2 // 5])
    assert main(["produce", str(tmp_path / "broken.flac"), "--config", str(service)]) == 1
    worker = workers.start()
    time.sleep(7.0)
    # Three more streams in three partitions would leave it to chance whether one is the broken one's.
    names = [f"later-{n}={place / 'upload0.flac'}" for n in range(12)]
    assert main(["produce", *names, "--config", str(service)]) == 0
    events = workers.until(worker, kafka, 12)
    own = [event for event in events if event["data"]["stream_id"] == "broken"]
    assert own[-1]["type"] == "stream.status.v1"
    assert (own[-1]["data"]["state"], own[-1]["data"]["reason"]) == ("idle", "no audio for 5 s")
    final = [e["data"] for e in own if e["type"] == "music.play.v1" and e["data"]["status"] == "final"]
    assert [play["track"]["track_id"] for play in final] == ["tune1"]


def test_the_catalogue_is_followed(
    service: Path, place: Path, kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A track that is removed while its play is open is taken back; one that is enrolled is found from then on."""
    catalogue = tmp_path / "catalogue"
    assert main(["catalog", "add", str(place / "tune1.wav"), "--catalog", str(catalogue)]) == 0
    monkeypatch.setenv("STREAM_MONITOR__MONITOR__CATALOG_REFRESH_S", "0.3")
    workers = Workers(service, tmp_path)
    whole = (place / "upload1.flac").read_bytes()
    (tmp_path / "open.flac").write_bytes(whole[: len(whole) * 2 // 5])
    try:
        worker = workers.start()
        assert main(["produce", str(tmp_path / "open.flac"), "--config", str(service)]) == 1
        told = wait_for(kafka, service, lambda events: [e for e in events if e["type"] == "music.play.v1"])
        assert told[0]["data"]["track"]["track_id"] == "tune1"
        assert main(["catalog", "remove", "tune1", "--catalog", str(catalogue)]) == 0
        retracted = wait_for(
            kafka, service, lambda events: [e for e in events if e["data"].get("status") == "retracted"]
        )
        assert retracted[0]["data"]["play_id"] == told[0]["data"]["play_id"]
        assert main(["catalog", "add", str(place / "tune0.wav"), "--catalog", str(catalogue)]) == 0
        time.sleep(1.0)
        assert main(["produce", str(place / "upload0.flac"), "--config", str(service)]) == 0
        events = workers.until(worker, kafka, 1)
    finally:
        workers.stop()
    found = [e["data"] for e in events if e["type"] == "music.play.v1" and e["data"]["stream_id"] == "upload0"]
    assert {play["track"]["track_id"] for play in found} == {"tune0"}
    assert found[0]["versions"]["catalogue"] != told[0]["data"]["versions"]["catalogue"]


def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(
    service: Path, place: Path, kafka: Kafka, workers: Workers
) -> None:
    """With its reason and where it was; the streams around it are heard."""
    from kafka import KafkaProducer

    topics = topics_of(service)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    producer.send(topics.uploads, value=b"no audio", key=b"x", headers=[("ce_type", b"other")]).get(10)
    producer.close()
    send(service, place)
    workers.until(workers.start(), kafka, 3)
    (letter,) = read_all(kafka, dead_letters(topics.uploads), 1)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"x", b"no audio")
    assert (headers["dlq_code"], headers["dlq_topic"]) == (b"wrong_type", topics.uploads.encode())
    assert headers["dlq_offset"] == b"0"
