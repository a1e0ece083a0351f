"""A log of audio, events and state in memory, with the protocols of the Kafka client that a worker uses.

What is in a transaction is seen when it is committed, and never where the worker dies before that; what it has sent
then lies in the state, open, and hides all that comes behind it until somebody waits for the brokers to abort it. A
group gives its member other partitions at moments that are set beforehand. It knows nothing of what the records hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream_monitor.kafka.client import Membership, Partition, Received
from stream_monitor.kafka.errors import FencedError
from stream_monitor.kafka.settings import TopicSettings
from tests.fakes.clock import FakeClock

TOPICS = TopicSettings(partitions=2)


class KilledError(BaseException):
    """The process ends here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """What becomes of one worker."""

    shares: tuple[frozenset[Partition], ...]
    """What the group gives it, one after the other; it keeps the last."""
    every: int = 1
    """So many looks at the group, whatever is asked of the consumer, each of the others lasts."""
    label: str = "never"
    """Where it dies ..."""
    times: int = 1
    """... when it comes there for the nth time."""


@dataclass(eq=False)
class Transaction:
    """What brokers know of one."""

    ended: Literal["committed", "aborted"] | None = None
    offsets: dict[Partition, tuple[int, str]] = field(default_factory=dict)


@dataclass
class Log:
    """What the brokers hold."""

    audio: dict[Partition, list[Received]]
    offsets: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    state: dict[int, list[tuple[bytes | None, bytes | None, Transaction]]] = field(default_factory=dict)
    events: list[bytes] = field(default_factory=list)
    letters: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)

    def read(
        self, partition: Partition, *, settled: bool = False, between: Callable[[], None] = lambda: None
    ) -> Iterator[Received]:
        """A partition of the state from its beginning to the first open transaction; with `settled` none stays open."""
        records = self.state.get(partition.number, [])
        if settled:
            abort(*(transaction for _, _, transaction in records))
        for offset, (key, value, transaction) in enumerate(records):
            if transaction.ended is None:
                return
            if transaction.ended == "committed":
                yield Received(partition=partition, offset=offset, appended_ms=0, key=key, value=value, headers=())
        between()

    def open_streams(self) -> set[bytes | None]:
        """Keys of which the newest snapshot is no tombstone."""
        partitions = [Partition(topic=TOPICS.state, number=number) for number in self.state]
        newest = {record.key: record.value for each in partitions for record in self.read(each, settled=True)}
        return {key for key, value in newest.items() if value is not None}


def abort(*transactions: Transaction) -> None:
    """The time of those that are open is over."""
    for transaction in transactions:
        transaction.ended = transaction.ended or "aborted"


class Polling:
    """As `client.Consumer`; dies at a poll where it is told to."""

    def __init__(self, log: Log, clock: FakeClock, life: Life) -> None:
        self._log = log
        self._clock = clock
        self._life = life
        self._looks = -1
        self._polls = 0
        self._share = -1
        self._at: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self.done = False

    def poll(self, wait_s: float, at_most: int) -> list[Received]:
        """A second passes; partitions take turns, and give now more, now less."""
        self._clock.now_s += 1.0
        self._polls += 1
        if self._life.label == "poll" and self._polls == self._life.times:
            raise KilledError
        self._look()
        found: list[Received] = []
        order = sorted(self._at)
        for place in range(len(order)):
            partition = order[(place + self._polls) % len(order)]
            if partition not in self._paused:
                at, share = self._at[partition], 1 + (place + self._polls) % 3
                taken = self._log.audio[partition][at : at + min(share, at_most - len(found))]
                self._at[partition] = at + len(taken)
                found += taken
        self.done = not found and not self._paused and self._share == len(self._life.shares) - 1
        return found

    def membership(self) -> Membership:
        """Who we are and what is ours now."""
        self._look()
        return self.present

    def stay(self, membership: Membership) -> bool:
        """Whether the group has gone on."""
        return self.membership() == membership

    @property
    def present(self) -> Membership:
        """As the group sees it."""
        partitions = self._life.shares[self._share]
        return Membership(group=None, generation=("me", self._share), partitions=partitions)

    def _look(self) -> None:
        """The group may have given us other partitions: where nobody seeks, reading begins at what is committed."""
        self._looks += 1
        share = min(self._looks // self._life.every, len(self._life.shares) - 1)
        if share != self._share:
            self._share, self._paused = share, set()
            self._at = {each: self._log.offsets.get(each, (0, ""))[0] for each in self._life.shares[share]}

    def committed(self, partition: Partition, between: object = None) -> tuple[int, str] | None:
        """L and what is written beside it, after the end of an open transaction that would change them."""
        entries = [transaction for records in self._log.state.values() for _, _, transaction in records]
        abort(*(each for each in entries if partition in each.offsets))
        return self._log.offsets.get(partition)

    def begins(self, partition: Partition) -> int:
        """Nothing is deleted."""
        return 0

    def seek(self, partition: Partition, offset: int) -> None:
        """Reads on from there, where it is ours still."""
        self._look()
        if partition in self._at:
            self._at[partition] = offset

    def pause(self, partitions: Collection[Partition]) -> None:
        """Those that are ours still are not read."""
        self._look()
        self._paused |= set(partitions) & set(self._at)

    def resume(self, partitions: Collection[Partition]) -> None:
        """Read again."""
        self._look()
        self._paused -= set(partitions)


class Transactions:
    """As `client.TransactionalProducer`."""

    def __init__(self, log: Log, consumer: Polling) -> None:
        self._log = log
        self._consumer = consumer
        self._open = Transaction()
        self._sent: list[tuple[str, bytes | None, bytes | None]] = []

    def begin(self) -> None:
        """Nothing is in it."""
        self._open, self._sent = Transaction(), []

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: object = (), partition: int | None = None
    ) -> None:
        """Into the transaction."""
        if topic == TOPICS.state and partition is not None:
            self._log.state.setdefault(partition, []).append((key, value, self._open))
        else:
            self._sent.append((topic, key, value))

    def send_positions(self, positions: Mapping[Partition, tuple[int, str]], membership: Membership) -> None:
        """Into the transaction; refused where the group has gone on, or has given the partitions to others."""
        if membership != self._consumer.present or set(positions) != membership.partitions:
            raise FencedError("the partitions are no longer ours")
        self._open.offsets.update(positions)

    def commit(self) -> None:
        """All of it is seen."""
        for topic, key, value in self._sent:
            if topic == TOPICS.events:
                self._log.events.append(value or b"")
            else:
                self._log.letters.append((key, value))
        self._open.ended = "committed"
        self._log.offsets.update(self._open.offsets)
