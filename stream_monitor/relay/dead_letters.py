"""Events that cannot be told, to the dead letters of their topic. It decides about none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from stream_monitor.kafka.client import Producer, Received
from stream_monitor.kafka.errors import BrokerError, PoisonError
from stream_monitor.kafka.letter import MESSAGE_CHARS, ROUTE, about
from stream_monitor.kafka.settings import KafkaSettings, dead_letters
from stream_monitor.relay.backoff import Backoff

log = structlog.get_logger(__name__)

DEADLINE_S: Final = 30.0


class DeadLetters:
    """Those of one route. It connects with the first letter, and for each anew: letters are rare."""

    def __init__(self, settings: KafkaSettings, route: str, backoff: Backoff) -> None:
        """Connects to nothing.

        Args:
            settings: Where to.
            route: Who could not tell them.
            backoff: Waits while Kafka takes none.
        """
        self._settings = settings
        self._route = route
        self._backoff = backoff
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"dead letters of {route}")
        self._complaint: str | None = None

    def complaints(self) -> Sequence[str]:
        """Why a letter waits."""
        return () if self._complaint is None else (self._complaint,)

    async def send(self, record: Received, code: str, message: str) -> None:
        """Returns once it is there, however long that takes: a record is not passed by before.

        Raises:
            AccessError: It may not be written.
        """
        notes = about(record, code, message[:MESSAGE_CHARS]) | {ROUTE: self._route}
        log.error("an event goes to the dead letters", **notes)
        headers = [(name, value) for name, value in record.headers if value is not None and name != ROUTE]
        headers += [(name, text.encode(errors="backslashreplace")) for name, text in notes.items()]
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._send, record, headers)
            except BrokerError as error:
                if not error.retriable:
                    raise
                self._complaint = f"{self._route}: a dead letter cannot be written: {error}"
                log.warning("a dead letter cannot be written; it is tried again", route=self._route, reason=str(error))
                await asyncio.sleep(self._backoff.next_s())
            else:
                self._complaint = None
                self._backoff.reset()
                return

    def close(self) -> None:
        """No more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _send(self, record: Received, headers: list[tuple[str, bytes]]) -> None:
        topic = dead_letters(record.partition.topic)
        with Producer(self._settings, deadline_s=DEADLINE_S) as producer:
            try:
                producer.send(topic, record.key or b"", record.value or b"", headers)
            except PoisonError:  # with what is written on it, it is larger than a record may be
                producer.send(topic, record.key or b"", b"", headers)
            producer.flush()
