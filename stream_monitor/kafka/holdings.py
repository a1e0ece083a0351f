"""What a worker holds since it took its partitions over: their books, where each stream is at home, who was last heard.

It decides which streams are idle, by the brokers' clock; it knows nothing of Kafka's client, audio or plays.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.partition import PartitionBook, Position
from stream_monitor.segments import StreamKey

Name = tuple[str, str]
"""Kind and id of a stream, whatever its epoch."""


def name_of(stream: StreamKey) -> Name:
    """Kind and id."""
    return stream.kind, stream.stream_id


@dataclass(kw_only=True, slots=True)
class _Clock:
    """A partition's own time: what its records were appended at."""

    now_ms: int = 0
    """That of the newest record, even where the brokers' clock was set back."""
    begun: bool = False
    """Whether anything that is new was read."""
    last_ms: OrderedDict[Name, int | None] = field(default_factory=OrderedDict)
    """Of each stream, the one that was silent for longest first; None where nothing of it was read yet."""


class Holdings:
    """Of one assignment; a new one begins with a new object."""

    def __init__(self, idle_s: float) -> None:
        """Holds nothing.

        Args:
            idle_s: A stream whose partition goes on without it for longer is idle.
        """
        self._idle_ms = 1e3 * idle_s
        self._books: dict[Partition, PartitionBook] = {}
        self._clocks: dict[Partition, _Clock] = {}
        self._home: dict[Name, Partition] = {}
        self._needed: dict[StreamKey, int] = {}

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._books

    def __len__(self) -> int:
        return len(self._books)

    def take(self, partition: Partition, position: Position) -> None:
        """A partition is ours from here on."""
        self._books[partition] = PartitionBook(frontier=position.frontier, read_to=position.replay_from)
        self._clocks[partition] = _Clock()

    def restored(self, stream: StreamKey, home: Partition) -> None:
        """A stream goes on from its snapshot."""
        self._home[name_of(stream)] = home
        self._clocks[home].last_ms[name_of(stream)] = None

    def needs(self, stream: StreamKey, first_sample: int) -> None:
        """A stream that is taken over must be heard again from this sample on."""
        self._needed[stream] = first_sample

    def again(self, record: Received) -> bool:
        """Whether a record was heard before."""
        return record.offset < self._books[record.partition].frontier

    def passed(self, record: Received) -> None:
        """A record that belongs to no open stream is done with."""
        self._books[record.partition].passed(record.offset)

    def heard(self, stream: StreamKey, record: Received, end_sample: int) -> None:
        """A record of an open stream."""
        self._books[record.partition].heard(stream, record.offset, end_sample)
        name, last_ms = name_of(stream), self._clocks[record.partition].last_ms
        self._home[name] = record.partition
        last_ms[name] = record.appended_ms
        last_ms.move_to_end(name)

    def passes(self, record: Received) -> None:
        """A partition's time goes on to that of a record, whatever is in it, and whether or not it was heard before.

        Where the brokers' clock was set back, silence counts from there: else all streams would be idle until the clock
        is again where it was. So who is idle depends only on the records since that stream's last one, and all of
        those are read again after a restart.
        """
        clock = self._clocks[record.partition]
        if record.appended_ms < clock.now_ms:
            for name, heard_ms in clock.last_ms.items():
                clock.last_ms[name] = None if heard_ms is None else min(heard_ms, record.appended_ms)
        clock.now_ms = record.appended_ms

    def idle(self, record: Received, speaking: Name | None) -> list[Name]:
        """Streams that the partition has gone on without for too long, now that a new record has come.

        Args:
            record: The record, which `passes` knows.
            speaking: Whose it is; it speaks, however long it was silent.
        """
        clock = self._clocks[record.partition]
        # Restored streams whose audio is no longer there: their silence counts from the first record that is.
        for name in [] if clock.begun else [name for name, heard_ms in clock.last_ms.items() if heard_ms is None]:
            clock.last_ms[name] = clock.now_ms
            clock.last_ms.move_to_end(name)
        clock.begun = True
        found: list[Name] = []
        for name, heard_ms in clock.last_ms.items():
            if heard_ms is None or heard_ms >= clock.now_ms - self._idle_ms:
                break
            elif name != speaking:
                found.append(name)
        return found

    def home(self, name: Name) -> Partition | None:
        """Where a stream's records are; None where nothing of it was kept."""
        return self._home.get(name)

    def left(self, name: Name) -> None:
        """A stream has ended."""
        home = self._home.pop(name, None)
        if home is not None:
            self._clocks[home].last_ms.pop(name, None)

    def settle(self, going: Iterable[StreamKey]) -> None:
        """Lets go of the records of streams that are not among those that go on."""
        kept = set(going)
        for book in self._books.values():
            for stream in book.streams:
                if stream not in kept:
                    book.closed(stream)
                    self._needed.pop(stream, None)

    def positions(self) -> Mapping[Partition, Position]:
        """What to commit of every partition."""
        return {partition: book.position(self._needed) for partition, book in self._books.items()}
