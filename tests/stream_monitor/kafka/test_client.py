"""Transactions and group membership on a real broker: the ground that the worker stands on."""

from __future__ import annotations

import time

import pytest

from stream_monitor.kafka.client import Admin, Consumer, Membership, Partition, Received, TransactionalProducer
from stream_monitor.kafka.errors import FencedError, MonitorError
from stream_monitor.kafka.settings import KafkaSettings


def grouped(settings: KafkaSettings, group: str) -> KafkaSettings:
    """The same brokers, another group."""
    return settings.model_copy(update={"group_id": group})


def joined(consumer: Consumer, partitions: int) -> list[Received]:
    """Polls until so many partitions are ours; what came meanwhile."""
    found: list[Received] = []
    deadline = time.monotonic() + 30
    while len(consumer.membership().partitions) < partitions:
        found += consumer.poll(0.2)
        assert time.monotonic() < deadline, "the group did not come together"
    return found


def read(settings: KafkaSettings, topic: str, count: int) -> list[Received]:
    """The first records of a topic that are committed, read by a group of nobody else."""
    with Consumer(grouped(settings, f"reader-{topic}-{time.monotonic_ns()}"), [topic]) as consumer:
        found = joined(consumer, 1)
        deadline = time.monotonic() + 15
        while len(found) < count and time.monotonic() < deadline:
            found += consumer.poll(0.2)
        return found + consumer.poll(0.5)


def test_only_what_is_committed_is_seen(admin: Admin, settings: KafkaSettings) -> None:
    """An aborted transaction shows nothing; a committed one all of it, offsets and their metadata too."""
    admin.create("tx-in", 1, 1, {})
    admin.create("tx-out", 1, 1, {})
    place = Partition(topic="tx-in", number=0)
    mine = grouped(settings, "tx-group")
    with Consumer(mine, ["tx-in"]) as consumer, TransactionalProducer(settings, "tx-1") as producer:
        joined(consumer, 1)
        assert consumer.committed(place) is None
        producer.begin()
        producer.send("tx-out", b"k", b"given up", [("h", b"1")])
        producer.abort()
        producer.begin()
        producer.send("tx-out", b"k", b"kept", [("h", b"2")])
        producer.send("tx-out", b"k", None)
        producer.send_positions({place: (7, "frontier=9")}, consumer.membership())
        producer.commit()
        assert consumer.committed(place) == (7, "frontier=9")
    found = read(settings, "tx-out", 2)
    assert [(record.key, record.value, list(record.headers)) for record in found] == [
        (b"k", b"kept", [("h", b"2")]),
        (b"k", None, []),
    ]


def test_a_worker_whose_name_was_taken_is_fenced(admin: Admin, settings: KafkaSettings) -> None:
    """The one that comes later wins; nothing that the earlier one does afterwards is seen."""
    admin.create("fence-out", 1, 1, {})
    with TransactionalProducer(settings, "fence-1") as old:
        old.begin()
        old.send("fence-out", b"k", b"old")
        with TransactionalProducer(settings, "fence-1") as new:
            new.begin()
            new.send("fence-out", b"k", b"new")
            new.commit()
            with pytest.raises(MonitorError) as caught:
                old.commit()
            assert isinstance(caught.value, FencedError)
            assert caught.value.exit_code == 3
    assert [record.value for record in read(settings, "fence-out", 1)] == [b"new"]


def test_offsets_of_a_member_that_is_out_are_refused(admin: Admin, settings: KafkaSettings) -> None:
    """A membership of before: the group has a new generation, so its offsets do not count and nothing else does."""
    admin.create("gen-in", 2, 1, {})
    admin.create("gen-out", 1, 1, {})
    mine = grouped(settings, "gen-group")
    place = Partition(topic="gen-in", number=0)
    with TransactionalProducer(settings, "gen-1") as producer:
        with Consumer(mine, ["gen-in"]) as consumer:
            joined(consumer, 2)
            before: Membership = consumer.membership()
        with Consumer(mine, ["gen-in"]) as consumer:
            joined(consumer, 2)
            producer.begin()
            producer.send("gen-out", b"k", b"late")
            with pytest.raises(FencedError):
                producer.send_positions({place: (5, "")}, before)
                producer.commit()
            assert consumer.committed(place) is None
