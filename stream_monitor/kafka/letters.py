"""The dead letters of some topics: read, chosen, and sent back to where they came from. It knows nothing of audio.

Each letter goes back once: with it, in one transaction, goes its receipt (`letter.py`). Two replays at a time cannot
double anything: the second one takes over the transactional id, which ends the first, and only then reads which letters
have receipts. Topics are read as streams; what is held in memory is one transaction and one number a receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from stream_monitor.kafka.client import Admin, LogReader, Partition
from stream_monitor.kafka.errors import TopicError
from stream_monitor.kafka.letter import Letter, letter_of, receipt, receipt_of
from stream_monitor.kafka.settings import MiB, dead_letters
from stream_monitor.kafka.watchdog import watched

BATCH_LETTERS: Final = 200
BATCH_BYTES: Final = 16 * MiB
"""One transaction holds no more than this, so that it is committed well within its time."""


class Postman(Protocol):
    """Sends in transactions; `kafka.client.TransactionalProducer` is one."""

    def begin(self) -> None: ...

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None: ...

    def commit(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which letters are meant; nothing given is all of them."""

    codes: frozenset[str] = frozenset()
    offsets: frozenset[int] = frozenset()

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        return (not self.codes or letter.code in self.codes) and (not self.offsets or letter.offset in self.offsets)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A letter, and whether it has been sent back."""

    letter: Letter
    replayed: bool


@dataclass(kw_only=True, slots=True)
class Replayed:
    """How a replay went."""

    sent: int = 0
    before: int = 0
    """Left alone, since they were sent back before."""
    refused: int = 0
    """Sent back too often already, without their records, or no letters of ours."""


def letter_topics(admin: Admin, audio: Sequence[str], named: Sequence[str]) -> list[Partition]:
    """The partitions of the dead letters.

    Args:
        admin: Asked which partitions there are.
        audio: The service's own topics, whose letters are meant where none is named.
        named: Topics, or topics of dead letters.

    Raises:
        TopicError: There is no such topic of dead letters.
        BrokerError: The brokers refuse.
    """
    found = []
    for name in dict.fromkeys(named or audio):
        topic = name if name.endswith(dead_letters("")) else dead_letters(name)
        state = admin.describe(topic, [])
        if state is None:
            raise TopicError(f"there is no topic {topic}; `stream-monitor topics create` makes those of the service")
        found += [Partition(topic=topic, number=number) for number in range(state.partitions)]
    return found


def letters(reader: LogReader, place: Partition, wanted: Wanted) -> Iterator[Found]:
    """The letters of a partition that are meant, oldest first. It is read twice: receipts stand behind their letters,
    and some behind a transaction that a dead worker left open, whose end is waited for.

    Raises:
        BrokerError: The brokers refuse, or it takes too long.
    """
    done = {offset for record in reader.read(place, settled=True) if (offset := receipt_of(record)) is not None}
    for record in reader.read(place):
        if receipt_of(record) is None and wanted.takes(letter := letter_of(record)):
            yield Found(letter=letter, replayed=letter.offset in done)


def replay(
    found: Iterable[Found],
    postman: Postman | None,
    *,
    partitions: Callable[[str], int],
    most: int,
    again: bool = False,
    watchdog_s: float,
    tell: Callable[[Letter, str], None] = lambda *_: None,
) -> Replayed:
    """Sends letters back to the partitions that they came from, each with its receipt.

    Args:
        found: The letters.
        postman: What takes them; None sends nothing and tells what would become of them.
        partitions: How many a topic has; 0 where there is none.
        most: A letter that was sent back so often is refused.
        again: Also those that have a receipt.
        watchdog_s: A transaction that takes longer ends the process.
        tell: Called with each letter and with what becomes of it.

    Raises:
        FencedError: Another replay has begun.
        BrokerError: Something could not be sent; what was committed before stays sent.
    """
    result, held, held_bytes = Replayed(), list[Letter](), 0
    for each in found:
        letter = each.letter
        if each.replayed and not again:
            result.before += 1
            tell(letter, "was sent back before")
        elif (reason := _refusal(letter, partitions, most)) is not None:
            result.refused += 1
            tell(letter, f"{reason}: stays")
        else:
            tell(letter, "goes back")
            held.append(letter)
            held_bytes += letter.size_bytes
        if len(held) >= BATCH_LETTERS or held_bytes >= BATCH_BYTES:
            result.sent += _send(held, postman, watchdog_s)
            held, held_bytes = [], 0
    result.sent += _send(held, postman, watchdog_s)
    return result


def _refusal(letter: Letter, partitions: Callable[[str], int], most: int) -> str | None:
    """Why a letter cannot go back; None where it can."""
    where = letter.origin
    if where is None:
        return "does not say where it was"
    if letter.left_out_bytes:
        return (
            f"holds nothing of its record, which was too large for a letter: its {letter.left_out_bytes} bytes are at"
            f" offset {letter.origin_offset} of {where.topic}-{where.number} as long as that topic keeps them"
        )
    if letter.replays >= most:
        return f"was sent back {letter.replays} times and could not be read each time"
    if where.number >= (count := partitions(where.topic)):
        return f"topic {where.topic} has no partition {where.number}" if count else f"there is no topic {where.topic}"
    return None


def _send(held: Sequence[Letter], postman: Postman | None, watchdog_s: float) -> int:
    """One transaction; how many went with it."""
    if not held or postman is None:
        return len(held)
    with watched(watchdog_s):
        postman.begin()
        for letter in held:
            if letter.origin is not None:
                where = letter.origin
                postman.send(where.topic, letter.key, letter.value, letter.headers_again(), where.number)
                postman.send(letter.place.topic, letter.key, b"", receipt(letter), letter.place.number)
        postman.commit()
    return len(held)
