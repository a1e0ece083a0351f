"""A take-over that takes long: reading the state outlasts the time in which a member must poll, or the worker's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Timer
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_monitor.catalogue_watch import CatalogueWatch
from stream_monitor.clock import SystemClock
from stream_monitor.kafka.client import (
    Admin,
    Consumer,
    LogReader,
    Partition,
    Producer,
    Received,
    TransactionalProducer,
)
from stream_monitor.kafka.committed import Committed
from stream_monitor.kafka.intake import Intake
from stream_monitor.kafka.outbox import Outbox
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of
from stream_monitor.kafka.settings import KafkaSettings, ServiceSettings, TopicSettings
from stream_monitor.kafka.worker import Worker
from stream_monitor.segments import Segment, StreamKey
from tests.fakes.band import song
from tests.fakes.clock import FakeClock
from tests.fakes.encoder import SUPPORT_SAMPLES
from tests.fakes.library import cut
from tests.stream_monitor.kafka.bench import MEMORY_S, Bench, Here
from tests.stream_monitor.kafka.test_client import joined

TOPICS = TopicSettings(broadcast="long-air", uploads="long-up", events="long-told", state="long-state", partitions=1)
AUDIO = Partition(topic=TOPICS.broadcast, number=0)
STREAM = StreamKey(kind="broadcast", stream_id="fm", epoch=1_795_000_000_000)
SUPERSEDED = 2_000
POLL_S = 2.0
DEADLINE_S = 120.0


class SlowReader(LogReader):
    """On a slow network: 300 records a second, so that what is superseded takes three times as long as `POLL_S`."""

    begun = 0
    records = 0

    def read(
        self, partition: Partition, *, settled: bool = False, between: Callable[[], None] = lambda: None
    ) -> Iterator[Received]:
        """As its base, and late."""
        self.begun += 1
        for record in super().read(partition, settled=settled, between=between):
            self.records += 1
            time.sleep(1 / 300)
            yield record


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Workers of one group on a broker."""

    bench: Bench
    settings: KafkaSettings

    def work(self, reader: LogReader, enough: Callable[[Consumer], bool]) -> list[Any]:
        """One worker until it is enough; its log."""
        clock, deadline_s = SystemClock(), time.monotonic() + DEADLINE_S
        service = ServiceSettings(commit_s=0.1)
        with (
            Consumer(self.settings, TOPICS.of_audio, session_s=6.0, poll_s=POLL_S) as consumer,
            TransactionalProducer(self.settings, "long-worker") as producer,
            capture_logs() as logs,
        ):
            Worker(
                consumer,
                Intake(Here(), topics=TOPICS, records=64, megabytes=64),
                Outbox(producer, topics=TOPICS, settings=service),
                reader,
                self.bench.pipeline(),
                self.bench.publisher(FakeClock()),
                self.bench.snapshots(),
                topics=TOPICS,
                settings=service,
                memory_s=MEMORY_S,
                support_samples=SUPPORT_SAMPLES,
                clock=clock,
                catalogue=CatalogueWatch(Unchanged(), 0.0, clock),
            ).run(lambda: enough(consumer) or time.monotonic() > deadline_s)
        assert time.monotonic() < deadline_s, "it did not come so far"
        return [each["event"] for each in logs]

    def send(self, segments: list[Segment]) -> None:
        """As `Here` decodes them."""
        with Producer(self.settings) as producer:
            for segment in segments:
                said = AudioRecord(
                    stream=segment.stream, seq=segment.seq, offset_samples=segment.start_sample,
                    samples=len(segment.samples_S), sample_rate=22_050, channels=1, content_type=FLAC, captured_at=None,
                )  # fmt: skip
                producer.send(TOPICS.broadcast, key_of(STREAM), segment.samples_S.tobytes(), headers_of(said))
            producer.flush()

    def all_of(self, topic: str) -> list[Received]:
        """What is committed in a topic."""
        with LogReader(self.settings) as reader:
            return list(reader.read(Partition(topic=topic, number=0)))


class Unchanged:
    """A catalogue that stays as it is."""

    def refresh(self) -> None:
        """Nothing is new."""


def frontier(consumer: Consumer) -> int:
    """The next record to be heard, as committed."""
    found = consumer.committed(AUDIO)
    return 0 if found is None else int(json.loads(found[1])["frontier"])


@pytest.fixture
def rig(bench: Bench, admin: Admin, settings: KafkaSettings) -> Rig:
    """Topics are made."""
    for topic in (TOPICS.broadcast, TOPICS.uploads, TOPICS.events):
        admin.create(topic, 1, 1, {})
    admin.create(TOPICS.state, 1, 1, {"cleanup.policy": "compact"})
    return Rig(bench=bench, settings=settings.model_copy(update={"group_id": "long"}))


def test_a_member_whose_streams_take_long_to_read_stays_in_its_group(rig: Rig) -> None:
    """It reads them once, hears what came meanwhile and goes on with the stream; a stop does not wait for them."""
    segments = cut(STREAM, song(0, 50.0), last=False)
    half = len(segments) // 2
    rig.send(segments[:half])
    with LogReader(rig.settings) as reader:
        rig.work(reader, lambda consumer: frontier(consumer) == half)
    newest = rig.all_of(TOPICS.state)[-1]
    with Producer(rig.settings) as producer:
        for _ in range(SUPERSEDED):
            producer.send(TOPICS.state, newest.key or b"", b"superseded", ())
        producer.send(TOPICS.state, newest.key or b"", newest.value or b"", ())
        producer.flush()
    rig.send(segments[half:])
    with SlowReader(rig.settings) as stopped:
        log = rig.work(stopped, lambda _: stopped.records > 0)
        assert "taking over is left: the group has gone on, or this worker is to stop" in log
        assert stopped.records < SUPERSEDED
    with SlowReader(rig.settings) as slow:
        log = rig.work(slow, lambda consumer: frontier(consumer) == len(segments))
        assert slow.records > SUPERSEDED
        assert slow.begun == log.count("partitions taken over") == 1
    told = [json.loads(record.value or b"") for record in rig.all_of(TOPICS.events)]
    states = [event["data"]["state"] for event in told if event["type"] == "stream.status.v1"]
    assert states.count("online") == 1


def test_a_member_that_waits_for_positions_stays_in_its_group(rig: Rig) -> None:
    """A worker died between its positions and its commit, and its transaction is open for longer than a poll may be."""
    settings = rig.settings.model_copy(update={"group_id": "long-open"})
    with (
        Consumer(settings, TOPICS.of_audio, session_s=6.0, poll_s=POLL_S) as consumer,
        TransactionalProducer(settings, "long-dead", transaction_s=60.0) as dead,
        LogReader(settings) as reader,
    ):
        joined(consumer, 2)
        member = consumer.membership()
        dead.begin()
        dead.send_positions({AUDIO: (0, '{"frontier": 0, "partitions": 1}')}, member)
        timer = Timer(3 * POLL_S, dead.commit)
        timer.start()
        committed = Committed(consumer, reader, rig.bench.snapshots(), TOPICS)
        assert committed.heritage(member, lambda: timer.is_alive()) is None
        found = committed.heritage(member, lambda: False)
        timer.join()
        assert found is not None
        assert found.positions[AUDIO] == Position(replay_from=0, frontier=0)
        assert consumer.stay(member)
