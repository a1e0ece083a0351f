"""Records between polling and hearing: in order, in turns, bounded, each decoded once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.intake import AHEAD, Intake
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of
from stream_monitor.kafka.segment_audio import Announced
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.segments import Samples, StreamKey

TOPICS = TopicSettings(broadcast="broadcast", uploads="uploads")
PARTITIONS = [Partition(topic=topic, number=number) for topic in ("broadcast", "uploads") for number in range(2)]


class HandDecoder:
    """Decodes when it is told to; a value that begins with `bad` is poison."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.asked: list[tuple[Announced, bytes, Future[Samples]]] = []
        self._at_once = at_once

    def submit(self, whose: str, said: Announced, value: bytes) -> Future[Samples]:
        """A future, done or not."""
        future: Future[Samples] = Future()
        self.asked.append((said, value, future))
        if self._at_once:
            self.finish(len(self.asked) - 1)
        return future

    def finish(self, place: int) -> None:
        """Decodes the nth that was asked for."""
        said, value, future = self.asked[place]
        if value.startswith(b"bad"):
            future.set_exception(PoisonError("undecodable", "it is bad"))
        else:
            future.set_result(np.full(said.samples, said.seq, np.float32))


def record_of(partition: Partition, offset: int, value: bytes = b"audio") -> Received:
    """A segment of one stream of that partition."""
    kind = "upload" if partition.topic == "uploads" else "broadcast"
    stream = StreamKey(kind=kind, stream_id=f"{partition.topic}-{partition.number}", epoch=1)
    said = AudioRecord(
        stream=stream, seq=offset, offset_samples=offset * 10, samples=10, sample_rate=22_050, channels=1,
        content_type=FLAC, captured_at=None,
    )  # fmt: skip
    return Received(
        partition=partition, offset=offset, appended_ms=0, key=key_of(stream), value=value, headers=headers_of(said)
    )


def all_of(intake: Intake) -> Iterator[tuple[Partition, int]]:
    """Everything that is ready, in the order of its turns."""
    while (taken := intake.take(0.0)) is not None:
        yield taken.record.partition, taken.record.offset


@given(counts=st.lists(st.integers(0, 12), min_size=4, max_size=4))
def test_each_partition_is_in_order_and_topics_take_turns(counts: list[int]) -> None:
    """However much waits: as long as both topics have some, no topic has two turns in a row."""
    intake = Intake(HandDecoder(), topics=TOPICS, records=100, megabytes=1)
    for partition, count in zip(PARTITIONS, counts, strict=True):
        for offset in range(count):
            intake.put(record_of(partition, offset), lambda _: True)
    assert len(intake) == sum(counts)
    order = list(all_of(intake))
    for partition, count in zip(PARTITIONS, counts, strict=True):
        assert [offset for each, offset in order if each == partition] == list(range(count))
    left = dict(zip(PARTITIONS, counts, strict=True))
    before: Partition | None = None
    for partition, _ in order:
        waiting = {each.topic for each in PARTITIONS if left[each]}
        if before is not None and len(waiting) == 2:
            assert partition.topic != before.topic
        before = partition
        left[partition] -= 1


def test_a_record_that_is_not_decoded_yet_holds_up_its_own_partition_only() -> None:
    """Others go on; it comes when it is done."""
    decoder = HandDecoder(at_once=False)
    intake = Intake(decoder, topics=TOPICS, records=100, megabytes=1)
    slow, quick = PARTITIONS[0], PARTITIONS[1]
    for partition in (slow, quick):
        intake.put(record_of(partition, 0), lambda _: True)
        intake.put(record_of(partition, 1), lambda _: True)
    decoder.finish(2)
    decoder.finish(1)
    assert list(all_of(intake)) == [(quick, 0)]
    decoder.finish(0)
    assert list(all_of(intake)) == [(slow, 0), (slow, 1)]
    decoder.finish(3)
    assert list(all_of(intake)) == [(quick, 1)]


