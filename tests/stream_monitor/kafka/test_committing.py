"""Offsets without transactions, on a real broker."""

from __future__ import annotations

import time

from stream_monitor.kafka.client import Admin, CommittingConsumer, Partition, Producer
from stream_monitor.kafka.settings import KafkaSettings

DEADLINE_S = 120.0


def poll_until(consumer: CommittingConsumer, values: list[bytes]) -> None:
    """Reads exactly these."""
    read: list[bytes | None] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(read) < len(values):
        assert time.monotonic() < deadline
        read += [record.value for record in consumer.poll(0.2)]
    assert read == values


def test_the_next_member_reads_on_where_the_last_one_committed(settings: KafkaSettings, admin: Admin) -> None:
    """What was read and not committed is read again, what was committed is not; positions and ends are told."""
    place = Partition(topic="committed-by-hand", number=0)
    admin.create(place.topic, 1, 1, {})
    with Producer(settings) as producer:
        for number in range(4):
            producer.send(place.topic, b"k", b"%d" % number, [])
        producer.flush()
    with CommittingConsumer(settings, [place.topic]) as consumer:
        poll_until(consumer, [b"0", b"1", b"2", b"3"])
        assert consumer.commit({place: 2})
        assert (consumer.position(place), consumer.ends(place)) == (4, 4)
    with CommittingConsumer(settings, [place.topic]) as consumer:
        poll_until(consumer, [b"2", b"3"])


def test_a_topic_that_was_made_anew_has_another_id(admin: Admin) -> None:
    """Only by its id can it be told from the old one, and the id stays while the topic does."""
    admin.create("ids-a", 1, 1, {})
    admin.create("ids-b", 1, 1, {})
    first, again, other = (admin.describe(name, []) for name in ("ids-a", "ids-a", "ids-b"))
    assert first is not None and again is not None and other is not None
    assert first.topic_id == again.topic_id != other.topic_id
