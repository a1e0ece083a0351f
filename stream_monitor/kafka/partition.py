"""One partition's book: which offset must be kept so that every open stream can be made again, and how far it is heard.

L, the offset that is committed, is that of the oldest record that an open stream still needs; without open streams
it is F, the frontier: the first record that nobody has heard. It knows nothing of Kafka, audio or snapshots.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_monitor.segments import StreamKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A record of a stream: where it is, and up to which sample of its stream it reaches."""

    offset: int
    end_sample: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """What is committed of a partition."""

    replay_from: int
    """L: where a worker that takes over begins to read."""
    frontier: int
    """F: the first offset that nobody has heard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Aside:
    """What a worker writes beside a committed offset."""

    frontier: int
    partitions: int | None
    """How many the topic had; None where that is of a time when nobody wrote it."""

    def to_text(self) -> str:
        """As it is committed."""
        return json.dumps({"frontier": self.frontier, "partitions": self.partitions})

    @classmethod
    def of(cls, text: str) -> Aside | None:
        """Reads it; None where no worker wrote it, as of an offset that somebody has reset."""
        try:
            found = json.loads(text)
            partitions = found.get("partitions")
            return cls(frontier=int(found["frontier"]), partitions=None if partitions is None else int(partitions))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(kw_only=True, slots=True)
class PartitionBook:
    """The book of one partition; offsets only rise."""

    frontier: int
    read_to: int
    """Where reading stands: below the frontier while what was heard before is heard again."""
    _streams: dict[StreamKey, deque[Kept]] = field(default_factory=dict)

    @property
    def streams(self) -> tuple[StreamKey, ...]:
        """Streams that records are kept for."""
        return tuple(self._streams)

    def heard(self, stream: StreamKey, offset: int, end_sample: int) -> None:
        """A record of an open stream was heard.

        Raises:
            ValueError: The offset is not above the stream's last one.
        """
        records = self._streams.setdefault(stream, deque())
        if records and offset <= records[-1].offset:
            raise ValueError(f"offset {offset} of {stream.stream_id!r} after {records[-1].offset}")
        records.append(Kept(offset=offset, end_sample=end_sample))
        self.passed(offset)

    def passed(self, offset: int) -> None:
        """A record that belongs to no open stream is done with: unreadable, late, or the last of its stream."""
        self.frontier = max(self.frontier, offset + 1)
        self.read_to = max(self.read_to, offset + 1)

    def closed(self, stream: StreamKey) -> None:
        """A stream has ended: nothing of it is needed any more. One that is not known is no error."""
        self._streams.pop(stream, None)

    def position(self, needed_from: Mapping[StreamKey, int]) -> Position:
        """What to commit; lets go of the records that nobody needs.

        Args:
            needed_from: For each open stream the first sample that must be heard again. A stream that is not named
                keeps all its records.
        """
        # Streams whose records come only now are not in the book yet, and need them all the same.
        oldest = min(self.frontier, self.read_to)
        for stream, records in self._streams.items():
            first = needed_from.get(stream)
            while first is not None and len(records) > 1 and records[0].end_sample <= first:
                records.popleft()
            if records:
                oldest = min(oldest, records[0].offset)
        return Position(replay_from=oldest, frontier=self.frontier)
