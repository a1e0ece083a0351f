"""What a worker says, on a real broker: a dead letter is never larger than a record may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer
from kafka.record.default_records import DefaultRecordBatchBuilder

from stream_monitor.kafka.client import (
    LARGEST_RECORD,
    Admin,
    Consumer,
    LogReader,
    Partition,
    Received,
    TransactionalProducer,
)
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.letter import draft, letter_of
from stream_monitor.kafka.letters import Wanted, letters, replay
from stream_monitor.kafka.outbox import Outbox
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.settings import KafkaSettings, ServiceSettings, TopicSettings, dead_letters
from stream_monitor.kafka.topics import create, largest_letter
from tests.stream_monitor.kafka.test_client import joined

HEADERS = [("ce_kind", b"upload"), ("ce_streamid", b"u1")]
ABOUT = {
    "dlq_topic": "t",
    "dlq_partition": "0",
    "dlq_offset": "7",
    "dlq_code": "undecodable",
    "dlq_message": "no audio",
}


def estimate(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> int:
    """What the client takes a record for."""
    return int(DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers))


def received(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> Received:
    """A record."""
    place = Partition(topic="t", number=0)
    return Received(partition=place, offset=7, appended_ms=0, key=key, value=value, headers=headers)


@given(
    key=st.none() | st.binary(max_size=3000),
    value=st.none() | st.binary(max_size=6000),
    headers=st.lists(
        st.tuples(st.text(st.characters(codec="utf-8"), max_size=40), st.binary(max_size=2000)), max_size=9
    ),
    message=st.text(max_size=3000),
)
def test_a_letter_is_no_larger_than_a_record_may_be(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], message: str
) -> None:
    """By the client's own estimate too; it has all of the record, or says how much it has not, and where that is."""
    record = received(key, value, [*headers, *HEADERS])
    written = draft(record, ABOUT | {"dlq_message": message}, most_bytes=8000)
    assert estimate(written.key, written.value, written.headers) <= written.size_bytes <= 8000
    assert written.key is not None or written.value is not None  # the client refuses it
    read = letter_of(received(written.key, written.value, written.headers))
    assert (read.origin, read.origin_offset, read.code) == (record.partition, 7, "undecodable")
    assert read.stream_id == "u1"
    held = sum(len(name) + len(content) for name, content in record.headers if content is not None)
    if read.left_out_bytes:
        assert read.left_out_bytes == len(key or b"") + len(value or b"") + held
    else:
        assert (read.key, read.value or b"") == (key, value or b"")
        assert written.headers[: len(record.headers)] == record.headers


@pytest.mark.parametrize("most", [LARGEST_RECORD, 200_000])
def test_a_record_as_large_as_it_may_be_is_a_letter_without_it(
    admin: Admin, settings: KafkaSettings, most: int
) -> None:
    """With what is written on it, it would be larger than the client or the topic takes; a replay leaves it alone.

    Others are whole, also one without a key, and go back once.
    """
    names = {name: f"large-{most}.{name}" for name in ("broadcast", "uploads", "events", "state", "catalog")}
    topics = TopicSettings(**names, partitions=1, replication=1, min_in_sync=1)
    for name in topics.of_audio:
        admin.create(dead_letters(name), 1, 1, {} if most == LARGEST_RECORD else {"max.message.bytes": str(most)})
    create(admin, topics)
    place = Partition(topic=topics.uploads, number=0)
    box = Partition(topic=dead_letters(topics.uploads), number=0)
    mine = settings.model_copy(update={"group_id": topics.uploads})
    room = most - estimate(b"u1", b"", HEADERS) - 100
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    for key, value in ((b"u1", bytes(room)), (b"u1", b"small"), (None, b"nobody's")):
        producer.send(topics.uploads, value, key, headers=HEADERS).get(30)
    producer.close()
    told: list[str] = []
    with (
        Consumer(mine, [topics.uploads]) as consumer,
        TransactionalProducer(settings, topics.uploads) as sender,
        LogReader(settings) as reader,
    ):
        joined(consumer, 1)
        outbox = Outbox(sender, topics=topics, settings=ServiceSettings(), letter_bytes=largest_letter(admin, topics))
        outbox.commit(
            events=(),
            states=(),
            poison=[(record, PoisonError("undecodable", "no audio")) for record in reader.read(place)],
            positions={place: Position(replay_from=3, frontier=3)},
            membership=consumer.membership(),
        )
        found = list(letters(reader, box, Wanted()))
        results = [
            replay(
                letters(reader, box, Wanted()),
                sender,
                partitions=lambda _: 1,
                most=3,
                watchdog_s=60.0,
                tell=lambda _, what: told.append(what),
            )
            for _ in range(2)
        ]
    large, *others = (each.letter for each in found)
    assert (large.key, large.value, large.left_out_bytes) == (None, b"", room + len("u1ce_kinduploadce_streamidu1"))
    assert (large.stream_id, large.origin, large.origin_offset) == ("u1", place, 0)
    assert [(each.key, each.value, each.left_out_bytes) for each in others] == [
        (b"u1", b"small", 0),
        (None, b"nobody's", 0),
    ]
    assert [(result.sent, result.before, result.refused) for result in results] == [(2, 0, 1), (0, 2, 1)]
    assert f"at offset 0 of {topics.uploads}-0 as long as" in told[0]
