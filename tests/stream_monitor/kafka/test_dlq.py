"""`dlq list|replay` on a real broker: letters are seen, go back once, and do not go round for ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Timer

import pytest
import yaml
from kafka import KafkaProducer

from stream_monitor.cli import main
from stream_monitor.kafka.client import LogReader, Partition, Received, TransactionalProducer
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings, dead_letters
from tests.stack.kafka import Kafka


@pytest.fixture
def topics(config_file: Path) -> TopicSettings:
    """Made."""
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    return TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])


def write(
    kafka: Kafka, topic: str, letters: Sequence[tuple[str, int, int]], extra: Sequence[tuple[str, bytes]]
) -> None:
    """Letters of a topic: code, partition and offset of each."""
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    for code, partition, offset in letters:
        headers = [("ce_streamid", b"fm-1"), ("ce_kind", b"broadcast"), ("dlq_topic", topic.encode())]
        headers += [("dlq_partition", str(partition).encode()), ("dlq_offset", str(offset).encode())]
        headers += [("dlq_code", code.encode()), ("dlq_message", b"what was wrong"), *extra]
        producer.send(dead_letters(topic), key=b"fm-1", value=b"audio", headers=headers).get(30)
    producer.close()


def read(kafka: Kafka, topic: str, partition: int) -> list[Received]:
    """What is committed in a partition."""
    with LogReader(KafkaSettings(bootstrap_servers=kafka.bootstrap)) as reader:
        return list(reader.read(Partition(topic=topic, number=partition)))


def listed(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """What `dlq list --json` says."""
    capsys.readouterr()
    assert main(["dlq", "list", "--config", str(config), "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_letters_are_listed_and_go_back_once(
    topics: TopicSettings, config_file: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the partition that they came from, with their own headers; a second replay sends nothing, unless told."""
    write(kafka, topics.broadcast, [("undecodable", 2, 7), ("bad_header", 1, 8), ("undecodable", 2, 9)], [])
    assert [row["code"] for row in listed(config_file, capsys, "--limit", "2")] == ["undecodable", "bad_header"]
    first = listed(config_file, capsys, "--topic", topics.broadcast, "--code", "undecodable")[0]
    assert first["origin"] == {"topic": topics.broadcast, "partition": 2, "offset": 7}
    assert (first["stream_id"], first["size_bytes"], first["message"]) == ("fm-1", 5, "what was wrong")
    assert main(["dlq", "list", "--config", str(config_file)]) == 0
    assert "bad_header" in capsys.readouterr().out

    replay = ["dlq", "replay", "--config", str(config_file), "--code", "undecodable"]
    assert main([*replay, "--dry-run"]) == 0
    assert "2 would be sent back" in capsys.readouterr().err
    assert read(kafka, topics.broadcast, 2) == []
    assert main(replay) == 0
    assert "2 sent back, 0 were before, 0 refused" in capsys.readouterr().err
    back = read(kafka, topics.broadcast, 2)
    assert [(record.key, record.value) for record in back] == [(b"fm-1", b"audio")] * 2
    assert dict(back[0].headers) == {"ce_streamid": b"fm-1", "ce_kind": b"broadcast", "dlq_replays": b"1"}
    assert main(replay) == 0
    assert "0 sent back, 2 were before" in capsys.readouterr().err
    assert [row["replayed"] for row in listed(config_file, capsys)] == [True, False, True]
    named = ["--topic", topics.broadcast, "--offset", "0", "--again"]
    assert main(["dlq", "replay", "--config", str(config_file), *named]) == 0
    assert len(read(kafka, topics.broadcast, 2)) == 3
    assert read(kafka, topics.broadcast, 1) == []


def test_a_letter_goes_back_once_although_a_dead_worker_hides_the_receipt(
    topics: TopicSettings, config_file: Path, kafka: Kafka, settings: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its transaction lies open between letter and receipt, and is waited for: a second replay sends nothing."""
    write(kafka, topics.broadcast, [("undecodable", 0, 7)], [])
    with TransactionalProducer(settings, f"{topics.state}-dead", transaction_s=60.0) as dead:
        dead.begin()
        dead.send(dead_letters(topics.broadcast), b"fm-1", b"never said")
        dead._client.flush(30)
        Timer(4.0, dead.abort).start()
        assert main(["dlq", "replay", "--config", str(config_file)]) == 0
        assert main(["dlq", "replay", "--config", str(config_file)]) == 0
    said = capsys.readouterr().err
    assert "1 sent back, 0 were before" in said
    assert "0 sent back, 1 were before" in said
    assert len(read(kafka, topics.broadcast, 0)) == 1


def test_a_letter_that_came_back_too_often_is_refused(
    topics: TopicSettings, config_file: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is a record that does not say where it was, or was where no partition is; exit code 1, the rest goes."""
    write(kafka, topics.uploads, [("undecodable", 0, 1)], [("dlq_replays", b"3")])
    write(kafka, topics.uploads, [("undecodable", 0, 2)], [("dlq_replays", b"2")])
    write(kafka, topics.uploads, [("undecodable", 99, 2)], [])
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    producer.send(dead_letters(topics.uploads), value=b"no letter").get(30)
    producer.close()
    assert main(["dlq", "replay", "--config", str(config_file)]) == 1
    told = capsys.readouterr()
    assert "was sent back 3 times" in told.out
    assert "does not say where it was" in told.out
    assert "has no partition 99" in told.out
    assert "1 sent back, 0 were before, 3 refused" in told.err
    assert [dict(record.headers)["dlq_replays"] for record in read(kafka, topics.uploads, 0)] == [b"3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--topic", "nobody-made-me"], "there is no topic nobody-made-me.dlq"),
        (["replay", "--offset", "3"], "give that as --topic"),
    ],
)
def test_what_cannot_work_is_refused(
    config_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 2 with what to do."""
    assert main(["dlq", *arguments, "--config", str(config_file)]) == 2
    assert words in capsys.readouterr().err
