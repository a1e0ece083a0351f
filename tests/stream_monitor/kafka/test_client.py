"""Transactions and group membership on a real broker: the ground that the worker stands on."""

from __future__ import annotations

import threading
import time

import pytest

from stream_monitor.kafka.client import (
    Admin,
    CommittingConsumer,
    Consumer,
    Membership,
    Partition,
    Received,
    TransactionalProducer,
)
from stream_monitor.kafka.client.records import place_of
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


def test_members_that_have_little_time_for_polling_come_to_rest(admin: Admin, settings: KafkaSettings) -> None:
    """Three that work between their polls for longer than a join takes; while one joins, it says so, and then stays.

    The client throws a join away that ends between two polls: without our waiting for it they join for ever.
    """
    admin.create("rest-in", 6, 1, {})
    seen: list[tuple[int, tuple[int, frozenset[Partition]]]] = []
    stopping = threading.Event()

    def work(number: int) -> None:
        with Consumer(grouped(settings, "rest-group"), ["rest-in"], session_s=6.0) as consumer:
            while not stopping.is_set():
                consumer.poll(0.0)
                now = consumer.membership()
                if now.settled:
                    seen.append((number, (now.generation[1], now.partitions)))
                time.sleep(0.5)

    def at_rest() -> bool:
        newest = dict(seen[-30:])
        generations = {generation for generation, _ in newest.values()}
        return len(newest) == 3 and len(generations) == 1 and all(len(own) == 2 for _, own in newest.values())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(1.0)
    try:
        deadline = time.monotonic() + 60
        while not (len(seen) >= 30 and at_rest()):
            assert time.monotonic() < deadline, f"the group did not come to rest: {seen[-6:]}"
            time.sleep(0.5)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def test_what_is_no_longer_ours_is_passed_over(admin: Admin, settings: KafkaSettings) -> None:
    """A partition goes to another member after we have looked whose it is: pausing and seeking it is no error.

    Of those that are ours still, everything is done.
    """
    admin.create("ours-in", 2, 1, {})
    mine = grouped(settings, "ours-group")
    with CommittingConsumer(mine, ["ours-in"]) as first:
        joined(first, 2)
        before = first.membership().partitions
        stopping = threading.Event()

        def share() -> None:
            with Consumer(mine, ["ours-in"]) as second:
                while not stopping.is_set():
                    second.poll(0.2)

        other = threading.Thread(target=share)
        other.start()
        try:
            deadline = time.monotonic() + 120
            while len(kept := first.membership().partitions) != 1:
                first.poll(0.2)
                assert time.monotonic() < deadline, "the group did not share"
            for partition in before:
                first.seek(partition, 5)
            first.pause(before)
            assert first._client.paused() == {place_of(each) for each in kept}
            assert {first.position(each) for each in before} == {None, 5}
            first.resume(before)
            assert first._client.paused() == set()
            with pytest.raises(ValueError, match="Offset"):
                first.seek(next(iter(kept)), -1)
        finally:
            stopping.set()
            other.join()


def test_a_worker_whose_name_was_taken_is_fenced(admin: Admin, settings: KafkaSettings) -> None:
    """The one that comes later wins; nothing that the earlier one does afterwards is seen."""
    admin.create("fence-out", 1, 1, {})
    with TransactionalProducer(settings, "fence-1", advice="name them apart") as old:
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
            assert str(caught.value).endswith("; name them apart")
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
