"""Webhooks beside MQTT, from a real Kafka to real HTTP servers: each at its own pace."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.cli import main
from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import HOST
from tests.stream_monitor.relay.listeners import Hook, Subscriber
from tests.stream_monitor.relay.service import Service, event, until

Serve = Callable[..., Service]
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def serve(kafka: Kafka, config_file: Path) -> Iterator[Serve]:
    """Makes a service with these parts of the configuration; its relays are gone afterwards."""
    made: list[Service] = []

    def make(**more: Any) -> Service:
        made.append(Service(kafka, config_file, **more))
        return made[-1]

    yield make
    for service in made:
        service.stop()


def test_what_a_webhook_does_not_take_is_a_dead_letter(serve: Serve, tmp_path: Path) -> None:
    """503 is tried again as often as configured, 410 is not; what the filter keeps back is not told; it stays ready.

    When the address is mended and the letters are sent back, it is told of them, and nobody else a second time.
    """
    mended = threading.Event()

    def answer(_: int, event_id: str) -> tuple[int, dict[str, str]]:
        if mended.is_set():
            return 204, {}
        return {"event-fm-1-3": (410, {}), "event-fm-1-4": (503, {"retry-after": "0"})}.get(event_id, (204, {}))

    (tmp_path / "secret").write_text("any text\n")
    hook, other = Hook(answer, secret=b"any text"), Hook(lambda _, event_id: (204, {}))
    webhook = {"name": "test", "url": hook.url, "secret_file": str(tmp_path / "secret"), "tries": 3}
    webhook |= {"retry_first_s": 0.1, "retry_most_s": 0.2, "filter": {"least_confidence": 0.65}}
    service = serve(mqtt={"host": None}, webhooks=[webhook, {"name": "other", "url": other.url}])
    try:
        service.tell(*[event(n) for n in range(5)], event(7), headers=[("traceparent", TRACE)])
        service.start()
        until(lambda: len(service.dead_letters()) == 2)
        until(lambda: service.committed("webhook-test") == service.ends())
        assert service.ready() == "ready\n"
        letters = {json.loads(letter.value or b"")["id"]: headers for letter, headers in service.dead_letters()}
        mended.set()
        assert main(["dlq", "replay", "--config", str(service.config), "--topic", service.topics.events]) == 0
        until(lambda: len(hook.ids()) == 8)
        until(lambda: all(service.committed("webhook-other")[n] >= end for n, end in service.ends().items()))
    finally:
        hook.close()
        other.close()
    first = ["event-fm-1-2", "event-fm-1-3", *["event-fm-1-4"] * 3, "event-fm-1-7"]
    assert hook.ids() == [*first, "event-fm-1-3", "event-fm-1-4"]
    assert other.ids() == [f"event-fm-1-{n}" for n in (*range(5), 7)]
    assert hook.forged == 0
    assert {posted.headers["traceparent"] for posted in hook.posted} == {TRACE.decode()}
    assert {event_id: headers["dlq_code"] for event_id, headers in letters.items()} == {
        "event-fm-1-3": b"webhook_refused",
        "event-fm-1-4": b"webhook_failed",
    }
    assert {headers["dlq_route"] for headers in letters.values()} == {b"test"}


def test_a_slow_webhook_delays_nobody_and_is_waited_for_at_the_end(serve: Serve, mosquitto: Mosquitto) -> None:
    """MQTT tells and commits meanwhile; SIGTERM waits for what is on its way, as a healthy member of its group."""
    patient, told = threading.Event(), [event(n, f"fm-{n}") for n in range(6)]

    def answer(*_: object) -> tuple[int, dict[str, str]]:
        patient.wait(120)
        return 204, {}

    hook = Hook(answer)
    service = serve(
        mqtt={"host": HOST, "port": mosquitto.port},
        webhooks=[{"name": "slow", "url": hook.url, "timeout_s": 120}],
        relay={"commit_s": 0.2, "stop_s": 120},
    )
    service.configure(telemetry={"port": service.port, "stalled_s": 1})
    subscriber = Subscriber(mosquitto.port)
    try:
        service.tell(*told)
        relay = service.start()
        until(lambda: len(subscriber.events()) == 6 and len(hook.posted) == 4)
        until(lambda: service.committed("relay") == service.ends())
        assert service.committed("webhook-slow") == {}
        assert service.ready() == "ready\n"
        relay.send_signal(signal.SIGTERM)
        until(lambda: service.log.count("the route stops") == 2)
        time.sleep(2.5)  # longer than a loop may stand still
        until(lambda: service.healthy(), "its loop stands still")
        patient.set()
        assert relay.wait(60) == 0
    finally:
        patient.set()
        hook.close()
        subscriber.close()
    assert sorted(hook.ids()) == [each["id"] for each in told]
    assert service.committed("webhook-slow") == service.ends()
