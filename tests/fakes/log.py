"""A log of audio, events and state in memory, with the protocols of the Kafka client that a worker uses.

What is in a transaction is seen when it is committed, and never where the worker dies before that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from stream_monitor.kafka.client import Membership, Partition, Received
from stream_monitor.kafka.settings import TopicSettings
from tests.fakes.clock import FakeClock

TOPICS = TopicSettings(partitions=1)


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Log:
    """What the brokers hold, as far as it is committed."""

    audio: dict[Partition, list[Received]]
    offsets: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    state: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    letters: int = 0

    def read(self, partition: Partition) -> Iterator[Received]:
        """The state from its beginning."""
        for offset, (key, value) in enumerate(self.state):
            yield Received(partition=partition, offset=offset, appended_ms=0, key=key, value=value, headers=())


class Transactions:
    """As `client.TransactionalProducer`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._sent: list[tuple[str, bytes | None, bytes | None]] = []
        self._offsets: dict[Partition, tuple[int, str]] = {}

    def begin(self) -> None:
        """Nothing is in it."""
        self._sent, self._offsets = [], {}

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: object = (), partition: int | None = None
    ) -> None:
        """Into the transaction."""
        self._sent.append((topic, key, value))

    def send_positions(self, positions: Mapping[Partition, tuple[int, str]], membership: Membership) -> None:
        """Into the transaction."""
        self._offsets.update(positions)

    def commit(self) -> None:
        """All of it is seen."""
        for topic, key, value in self._sent:
            if topic == TOPICS.state:
                self._log.state.append((key, value))
            elif topic == TOPICS.events:
                self._log.events.append(value or b"")
            else:
                self._log.letters += 1
        self._log.offsets.update(self._offsets)


class Polling:
    """As `client.Consumer`; dies at a poll where it is told to."""

    def __init__(self, log: Log, clock: FakeClock, polls: int) -> None:
        self._log = log
        self._clock = clock
        self._left = polls
        self._at: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self.done = False

    def poll(self, wait_s: float, at_most: int) -> list[Received]:
        """A second passes."""
        self._clock.now_s += 1.0
        self._left -= 1
        if self._left == 0:
            raise KilledError
        found: list[Received] = []
        for partition, at in self._at.items():
            if partition not in self._paused:
                taken = self._log.audio[partition][at : at + at_most - len(found)]
                self._at[partition] = at + len(taken)
                found += taken
        self.done = bool(self._at) and not found and not self._paused
        return found

    def membership(self) -> Membership:
        """Alone in the group."""
        return Membership(group=None, generation=("me", 1), partitions=frozenset(self._log.audio))

    def committed(self, partition: Partition) -> tuple[int, str] | None:
        """L and what is written beside it."""
        return self._log.offsets.get(partition)

    def begins(self, partition: Partition) -> int:
        """Nothing is deleted."""
        return 0

    def seek(self, partition: Partition, offset: int) -> None:
        """Reads on from there."""
        self._at[partition] = offset

    def pause(self, partitions: Collection[Partition]) -> None:
        """Not read."""
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        """Read again."""
        self._paused -= set(partitions)
