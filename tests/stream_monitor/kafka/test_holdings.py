"""What a worker holds: idle streams against a simple model, and positions of partitions with and without streams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.holdings import Holdings, Name, name_of
from stream_monitor.kafka.partition import Position
from stream_monitor.segments import StreamKey

HERE = Partition(topic="broadcast", number=0)
STREAMS = [StreamKey(kind="broadcast", stream_id=name, epoch=1) for name in "abcd"]


def record_at(offset: int, appended_ms: int) -> Received:
    """A record of this partition."""
    return Received(partition=HERE, offset=offset, appended_ms=appended_ms, key=b"", value=b"", headers=())


def idle(holdings: Holdings, record: Received, speaking: StreamKey) -> list[Name]:
    """Who is idle when a record comes."""
    holdings.passes(record)
    return holdings.idle(record, name_of(speaking))


def held() -> Holdings:
    """One partition, from its beginning."""
    holdings = Holdings(idle_s=10.0)
    holdings.take(HERE, Position(replay_from=0, frontier=0))
    return holdings


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9_000)), max_size=60))
def test_idle_are_those_the_partition_went_on_without_for_too_long(steps: list[tuple[int, int]]) -> None:
    """Whoever speaks, at whatever distance: as a model that remembers everybody's last record."""
    holdings, last_ms, now_ms = held(), dict[StreamKey, int](), 0
    for offset, (who, later_ms) in enumerate(steps):
        now_ms += later_ms
        stream, record = STREAMS[who], record_at(offset, now_ms)
        expected = {name_of(s) for s, heard_ms in last_ms.items() if heard_ms < now_ms - 10_000 and s != stream}
        assert set(idle(holdings, record, stream)) == expected
        for name in expected:
            holdings.left(name)
        last_ms = {s: heard_ms for s, heard_ms in last_ms.items() if name_of(s) not in expected}
        holdings.heard(stream, record, 10 * offset)
        last_ms[stream] = now_ms


def test_a_restored_stream_whose_audio_is_gone_becomes_idle_all_the_same() -> None:
    """Its silence counts from the first new record."""
    holdings = held()
    holdings.restored(STREAMS[0], HERE)
    speaking = STREAMS[1]
    assert idle(holdings, record_at(5, 1_000_000), speaking) == []
    assert idle(holdings, record_at(6, 1_009_000), speaking) == []
    assert idle(holdings, record_at(7, 1_010_001), speaking) == [name_of(STREAMS[0])]


def test_a_clock_that_is_set_back_makes_nobody_idle() -> None:
    """The brokers' clock was an hour fast: silence counts from where it stands now, and is noticed all the same."""
    holdings = held()
    first, second = STREAMS[:2]
    assert idle(holdings, record_at(0, 3_600_000), first) == []
    holdings.heard(first, record_at(0, 3_600_000), 10)
    assert idle(holdings, record_at(1, 0), second) == []
    holdings.heard(second, record_at(1, 0), 10)
    assert idle(holdings, record_at(2, 10_000), second) == []
    assert idle(holdings, record_at(3, 10_001), second) == [name_of(first)]


def test_positions_keep_what_open_streams_need() -> None:
    """Until they end, or need it no more; what belongs to none is passed."""
    holdings = held()
    first, second = STREAMS[:2]
    for offset in range(6):
        holdings.heard((first, second)[offset % 2], record_at(offset, offset), 100 * (offset + 1))
    holdings.passed(record_at(6, 6))
    holdings.needs(first, 350)
    assert holdings.positions() == {HERE: Position(replay_from=1, frontier=7)}
    holdings.needs(second, 450)
    assert holdings.positions() == {HERE: Position(replay_from=4, frontier=7)}
    holdings.settle([second])
    assert holdings.positions() == {HERE: Position(replay_from=5, frontier=7)}
    assert holdings.again(record_at(6, 9))
    assert not holdings.again(record_at(7, 9))
    holdings.settle([])
    assert holdings.positions() == {HERE: Position(replay_from=7, frontier=7)}
    assert holdings.home(name_of(first)) == HERE
    holdings.left(name_of(first))
    assert holdings.home(name_of(first)) is None