def test_a_partition_is_full_by_records_and_by_bytes_and_has_room_again_at_half() -> None:
    """Others are not."""
    intake = Intake(HandDecoder(), topics=TOPICS, records=4, megabytes=1)
    first, second = PARTITIONS[0], PARTITIONS[2]
    for offset in range(4):
        intake.put(record_of(first, offset), lambda _: True)
    intake.put(record_of(second, 0, b"x" * (1 << 20)), lambda _: True)
    assert intake.full == {first, second}
    assert intake.roomy == set()
    assert intake.valves() == ({first, second}, set())
    assert intake.valves() == (set(), set())  # told once
    intake.take(0.0), intake.take(0.0), intake.take(0.0)
    assert intake.full == set()
    assert intake.roomy == {first, second}
    assert intake.valves() == (set(), {first, second})
    assert intake.valves() == (set(), set())


def test_only_some_are_decoded_ahead_and_what_is_not_wanted_never() -> None:
    """Samples are a hundred times what they were encoded to."""
    decoder = HandDecoder(at_once=False)
    intake = Intake(decoder, topics=TOPICS, records=100, megabytes=1)
    for offset in range(2 * AHEAD):
        intake.put(record_of(PARTITIONS[0], offset), lambda said: said.seq % 2 == 1)
    assert [said.seq for said, _, _ in decoder.asked] == list(range(1, AHEAD, 2))
    taken = intake.take(0.0)
    assert taken is not None
    assert (taken.segment, taken.poison) == (None, None)
    assert taken.said is not None
    intake.clear()
    assert len(intake) == 0
    assert all(future.cancelled() for _, _, future in decoder.asked)


@pytest.mark.parametrize("headers", [True, False])
def test_poison_comes_in_its_turn_with_what_it_says_of_itself(headers: bool) -> None:
    """Whether its headers or its audio cannot be read."""
    intake = Intake(HandDecoder(), topics=TOPICS, records=100, megabytes=1)
    good = record_of(PARTITIONS[0], 0)
    bad = record_of(PARTITIONS[0], 1, b"bad audio")
    if not headers:
        bad = Received(
            partition=bad.partition, offset=1, appended_ms=0, key=bad.key, value=bad.value, headers=[("ce_type", b"x")]
        )
    for record in (good, bad):
        intake.put(record, lambda _: True)
    first, second = intake.take(0.0), intake.take(0.0)
    assert first is not None
    assert first.segment is not None
    assert second is not None
    assert second.segment is None
    assert second.poison is not None
    assert (second.poison.code, second.said is not None) == (
        ("undecodable", True) if headers else ("wrong_type", False)
    )
    assert (second.stream_id, second.odd_upload) == (("broadcast-0" if headers else None), None)


def test_poison_may_still_say_whose_it_is() -> None:
    """An upload whose headers are not all there: the key and two of them name it."""
    intake = Intake(HandDecoder(), topics=TOPICS, records=100, megabytes=1)
    good = record_of(PARTITIONS[2], 0)
    headers = [(name, value) for name, value in good.headers if name in ("ce_streamid", "ce_kind")]
    assert intake.put(good, lambda _: True) is not None
    said = intake.put(replace(good, offset=1, headers=headers), lambda _: True)
    assert said is None
    intake.take(0.0)
    taken = intake.take(0.0)
    assert taken is not None
    assert (taken.segment, taken.stream_id, taken.odd_upload) == (None, "uploads-0", "uploads-0")


@pytest.mark.parametrize(("here", "other"), [(0, 2), (2, 0)])
def test_a_stream_in_the_topic_of_the_other_kind_is_poison(here: int, other: int) -> None:
    """Nothing of it is decoded, and it is told where such streams go; those that are right there go on."""
    decoder = HandDecoder()
    intake = Intake(decoder, topics=TOPICS, records=100, megabytes=1)
    astray = replace(record_of(PARTITIONS[other], 0), partition=PARTITIONS[here])
    assert intake.put(astray, lambda _: True) is None
    assert intake.put(record_of(PARTITIONS[here], 1), lambda _: True) is not None
    first, second = intake.take(0.0), intake.take(0.0)
    assert first is not None
    assert first.poison is not None
    assert first.poison.code == "wrong_topic"
    assert f"which is sent to {PARTITIONS[other].topic}" in str(first.poison)
    assert (first.segment, first.stream_id, first.odd_upload) == (None, f"{PARTITIONS[other].topic}-0", None)
    assert second is not None
    assert second.segment is not None
    assert len(decoder.asked) == 1
