"""Events to one address by POST, tried again while that may help. It knows nothing of Kafka.

| answer | what follows |
|---|---|
| 2xx | taken |
| 408, 429, 5xx, none in time, no connection | tried again, after Retry-After where it is given |
| any other (redirects are not followed) | given up at once: the same request would get the same answer |
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx
import structlog

from stream_monitor.errors import SettingsError
from stream_monitor.relay.alert import TRACEPARENT, Alert
from stream_monitor.relay.backoff import Backoff
from stream_monitor.relay.destination import Delivery, UndeliverableError
from stream_monitor.secret_file import secret_in
from stream_monitor.telemetry.relay_metrics import RelayMetrics
from stream_monitor.webhooks.settings import ONE_LINE, WebhookSettings, can_be_sent
from stream_monitor.webhooks.signature import secret_of, signature

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/cloudevents+json"
AGAIN: Final = frozenset({408, 429})


class WebhookDestination:
    """One address."""

    tells_plays = False
    reconnects, lingers_s = 0, 0.0

    def __init__(self, settings: WebhookSettings, metrics: RelayMetrics) -> None:
        """Connects to nothing.

        Args:
            settings: Where to, and how.
            metrics: What is counted.

        Raises:
            SettingsError: A file cannot be read.
        """
        self.name = settings.name
        self._settings = settings
        self._metrics = metrics
        self._secret = None if settings.secret_file is None else secret_of(settings.secret_file)
        secrets = {name: _secret_header(name, path) for name, path in settings.header_files.items()}
        self._headers = {**settings.headers, **secrets, "content-type": CONTENT_TYPE, "user-agent": "stream-monitor"}
        self._client = httpx.AsyncClient(timeout=settings.timeout_s, verify=_certificates(settings))
        self._trouble: str | None = None

    @property
    def at_once(self) -> int:
        """Requests at a time."""
        return self._settings.in_flight

    def complaints(self) -> Sequence[str]:
        """Nothing: an address that answers badly is its owner's, and its events end in the dead letters."""
        return ()

    async def run(self) -> None:
        """Keeps connections for the next requests until it is cancelled."""
        async with self._client:
            await asyncio.Event().wait()

    async def deliver(self, delivery: Delivery) -> None:
        """Posts the event until it is taken.

        Raises:
            UndeliverableError: It was refused, or tried too often (codes `webhook_refused`, `webhook_failed`).
        """
        if delivery.alert is None:
            return
        waits = Backoff(self._settings.retry_first_s, self._settings.retry_most_s)
        attempts = self._metrics.attempts
        for left in reversed(range(self._settings.tries)):
            status, after_s, words = await self._ask(delivery.alert)
            if status is not None and 200 <= status < 300:
                attempts.labels(self.name, "taken").inc()
                return
            if status is not None and status < 500 and status not in AGAIN:
                attempts.labels(self.name, "given_up").inc()
                raise UndeliverableError("webhook_refused", f"webhook {self.name}: {words}")
            if not left:
                break
            wait_s = max(waits.next_s(), min(after_s, self._settings.retry_most_s))
            attempts.labels(self.name, "retried").inc()
            log.warning(
                "a webhook did not take an event; it is tried again",
                route=self.name,
                id=delivery.alert.event_id,
                reason=words,
                tries_left=left,
                next_try_s=round(wait_s, 1),
            )
            await asyncio.sleep(wait_s)
        attempts.labels(self.name, "given_up").inc()
        raise UndeliverableError("webhook_failed", f"webhook {self.name}: {self._settings.tries} tries, {words}")

    async def _ask(self, alert: Alert) -> tuple[int | None, float, str]:
        """Status, seconds of Retry-After, and both in words; no status where there was no answer."""
        timestamp = int(time.time())
        headers = {**self._headers, "webhook-id": alert.event_id, "webhook-timestamp": str(timestamp)}
        if alert.traceparent is not None:
            headers[TRACEPARENT] = alert.traceparent
        if self._secret is not None:
            headers["webhook-signature"] = signature(self._secret, alert.event_id, timestamp, alert.value)
        in_flight = self._metrics.in_flight.labels(self.name)
        try:
            with in_flight.track_inprogress():
                async with (
                    asyncio.timeout(self._settings.timeout_s),
                    self._client.stream("POST", self._settings.url, content=alert.value, headers=headers) as answer,
                ):
                    # The body is not read: it may be of any size, and says nothing that is needed.
                    after_s = _seconds(answer.headers.get("retry-after"))
                    return answer.status_code, after_s, f"status {answer.status_code} {answer.reason_phrase}"
        except TimeoutError:
            return None, 0.0, f"no answer within {self._settings.timeout_s:g} s"
        except httpx.TransportError as error:
            return None, 0.0, f"{type(error).__name__}: {error}"


def _seconds(text: str | None) -> float:
    """What Retry-After asks for: seconds, or a date; 0 where it is neither."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return float(text.strip()[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _secret_header(name: str, path: Path) -> str:
    key = f"header_files.{name}"
    value = secret_in(path, key)
    if not can_be_sent(value):
        raise SettingsError(f"{key} {path}: {ONE_LINE}")
    return value


def _certificates(settings: WebhookSettings) -> ssl.SSLContext | bool:
    if settings.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"webhook {settings.name}: ca_file {settings.ca_file} cannot be used: {error}") from error
