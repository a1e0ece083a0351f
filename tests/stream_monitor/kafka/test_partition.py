"""A partition's book against the plain definition: nothing that is needed is let go, nothing else is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.kafka.partition import PartitionBook, Position
from stream_monitor.segments import StreamKey


def key(name: int) -> StreamKey:
    """One of a few streams."""
    return StreamKey(kind="broadcast", stream_id=f"s{name}")


STEPS = st.lists(
    st.tuples(st.sampled_from(["heard", "heard", "heard", "passed", "closed", "commit"]), st.integers(0, 2)),
    max_size=60,
)


@settings(deadline=None)
@given(steps=STEPS, memory=st.integers(0, 40))
def test_the_committed_offset_is_the_oldest_that_an_open_stream_needs(
    steps: list[tuple[str, int]], memory: int
) -> None:
    """For any order of records, endings and commits; F is the first offset that nobody has heard."""
    book = PartitionBook(frontier=0, read_to=0)
    records: dict[int, list[tuple[int, int]]] = {}
    offset = 0
    for what, name in steps:
        if what == "heard":
            own = records.setdefault(name, [])
            own.append((offset, (own[-1][1] if own else 0) + 5))
            book.heard(key(name), *own[-1])
            offset += 1
        elif what == "passed":
            book.passed(offset)
            offset += 1
        elif what == "closed":
            records.pop(name, None)
            book.closed(key(name))
        else:
            first = {name: max(0, own[-1][1] - memory) for name, own in records.items()}
            # The newest record is kept in any case: it says where the stream stands.
            needed = [
                place for name, own in records.items() for place, end in own if end > first[name] or place == own[-1][0]
            ]
            found = book.position({key(name): sample for name, sample in first.items()})
            assert found == Position(replay_from=min(needed, default=offset), frontier=offset)


def test_a_stream_that_names_no_need_keeps_all() -> None:
    """Nothing is let go by mistake."""
    book = PartitionBook(frontier=10, read_to=10)
    for place in range(10, 15):
        book.heard(key(0), place, 100 * place)
    assert book.position({}) == Position(replay_from=10, frontier=15)


def test_offsets_only_rise() -> None:
    """A record that comes twice is a fault of the caller."""
    book = PartitionBook(frontier=0, read_to=0)
    book.heard(key(0), 7, 100)
    with pytest.raises(ValueError, match="offset 7 of 's0' after 7"):
        book.heard(key(0), 7, 200)


def test_what_was_not_heard_again_yet_is_kept() -> None:
    """A commit for another partition's sake, in the middle of a replay, does not let go of what is still to come."""
    book = PartitionBook(frontier=20, read_to=10)
    assert book.position({key(0): 0}) == Position(replay_from=10, frontier=20)
    book.passed(10)
    book.passed(14)
    assert book.position({key(0): 0}) == Position(replay_from=15, frontier=20)
    book.heard(key(0), 15, 100)
    book.passed(19)
    assert book.position({key(0): 0}) == Position(replay_from=15, frontier=20)
    book.passed(20)
    book.closed(key(0))
    assert book.position({}) == Position(replay_from=21, frontier=21)
