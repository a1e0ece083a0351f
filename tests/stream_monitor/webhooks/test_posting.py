"""Requests to a real HTTP server that checks signatures by itself: what is tried again, and what is given up."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.relay.alert import read
from stream_monitor.relay.destination import Delivery, UndeliverableError
from stream_monitor.telemetry.relay_metrics import RelayMetrics
from stream_monitor.webhooks.posting import WebhookDestination
from stream_monitor.webhooks.settings import WebhookSettings
from stream_monitor.webhooks.signature import secret_of, signature
from tests.stack.server import HOST, free_ports
from tests.stream_monitor.relay.listeners import Answer, Hook
from tests.stream_monitor.relay.service import event

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Hooks:
    """Starts servers and sees to it that none stays."""

    def __init__(self) -> None:
        self._started: list[Hook] = []

    def start(self, *statuses: int, secret: bytes | None = None, **headers: str) -> Hook:
        """Answers so, the last one again and again; the headers go with each."""

        def answer(count: int, _: str) -> tuple[int, dict[str, str]]:
            return statuses[min(count, len(statuses)) - 1], {name.replace("_", "-"): v for name, v in headers.items()}

        return self.add(answer, secret)

    def add(self, answer: Answer, secret: bytes | None = None) -> Hook:
        """One more."""
        self._started.append(Hook(answer, secret))
        return self._started[-1]

    def stop(self) -> None:
        """All of them."""
        for hook in self._started:
            hook.close()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    """All of them are gone afterwards."""
    started = Hooks()
    yield started
    started.stop()


def post(url: str, *, traceparent: str | None = None, **more: Any) -> str | None:
    """Delivers an event; the code with which it was given up, if it was."""
    settings = WebhookSettings(
        name="test", url=url, **{"retry_first_s": 0.01, "retry_most_s": 0.05, "tries": 4, **more}
    )
    headers = [] if traceparent is None else [("traceparent", traceparent.encode())]
    value = json.dumps(event(0)).encode()
    place = Partition(topic="match.events", number=0)
    record = Received(partition=place, offset=0, appended_ms=0, key=b"fm-1", value=value, headers=headers)

    async def run() -> str | None:
        destination = WebhookDestination(settings, RelayMetrics(CollectorRegistry()))
        running = asyncio.create_task(destination.run())
        alert = read(record)
        try:
            await destination.deliver(Delivery(stream=alert.stream, alert=alert, plays=None))
        except UndeliverableError as error:
            return error.code
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return None

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("statuses", "requests", "code"),
    [
        ((204,), 1, None),
        ((500, 503, 408, 200), 4, None),
        ((429, 202), 2, None),
        ((503,), 4, "webhook_failed"),
        ((400,), 1, "webhook_refused"),
        ((502, 410), 2, "webhook_refused"),
        ((302,), 1, "webhook_refused"),
    ],
)
def test_what_may_help_is_tried_again(hooks: Hooks, statuses: tuple[int, ...], requests: int, code: str | None) -> None:
    """5xx, 408 and 429 up to the configured number of tries; other answers, redirects too, are given up at once."""
    hook = hooks.start(*statuses)
    assert post(hook.url) == code
    assert len(hook.posted) == requests
    assert len({(posted.event_id, posted.body) for posted in hook.posted}) == 1


def test_nobody_there_is_tried_again() -> None:
    """As often as 5xx; the relay does not end by it."""
    (port,) = free_ports(1)
    assert post(f"http://{HOST}:{port}/hook") == "webhook_failed"


def test_retry_after_is_waited_for(hooks: Hooks) -> None:
    """Seconds or a date, as far as the longest wait of the settings; what is neither is no wait."""

    def wait_s(header: str, most_s: float) -> float:
        hook = hooks.start(503, 204, retry_after=header)
        assert post(hook.url, retry_most_s=most_s) is None
        return hook.posted[1].at_s - hook.posted[0].at_s

    assert wait_s("1", 60.0) >= 1.0
    date = datetime.now(UTC) + timedelta(seconds=3)
    assert wait_s(format_datetime(date, usegmt=True), 60.0) >= 1.0
    for header in ("3600", format_datetime(date + timedelta(days=1), usegmt=True), "soon", "-1", "9" * 500):
        wait_s(header, 0.02)  # else it would not return within the test's time


def test_a_receiver_finds_the_signature_right(hooks: Hooks, tmp_path: Path) -> None:
    """With base64 after `whsec_`, or any text; with another secret it finds it wrong. The trace goes along."""
    for text, secret in (("whsec_" + base64.b64encode(b"k" * 32).decode(), b"k" * 32), ("any text", b"any text")):
        (tmp_path / "secret").write_text(text + "\n")
        hook = hooks.start(204, secret=secret)
        assert post(hook.url, secret_file=tmp_path / "secret", traceparent=TRACE) is None
        assert hook.forged == 0
        headers = hook.posted[0].headers
        assert headers["traceparent"] == TRACE and headers["content-type"] == "application/cloudevents+json"
        assert headers["webhook-id"] == hook.posted[0].event_id
        other = hooks.start(204, secret=b"another")
        assert post(other.url, secret_file=tmp_path / "secret") == "webhook_refused"
        assert other.forged == 1 and "traceparent" not in other.posted[0].headers


def test_signatures_are_those_of_standard_webhooks(tmp_path: Path) -> None:
    """The example that its specification gives."""
    (tmp_path / "secret").write_text("whsec_plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'
    found = signature(secret_of(tmp_path / "secret"), "msg_loFOjxBNrRLzqYUf", 1731705121, body)
    assert found == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
