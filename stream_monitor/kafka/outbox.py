"""All that a worker says, in one transaction: events, snapshots, dead letters, offsets. It decides nothing.

A transaction is opened, filled and committed at once; while audio is heard none is open. A commit has no time-out of
its own, so a watchdog ends the process where one does not come back: nobody could say what became of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from stream_monitor.kafka.client import LARGEST_RECORD, Membership, Partition, Received, TransactionalProducer
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.letter import about, draft
from stream_monitor.kafka.partition import Aside, Position
from stream_monitor.kafka.settings import ServiceSettings, TopicSettings, dead_letters
from stream_monitor.kafka.watchdog import watched
from stream_monitor.sink import Event

log = structlog.get_logger(__name__)

Labelled = Callable[[str], None]
"""Called at places where a process may end in the worst way; tests end it there."""

HeadersOf = Callable[[Event], Sequence[tuple[str, bytes]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class StateRecord:
    """A stream's snapshot; without a value, its tombstone."""

    key: bytes
    partition: int
    value: bytes | None


class Outbox:
    """One worker's."""

    def __init__(
        self,
        producer: TransactionalProducer,
        *,
        topics: TopicSettings,
        settings: ServiceSettings,
        at: Labelled = lambda _: None,
        headers: HeadersOf = lambda _: (),
        letter_bytes: int = LARGEST_RECORD,
    ) -> None:
        """Prepares.

        Args:
            producer: Of this worker.
            topics: Names.
            settings: How long a transaction may take.
            at: See `Labelled`.
            headers: Of an event's record; they are no part of the event.
            letter_bytes: How large a dead letter may be.
        """
        self._producer = producer
        self._topics = topics
        self._settings = settings
        self._at = at
        self._headers = headers
        self._letter_bytes = letter_bytes

    def commit(
        self,
        *,
        events: Sequence[Event],
        states: Sequence[StateRecord],
        poison: Sequence[tuple[Received, PoisonError]],
        positions: Mapping[Partition, Position],
        membership: Membership,
    ) -> None:
        """Says all of it, or nothing.

        Raises:
            FencedError: Another worker has taken over; nothing was said.
            BrokerError: It failed, and perhaps nobody knows what was said: the caller ends.
        """
        with watched(self._settings.watchdog_s):
            self._producer.begin()
            for event in events:
                key = event["data"]["stream_id"].encode()
                self._producer.send(self._topics.events, key, _json(event), self._headers(event))
            self._at("after send")
            for state in states:
                self._producer.send(self._topics.state, state.key, state.value, partition=state.partition)
            for record, error in poison:
                self._send_dead_letter(record, error)
            self._at("before offsets")
            offsets = {
                partition: (position.replay_from, self._about(position)) for partition, position in positions.items()
            }
            self._producer.send_positions(offsets, membership)
            self._at("before commit")
            self._producer.commit()
        self._at("after commit")

    def _about(self, position: Position) -> str:
        return Aside(frontier=position.frontier, partitions=self._topics.partitions).to_text()

    def _send_dead_letter(self, record: Received, error: PoisonError) -> None:
        notes = about(record, error.code, str(error))
        # The key is the stream's id, and all that is known of whose it is where headers are what is wrong.
        log.error("a record cannot be read", stream=(record.key or b"").decode(errors="replace")[:80], **notes)
        letter = draft(record, notes, self._letter_bytes)
        self._producer.send(dead_letters(record.partition.topic), letter.key, letter.value, letter.headers)


def _json(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
