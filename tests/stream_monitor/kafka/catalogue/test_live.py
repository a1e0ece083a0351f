"""The catalogue on a real topic: published by the command, followed by workers while streams play."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from index.catalogue import Catalogue
from stream_monitor.cli import main
from stream_monitor.clock import SystemClock
from stream_monitor.config import load
from stream_monitor.kafka.catalogue.copy import TooLargeError
from stream_monitor.kafka.catalogue.following import Following
from stream_monitor.kafka.catalogue.mark import read_mark
from stream_monitor.kafka.catalogue.opening import opened_catalogue
from stream_monitor.kafka.catalogue.settings import CatalogueSettings
from stream_monitor.kafka.client import Partition, Producer, Tail
from stream_monitor.kafka.settings import KafkaSettings
from tests.fakes.band import song
from tests.index.recordings import DIMENSIONS, recording
from tests.index.scenarios import FINGERPRINT
from tests.stack.kafka import Kafka
from tests.stream_monitor.kafka.catalogue.test_track_record import long_recording
from tests.stream_monitor.kafka.test_run import DEADLINE_S, RATE, Workers, topics_of, undated, wait_for
from tests.stream_monitor.sound import write_audio


@pytest.fixture
def service(config_file: Path) -> Path:
    """Topics made; workers follow the topic."""
    text = (
        "deterministic: true\nservice: {commit_s: 0.05, poll_records: 6, session_s: 6, transaction_s: 6}\n"
        "catalogue: {follow_topic: true, refresh_s: 0.2}\n"
    )
    config_file.write_text(config_file.read_text(encoding="utf-8") + text, encoding="utf-8")
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    return config_file


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue of made-up tracks, to be published."""
    with Catalogue.create(tmp_path / "source", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as opened:
        yield opened


def end_of(kafka: Kafka, config: Path) -> int:
    """Where the topic ends."""
    place = Partition(topic=topics_of(config).catalog, number=0)
    with Tail(KafkaSettings(bootstrap_servers=kafka.bootstrap), place) as tail:
        return tail.ends()


def until(done: Callable[[], bool]) -> None:
    """Waits."""
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def following(config: Path, folder: Path, settings: CatalogueSettings | None = None) -> Following:
    """As a worker with made-up embeddings has it."""
    known = load(config)
    return Following(
        settings or known.catalogue, known.kafka, known.topics, folder,
        encoder=FINGERPRINT, dimensions=DIMENSIONS, graph=True, clock=SystemClock(),
    )  # fmt: skip


def test_a_catalogue_goes_through_the_topic(
    service: Path, kafka: Kafka, source: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Published, followed, changed, published again; a second publish and a dry one write nothing."""
    source.add_many([recording(1), long_recording(2), recording(3)])
    publish = ["catalog", "publish", "--catalog", str(source.path), "--config", str(service)]
    assert main([*publish, "--dry-run"]) == 0
    assert capsys.readouterr().out.split("\n")[:3] == ["put track-1", "put track-2", "put track-3"]
    assert end_of(kafka, service) == 0
    assert main(publish) == 0
    end = end_of(kafka, service)
    assert main(publish) == 0
    assert end_of(kafka, service) == end
    copy = tmp_path / "copy"
    with following(service, copy) as mine:
        assert mine.wait(lambda: False)
        assert list(mine.ready()) == []
        with following(service, copy) as standing_by, Catalogue.open(copy, encoder_fingerprint=FINGERPRINT) as reader:
            assert standing_by.wait(lambda: False)
            assert reader.version == source.version
            source.remove("track-2")
            source.add(recording(4))
            assert main(publish) == 0
            until(lambda: bool(reader.refresh()[0]) or reader.version == source.version)
            until(lambda: (reader.refresh(), reader.version == source.version)[1])
            mine.__exit__(None, None, None)  # the other one takes over
            with Producer(load(service).kafka) as producer:
                producer.send(topics_of(service).catalog, b"track-9/0", b"poison", [])
            until(lambda: bool(standing_by.ready()))
            told = standing_by.ready()
            assert told[0].startswith("1 records or tracks of ")
            assert "torn: part 0 of track 'track-9' has 6 bytes" in told[1]
    assert main(["catalog", "remove", "track-1", "--catalog", str(copy)]) == 2
    assert "is a copy of the topic" in capsys.readouterr().err


def test_a_topic_that_is_missing_is_told(
    config_file: Path, source: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, with the command that makes it."""
    assert main(["catalog", "publish", "--catalog", str(source.path), "--config", str(config_file)]) == 2
    assert "is missing: `stream-monitor topics create` makes it" in capsys.readouterr().err


def test_a_catalogue_above_its_budget_is_refused_at_the_start(service: Path, source: Catalogue, tmp_path: Path) -> None:
    """While it is still being copied; a track that comes later is left out and told."""
    source.add_many([recording(number, embeddings=200) for number in range(3)])
    assert main(["catalog", "publish", "--catalog", str(source.path), "--config", str(service)]) == 0
    small = CatalogueSettings(follow_topic=True, memory_mb=1)
    with (
        following(service, tmp_path / "copy", small) as mine,
        pytest.raises(TooLargeError, match="3 tracks with 600 embeddings need"),
    ):
        mine.wait(lambda: False)
    known = load(service)
    config = known.model_copy(update={"catalogue": CatalogueSettings(memory_mb=8)})
    with opened_catalogue(
        config, source.path, lambda: False, encoder=FINGERPRINT, dimensions=DIMENSIONS, clock=SystemClock()
    ) as opened:
        assert opened is not None
        assert len(opened.catalogue.index) == 600
        assert opened.ready() == []
        source.add_many([recording(number, embeddings=200) for number in (7, 8)])
        opened.catalogue.refresh()
        assert len(opened.catalogue.index) == 800
        assert opened.ready() == ["1 tracks are left out: they need more than catalogue.memory_mb allows"]


def test_workers_follow_while_streams_play(service: Path, kafka: Kafka, tmp_path: Path) -> None:
    """Two workers of a machine, one copy. A removed track's open play is taken back; the one that follows is killed; a
    track that is enrolled then is found by whoever is left; no event comes twice."""
    for number in range(2):
        write_audio(tmp_path / f"tune{number}.wav", song(number, 40.0)[None], RATE)
    wave_S = np.concatenate((song(51, 15.0), song(1, 40.0), song(61, 20.0)))
    write_audio(tmp_path / "whole.flac", wave_S[None], RATE)
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "open.flac").write_bytes(whole[: len(whole) * 3 // 5])
    write_audio(tmp_path / "later.flac", np.concatenate((song(52, 15.0), song(0, 40.0), song(62, 20.0)))[None], RATE)
    enrolled = str(tmp_path / "enrolled")
    publish = ["catalog", "publish", "--catalog", enrolled, "--config", str(service)]
    assert main(["catalog", "add", str(tmp_path / "tune1.wav"), "--catalog", enrolled]) == 0
    assert main(publish) == 0
    workers = Workers(service, tmp_path)
    copy = tmp_path / "catalogue"
    try:
        pair = {process.pid: process for process in (workers.start(name="one"), workers.start(name="two"))}
        until(lambda: (mark := read_mark(copy)) is not None and mark.whole)
        assert main(["produce", str(tmp_path / "open.flac"), "--config", str(service)]) == 1
        told = wait_for(kafka, service, lambda events: [e for e in events if e["type"] == "music.play.v1"])
        assert told[0]["data"]["track"]["track_id"] == "tune1"
        assert main(["catalog", "remove", "tune1", "--catalog", enrolled]) == 0
        assert main(publish) == 0
        taken_back = wait_for(
            kafka, service, lambda events: [e for e in events if e["data"].get("status") == "retracted"]
        )
        assert taken_back[0]["data"]["play_id"] == told[0]["data"]["play_id"]
        follower = int(json.loads((copy / "writer.json").read_text())["pid"])
        os.kill(follower, signal.SIGKILL)
        pair.pop(follower).communicate()
        assert main(["catalog", "add", str(tmp_path / "tune0.wav"), "--catalog", enrolled]) == 0
        assert main(publish) == 0
        (left,) = pair.values()
        until(lambda: (mark := read_mark(copy)) is not None and mark.tracks == 1)
        time.sleep(1.0)
        assert main(["produce", str(tmp_path / "later.flac"), "--config", str(service)]) == 0
        events = workers.until(left, kafka, 1)
    finally:
        workers.stop()
    undated(events)
    found = [e["data"] for e in events if e["type"] == "music.play.v1" and e["data"]["stream_id"] == "later"]
    assert {play["track"]["track_id"] for play in found} == {"tune0"}
    with Catalogue.open(tmp_path / "enrolled", encoder_fingerprint=None) as opened:
        assert {play["versions"]["catalogue"] for play in found} == {opened.version}
