"""Topics on a real broker: made with their settings, compared, never changed behind anybody's back."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from kafka import KafkaProducer

from stream_monitor.cli import main
from stream_monitor.kafka.client import Admin, LogReader, Partition
from stream_monitor.kafka.errors import TopicError
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from stream_monitor.kafka.topics import check_usable, wanted


def test_topics_are_made_once_and_found_good(
    config_file: Path, admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing ones are told by check, made by create, found good by both afterwards, with the settings they need."""
    names = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])
    assert main(["topics", "check", "--config", str(config_file)]) == 2
    assert f"BAD {names.broadcast}: missing: `stream-monitor topics create` makes it" in capsys.readouterr().out
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    assert f"ok  {names.state}: created, 3 partitions" in capsys.readouterr().out
    for command in ("create", "check"):
        assert main(["topics", command, "--config", str(config_file)]) == 0
        assert capsys.readouterr().out.count("as configured") == 8
    audio = admin.describe(names.broadcast, ["message.timestamp.type", "min.insync.replicas"])
    state = admin.describe(names.state, ["cleanup.policy", "segment.ms", "min.cleanable.dirty.ratio"])
    catalog = admin.describe(names.catalog, ["segment.ms"])
    assert audio is not None
    assert state is not None
    assert audio.settings == {"message.timestamp.type": "LogAppendTime", "min.insync.replicas": "1"}
    # What was superseded minutes ago is gone: whoever takes over reads all that is there.
    assert state.settings == {
        "cleanup.policy": "compact",
        "segment.ms": "120000",
        "min.cleanable.dirty.ratio": "0.1",
    }
    assert catalog is not None
    assert catalog.settings["segment.ms"] == "3600000"
    assert state.partitions == audio.partitions == 3


def test_audio_is_unpacked_by_the_brokers(
    config_file: Path, settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a producer packs its batches, a worker whose client has no such codec reads them."""
    names = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers, compression_type="gzip")
    producer.send(names.broadcast, bytes(100_000), b"fm-1", partition=0).get(30)
    producer.close()
    monkeypatch.setattr("kafka.codec.has_gzip", lambda: False)
    with LogReader(settings) as reader:
        (record,) = reader.read(Partition(topic=names.broadcast, number=0))
    assert record.value == bytes(100_000)


def test_another_number_of_partitions_is_told_and_left(
    config_file: Path, admin: Admin, capsys: pytest.CaptureFixture[str]
) -> None:
    """Streams would part from their state; exit code 2 with what to do."""
    names = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])
    admin.create(names.uploads, 5, 1, {"message.timestamp.type": "CreateTime"})
    admin.create(names.broadcast, 3, 1, {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"})
    admin.create(names.catalog, 3, 1, {})
    assert main(["topics", "create", "--config", str(config_file)]) == 2
    told = capsys.readouterr().out
    assert f"BAD {names.uploads}: 5 partitions, 3 are configured" in told
    assert "message.timestamp.type is CreateTime, not LogAppendTime: kafka-configs --alter" in told
    assert f"BAD {names.broadcast}: cleanup.policy is compact, not delete" in told  # segments would be lost
    assert f"BAD {names.catalog}: 3 partitions, 1 are needed: name a new topic" in told
    found = admin.describe(names.uploads, ["message.timestamp.type"])
    assert found is not None
    assert (found.partitions, found.settings["message.timestamp.type"]) == (5, "CreateTime")


def test_a_worker_starts_while_a_topic_keeps_less_than_configured(
    config_file: Path, admin: Admin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator whose disk is full sets the retention lower: `run` tells it, and complains of the next thing."""
    names = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])
    settings = next(each.settings for each in wanted(names) if each.name == names.broadcast)
    admin.create(names.broadcast, 3, 1, settings | {"retention.ms": "21600000", "segment.ms": "600000"})
    assert main(["topics", "create", "--config", str(config_file)]) == 2
    assert f"BAD {names.broadcast}: retention.ms is 21600000, not 86400000: kafka-configs" in capsys.readouterr().out
    assert main(["run", "--config", str(config_file), "--catalog", str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err
    assert "a topic has another setting than configured" in told
    assert "retention.ms is 21600000, not 86400000" in told
    assert told.splitlines()[-1].startswith("Error: no catalogue in ")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"message.timestamp.type": "CreateTime"}, "message.timestamp.type is CreateTime"),
        ({"cleanup.policy": "compact", "retention.ms": "1000"}, "cleanup.policy is compact"),
        ({"min.insync.replicas": "2"}, "min.insync.replicas is 2"),
    ],
)
def test_a_topic_that_would_lose_or_mix_up_records_is_refused(
    config_file: Path, admin: Admin, tmp_path: Path, wrong: dict[str, str], words: str
) -> None:
    """What decides whether events are right ends `run`, whatever else is merely different."""
    names = TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])
    topic = next(each for each in wanted(names) if each.name == names.broadcast)
    topic = replace(topic, name=f"{topic.name}-{'-'.join(wrong)}")
    admin.create(topic.name, 3, 1, topic.settings | wrong)
    with pytest.raises(TopicError, match=words):
        check_usable(admin, names.model_copy(update={"broadcast": topic.name}), {topic.name})


def test_more_copies_than_brokers_are_refused(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is made."""
    text = config_file.read_text(encoding="utf-8").replace("replication: 1", "replication: 3")
    config_file.write_text(text, encoding="utf-8")
    assert main(["topics", "create", "--config", str(config_file)]) == 2
    assert "has 1 brokers: set it (and topics.min_in_sync) lower" in capsys.readouterr().err


def test_a_broker_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line, exit code 1. A process of its own: the client leaves a socket open where it cannot connect."""
    path = tmp_path / "away.yaml"
    path.write_text("kafka: {bootstrap_servers: '127.0.0.1:1', connect_s: 0.5}\n", encoding="utf-8")
    command = [sys.executable, "-m", "stream_monitor", "topics", "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: 127.0.0.1:1: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kafka: {bootstrap_servers: localhost}", "bootstrap_servers"),
        ("kafka: {security: sasl_ssl}", "sasl needs username and password_file"),
        ("topics: {replication: 1}", "more than the 1 copies"),
        ("topics: {events: x, state: x}", "two topics have one name"),
        ("topics: {partition: 3}", "did you mean 'partitions'"),
        ("topics: {events: 'a b'}", "topics.events"),
        ("topics: {events: ..}", "topics.events"),
        ("topics: {broadcast: " + 246 * "x" + "}", "topics.broadcast"),
        ("topics: {broadcast: x, state: x.dlq}", "x.dlq is where the dead letters of x go"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Exit code 2 and the key."""
    path = tmp_path / "bad.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    assert main(["topics", "check", "--config", str(path)]) == 2
    assert words in capsys.readouterr().err
