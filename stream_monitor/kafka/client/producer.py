"""Records out, without transactions: for those who bring audio."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

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


class Producer:
    """Sends records that are neither lost nor doubled by retries, with a bound on what is on its way."""

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
        self._refusals = Refusals(settings=settings, operation="Write")
        self._limit = in_flight_bytes
        self._deadline_s = deadline_s
        self._left_s = left_s
        self._given_up = False
        self._on_its_way: deque[tuple[Any, int, str]] = deque()
        self._bytes = 0
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
                delivery_timeout_ms=round(1e3 * deadline_s),
                request_timeout_ms=min(30_000, round(1e3 * deadline_s / 2)),
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

    def send(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """Hands a record over; waits while too much is on its way.

        Raises:
            BackpressureError: Too much is on its way, and there is no time left.
            BrokerError: This record's topic is not there, or an earlier record could not be delivered.
            PoisonError: The record is larger than a record may be (code `too_large`).
        """
        while self._on_its_way and (self._on_its_way[0][0].is_done or self._bytes + len(value) > self._limit):
            if not self._awaited():
                raise BackpressureError("the brokers took no more records until the end of the time that was left")
            self._settle()
        try:
            future = self._client.send(topic, value=value, key=key, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise PoisonError("too_large", f"a record of {len(value)} bytes: {LARGEST_RECORD} are allowed") from error
        except KafkaError as error:
            raise self._failed(topic, error, f"{words(error)}; `stream-monitor topics check` says more") from error
        self._on_its_way.append((future, len(value), topic))
        self._bytes += len(value)

    def flush(self) -> int:
        """Waits until everything is acknowledged; the number of records that were not when no time was left.

        Raises:
            BrokerError: Something could not be delivered in time.
        """
        while self._on_its_way:
            if not self._awaited():
                self._given_up = True
                give_up(self._client)
                return len(self._on_its_way)
            self._settle()
        return 0

    def _awaited(self) -> bool:
        """Waits for the oldest record, well or not, unless no time is left; whether it is done."""
        future, until_s = self._on_its_way[0][0], time.monotonic() + self._deadline_s
        while not future.is_done and time.monotonic() < until_s and (left_s := self._left_s()) != 0:
            with suppress(KafkaError):
                future.get(timeout=WAIT_S if left_s is None else min(WAIT_S, left_s))
        return bool(future.is_done) or time.monotonic() >= until_s

    def _settle(self) -> None:
        future, size, topic = self._on_its_way.popleft()
        self._bytes -= size
        try:
            future.get(timeout=self._deadline_s)
        except KafkaError as error:
            raise self._failed(topic, error, f"a record was not delivered: {words(error)}") from error
        self.sent += 1

    def _failed(self, topic: str, error: KafkaError, what: str) -> BrokerError:
        return replace(self._refusals, topics=(topic,)).of(error, f"topic {topic}: {what}")
