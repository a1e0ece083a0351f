"""`produce` on a real broker: what is in the topic is what was in the files."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from kafka import KafkaConsumer, TopicPartition

from stream_monitor.cli import main
from stream_monitor.decode import decode
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.records import AudioRecord, parse
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.telemetry.traceparent import checked
from tests.fakes.band import song
from tests.stack.kafka import Kafka
from tests.stream_monitor.sound import write_audio
from tests.stream_monitor.web import Visit, serving

RATE = 22_050


@pytest.fixture
def topics(config_file: Path) -> TopicSettings:
    """Made."""
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    return TopicSettings.model_validate(yaml.safe_load(config_file.read_text())["topics"])


def records(kafka: Kafka, topic: str) -> list[tuple[int, AudioRecord, bytes]]:
    """All that is in a topic: partition, what the record says, its audio."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for partition, batch in consumer.poll(timeout_ms=500).items():
            found += [(partition.partition, parse(r.key, r.value, r.headers), r.value or b"") for r in batch]
    consumer.close()
    return found


def samples(value: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One record's audio, decoded alone."""
    with av.open(io.BytesIO(value)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]) / 32768.0


def test_files_arrive_whole_and_in_order(
    topics: TopicSettings, config_file: Path, kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two uploads: each in one partition, numbered without a hole, the audio to the bit of its 16, the last marked."""
    write_audio(tmp_path / "a.flac", song(1, 23.0)[None], RATE)
    write_audio(tmp_path / "b.mp3", song(2, 20.0)[None], RATE, bit_rate=128_000)
    files = [str(tmp_path / "a.flac"), f"other={tmp_path / 'b.mp3'}"]
    assert main(["produce", *files, "--config", str(config_file), "--epoch", "1795000000000"]) == 0
    assert "segments, 0.7 minutes of audio sent" in capsys.readouterr().err
    found = records(kafka, topics.uploads)
    assert {record.stream.stream_id for _, record, _ in found} == {"a", "other"}
    for name, path in (("a", tmp_path / "a.flac"), ("other", tmp_path / "b.mp3")):
        own = [(partition, record, value) for partition, record, value in found if record.stream.stream_id == name]
        assert len({partition for partition, _, _ in own}) == 1
        assert [record.seq for _, record, _ in own] == list(range(len(own)))
        assert [record.last for _, record, _ in own] == [False] * (len(own) - 1) + [True]
        assert all(record.stream.kind == "upload" and record.stream.epoch == 1795000000000 for _, record, _ in own)
        ends = [0, *(record.end_sample for _, record, _ in own)]
        assert [record.start_sample for _, record, _ in own] == ends[:-1]
        captured = own[1][1].captured_at
        assert captured is not None
        assert captured.timestamp() == pytest.approx(1795000005.0)
        heard_S = np.concatenate([samples(value) for _, _, value in own if value])
        np.testing.assert_allclose(heard_S, np.clip(np.concatenate(list(decode(path))), -1, 1), atol=1.1 / 32768)


def test_a_damaged_file_has_no_end_mark_and_the_others_go_on(
    topics: TopicSettings, config_file: Path, kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody may take half an upload for a whole one; exit code 1."""
    write_audio(tmp_path / "good.flac", song(1, 11.0)[None], RATE)
    write_audio(tmp_path / "whole.flac", song(2, 30.0)[None], RATE)
    torn = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "torn.flac").write_bytes(torn[: len(torn) // 2])
    paths = [str(tmp_path / name) for name in ("torn.flac", "good.flac")] + [f"gone={tmp_path / 'gone.mp3'}"]
    assert main(["produce", *paths, "--config", str(config_file)]) == 1
    told = capsys.readouterr().err
    assert "torn.flac" in told
    assert "gone.mp3" in told
    marks: dict[str, bool] = {}
    for _, record, _ in records(kafka, topics.uploads):
        marks[record.stream.stream_id] = record.last
    assert marks == {"torn": False, "good": True}


def test_stations_come_from_a_list(topics: TopicSettings, config_file: Path, kafka: Kafka, tmp_path: Path) -> None:
    """Each is a broadcast unless told; paths are relative to the list."""
    write_audio(tmp_path / "a.wav", song(1, 8.0)[None], RATE)
    listed = tmp_path / "stations.yaml"
    listed.write_text("stations:\n- {id: fm-1, source: a.wav}\n- {id: fm-2, source: a.wav, kind: upload}\n")
    assert main(["produce", "--stations", str(listed), "--config", str(config_file)]) == 0
    assert {record.stream.stream_id for _, record, _ in records(kafka, topics.broadcast)} == {"fm-1"}
    assert {record.stream.stream_id for _, record, _ in records(kafka, topics.uploads)} == {"fm-2"}


def test_addresses_arrive_and_each_segment_may_begin_a_trace(
    topics: TopicSettings, config_file: Path, kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live MP3 address that is given up after a drop: all its audio, no end mark, a trace of its own each; exit 1."""
    mp3 = write_audio(tmp_path / "a.mp3", song(1, 12.0)[None], RATE, bit_rate=64_000).read_bytes()
    monkeypatch.setenv("STREAM_MONITOR__RECONNECT__ATTEMPTS", "1")

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)

    with serving() as site:
        site.answers["/live"] = answer
        assert main(["produce", f"fm={site.url('/live')}", "--trace", "--config", str(config_file)]) == 1
    found = [record for _, record, _ in records(kafka, topics.broadcast)]
    assert [(record.seq, record.last) for record in found] == [(0, False), (1, False), (2, False)]
    contexts = [checked(record.traceparent) for record in found]
    assert None not in contexts
    assert len(set(contexts)) == 3


def test_a_topic_that_is_not_there_is_named(
    config_file: Path, kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not made by use; the message says which command looks after topics."""
    write_audio(tmp_path / "a.wav", song(1, 8.0)[None], RATE)
    arguments = ["--bootstrap-servers", kafka.bootstrap, "--topic", "nobody-made-me"]
    assert main(["produce", str(tmp_path / "a.wav"), *arguments]) == 1
    assert "topic nobody-made-me" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to send"),
        (["a.wav", "--bootstrap-servers", "nowhere"], "host:port"),
        (["--stations", "gone.yaml"], "gone.yaml: the stations cannot be read"),
        (["http://h/a", "--topic", "a b"], "--topic 'a b'"),
        (["a.wav", "http://h/b", "--epoch", "1795000000000"], "http://h/b dates its own connections"),
        (["a.wav", "--epoch", "1795000000000000"], "it is in Unix milliseconds"),
        (["http://h/a", "--topic", "monitor.state"], "for something else than audio"),
        (["http://h/a", "b.wav", "--topic", "audio.broadcast"], "'b' is of kind upload: say --kind broadcast"),
        (["fm=http://h/a", "--topic", "audio.uploads"], "'fm' is of kind broadcast: say --kind upload"),
    ],
)
def test_what_cannot_work_is_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, before a broker is asked."""
    assert main(["produce", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no list of stations"),
        ("stations: [{id: fm-1}]", "stations.0.source"),
        ("stations: [{id: fm-1, source: 'ftp://h/a'}]", "station 'fm-1'"),
        ('stations: [{id: "a\\tb", source: "http://h/a"}]', "no control"),
        ("stations: [{id: a=b, source: '-'}, {id: c, source: '-'}]", "only once"),
    ],
)
def test_a_list_of_stations_that_cannot_work_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """With the place in it, before a broker is asked."""
    (tmp_path / "stations.yaml").write_text(text + "\n", encoding="utf-8")
    assert main(["produce", "--stations", str(tmp_path / "stations.yaml")]) == 2
    assert words in capsys.readouterr().err


def test_flac_of_any_length_decodes_alone() -> None:
    """Down to one sample; no sample is no byte; what is beyond full scale is clipped."""
    for length in (1, 100, 4096, 4097, 110_250):
        wave_S = np.sin(np.arange(length) / 9.0).astype(np.float32) * 1.2
        np.testing.assert_allclose(samples(to_flac(wave_S)), np.clip(wave_S, -1, 1), atol=1.1 / 32768)
    assert to_flac(np.zeros(0, np.float32)) == b""


def test_segments_are_as_long_as_configured(
    topics: TopicSettings, config_file: Path, kafka: Kafka, tmp_path: Path
) -> None:
    """A file and an address in segments of 2 s: the last one holds the rest, and nothing of the audio changes."""
    with config_file.open("a") as sink:
        sink.write("produce: {segment_s: 2.0}\n")
    write_audio(tmp_path / "a.flac", song(1, 9.0)[None], RATE)
    with serving() as site:
        site.file("/b.flac", (tmp_path / "a.flac").read_bytes(), "audio/flac")
        sources = [str(tmp_path / "a.flac"), f"b={site.url('/b.flac')}"]
        assert main(["produce", *sources, "--config", str(config_file), "--kind", "upload"]) == 0
    found = records(kafka, topics.uploads)
    for name in ("a", "b"):
        own = [(record, value) for _, record, value in found if record.stream.stream_id == name]
        assert [record.samples for record, _ in own] == [2 * RATE] * 4 + [RATE]
        heard_S = np.concatenate([samples(value) for _, value in own])
        np.testing.assert_allclose(heard_S, np.concatenate(list(decode(tmp_path / "a.flac"))), atol=1.1 / 32768)
