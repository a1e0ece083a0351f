"""Records out, without transactions: for those who bring audio.

The client never gives a record up by itself: kafka-python 3.0.12, once a record that is on its way has timed out, sends
no other one ever again. So it tries on, which keeps order and numbers, and how long is long enough is decided here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from stream_monitor.errors import BackpressureError
from stream_monitor.kafka.client.connection import (
    BATCH_BYTES,
    LARGEST_RECORD,
    LINGER_MS,
    METADATA_S,
    connection,
    give_up,
)
from stream_monitor.kafka.client.refusals import Refusals, words
from stream_monitor.kafka.errors import BrokerError, PoisonError
from stream_monitor.kafka.settings import KafkaSettings, MiB

WAIT_S: Final = 0.25
"""Whether an end is wanted is asked so often while records are waited for."""
TRIES_S: Final = 86_400.0
"""The client tries for so long: a day, after which brokers forget a producer's numbers."""
REQUEST_S: Final = 30.0
ASK_S: Final = 60.0
"""While records are late it is asked so often whether we are still let in."""

Lost = Callable[[BrokerError], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    """A record on its way."""

    future: Any
    size: int
    topic: str
    key: bytes
    handed_over_s: float
    lost: Lost | None


class Producer:
    """Sends records that are neither lost nor doubled by retries, with a bound on what is on its way.

    A record is late when the brokers have not taken it within `deadline_s`. One that may not be lost is an error then.
    Of those that may, the ones that are on their way stay there, and no more of their key are taken until they arrive.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        in_flight_bytes: int = 64 * MiB,
        deadline_s: float = 120.0,
        left_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Connects.

        Args:
            settings: Where to.
            in_flight_bytes: `send` waits while more than this is not acknowledged; the client itself has no bound.
            deadline_s: How long a record may take, all retries and reconnects included.
            left_s: How long anything may be waited for from now on; None while there is no such bound. At 0 what is not
                acknowledged is given up.

        Raises:
            BrokerError: No broker answers.
            SettingsError: As `connection`.
        """
        self._settings = settings
        self._refusals = Refusals(settings=settings, operation="Write")
        self._limit = in_flight_bytes
        self._deadline_s = deadline_s
        self._left_s = left_s
        self._given_up = False
        self._on_its_way: deque[_Sent] = deque()
        self._bytes = 0
        self._late: set[tuple[str, bytes]] = set()
        """Topics and keys of which a record is late."""
        self._asked_s = float("-inf")
        self._known: set[str] = set()
        """Topics that took a record before."""
        self.sent = 0
        """Records that were acknowledged."""
        try:
            self._client = KafkaProducer(
                **connection(settings),
                metrics_enabled=False,
                acks="all",
                enable_idempotence=True,
                batch_size=BATCH_BYTES,
                linger_ms=LINGER_MS,
                max_request_size=LARGEST_RECORD,
                allow_auto_create_topics=False,
                max_block_ms=round(1e3 * METADATA_S),
                delivery_timeout_ms=round(1e3 * TRIES_S),
                request_timeout_ms=round(1e3 * min(REQUEST_S, deadline_s / 2)),
            )
        except KafkaError as error:
            raise self._refusals.at_start(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes; what is still on its way after an error is given up."""
        if error is not None:
            give_up(self._client)
        elif not self._given_up:
            self._client.close(timeout=self._deadline_s)

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], lost: Lost | None = None
    ) -> None:
        """Hands a record over; waits while too much is on its way.

        Args:
            topic: Where to.
            key: Decides the partition.
            value: What it holds.
            headers: What is said about it.
            lost: The record may be lost, and this is called where it is: not taken, since one of its key is late or
                there is no room, or not delivered when `flush` gives it up. None: it may not.

        Raises:
            BackpressureError: Too much is on its way, and there is no time left.
            AccessError: The brokers do not allow it.
            BrokerError: This record's topic is not there, or a record that may not be lost is late.
            PoisonError: The record is larger than a record may be (code `too_large`).
        """
        while self._on_its_way and self._on_its_way[0].future.is_done:
            self._settle(self._on_its_way.popleft())
        while (full := self._bytes + len(value) > self._limit) and self._on_its_way and not self._late:
            if not self._awaited():
                raise BackpressureError("the brokers took no more records until the end of the time that was left")
            self.settle()
        if (full and self._late) or (topic, key) in self._late:
            if lost is None:
                raise self._too_late(topic)
            return lost(self._too_late(topic))
        try:
            future = self._client.send(topic, value=value, key=key, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise PoisonError("too_large", f"a record of {len(value)} bytes: {LARGEST_RECORD} are allowed") from error
        except KafkaError as error:
            failed = self._failed(topic, error, f"{words(error)}; `stream-monitor topics check` says more")
            if lost is None or topic not in self._known or not isinstance(error, KafkaTimeoutError):
                raise failed from error
            return lost(failed)
        self._on_its_way.append(
            _Sent(future=future, size=len(value), topic=topic, key=key, handed_over_s=time.monotonic(), lost=lost)
        )
        self._bytes += len(value)

    def settle(self) -> None:
        """Looks what has become of the records so far, without waiting; to be called often.

        Raises:
            AccessError: The brokers do not allow it.
            BrokerError: A record was refused, or may not be lost and is late.
        """
        waiting, now_s = deque[_Sent](), time.monotonic()
        self._late.clear()
        for sent in self._on_its_way:
            if sent.future.is_done:
                self._settle(sent)
                continue
            waiting.append(sent)
            if now_s - sent.handed_over_s >= self._deadline_s:
                self._late.add((sent.topic, sent.key))
                if sent.lost is None:
                    raise self._too_late(sent.topic)
        self._on_its_way = waiting
        if self._late and now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            connection(self._settings)

    def flush(self) -> int:
        """Waits until everything is acknowledged; the number of records that were not when no time was left.

        Raises:
            AccessError: The brokers do not allow it.
            BrokerError: A record was refused, or may not be lost and is late.
        """
        self.settle()
        while self._on_its_way and (not self._late or self._left_s() is not None):
            if not self._awaited():
                self._give_up()
                return len(self._on_its_way)
            self.settle()
        for sent in self._on_its_way:
            if sent.lost is not None:
                sent.lost(self._too_late(sent.topic))
        if self._on_its_way:
            self._give_up()
        return 0

    def _give_up(self) -> None:
        self._given_up = True
        give_up(self._client)

    def _awaited(self) -> bool:
        """Waits a while for the oldest record, well or not; False where no time is left."""
        left_s = self._left_s()
        if left_s == 0:
            return False
        with suppress(KafkaError):
            self._on_its_way[0].future.get(timeout=WAIT_S if left_s is None else min(WAIT_S, left_s))
        return True

    def _settle(self, sent: _Sent) -> None:
        self._bytes -= sent.size
        try:
            sent.future.get(timeout=0)
        except KafkaError as error:
            raise self._failed(sent.topic, error, f"a record was not delivered: {words(error)}") from error
        self._known.add(sent.topic)
        self.sent += 1

    def _too_late(self, topic: str) -> BrokerError:
        servers = self._settings.bootstrap_servers
        return BrokerError(f"topic {topic}: a record was not delivered within {self._deadline_s:g} s by {servers}")

    def _failed(self, topic: str, error: KafkaError, what: str) -> BrokerError:
        return replace(self._refusals, topics=(topic,)).of(error, f"topic {topic}: {what}")
