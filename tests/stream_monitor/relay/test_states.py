"""What is open in a stream, retained at a real Mosquitto: right in the end, whoever told it and whatever was lost."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from typing import Any

from tests.chaos.proxy import Proxy
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import HOST, asked, free_ports
from tests.stream_monitor.relay.listeners import Subscriber
from tests.stream_monitor.relay.service import Service, event, until

STATES = "music/+/+/state"
PATIENCE = {"host": HOST, "answer_s": 3.0, "keepalive_s": 5}


def client(program: str, mosquitto: Mosquitto, *options: str) -> str:
    """What one of Mosquitto's own clients prints; one that waits for more is ended after a second."""
    command = [program, "-V", "5", "-h", HOST, "-p", str(mosquitto.port), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def retained(mosquitto: Mosquitto) -> dict[str, list[str]]:
    """The plays that the broker says are open, by stream."""
    lines = client("mosquitto_sub", mosquitto, "-t", STATES, "--retained-only", "-W", "1", "-F", "%t %p").splitlines()
    return dict(_state(*line.split(" ", 1)) for line in lines)


def last(subscriber: Subscriber) -> dict[str, list[str]]:
    """The plays that somebody who listens was told of last, by stream."""
    return dict(_state(topic, json.dumps(payload)) for topic, _, payload in tuple(subscriber.lines))


def _state(topic: str, payload: str) -> tuple[str, list[str]]:
    plays: list[dict[str, Any]] = json.loads(payload)["plays"]
    return topic.split("/")[2], [play["play_id"] for play in plays]


def test_a_relay_that_comes_back_undoes_nothing_that_another_has_told(
    service: Service, mosquitto: Mosquitto, proxy: Proxy
) -> None:
    """The way from the first to the broker is cut, a second takes a part over and tells its end: so it stays."""
    service.configure(mqtt={**PATIENCE, "port": proxy.port})
    streams = {f"fm-{n}" for n in range(12)}
    subscriber = Subscriber(mosquitto.port, STATES)
    service.tell(*[event(0, stream) for stream in sorted(streams)])
    service.start()
    until(lambda: last(subscriber) == {stream: ["p"] for stream in streams})
    proxy.turn("reset")
    service.tell(*[event(1, stream, play="q") for stream in sorted(streams)])
    until(lambda: f"mqtt: {HOST}:{proxy.port}: " in service.ready())
    (port,) = free_ports(1)
    service.start(
        environment={
            "STREAM_MONITOR__MQTT__PORT": str(mosquitto.port),
            "STREAM_MONITOR__TELEMETRY__PORT": str(port),
        }
    )
    until(lambda: ["p", "q"] in last(subscriber).values() and asked(port, "readyz") == "ready\n")
    moved = {stream for stream, plays in last(subscriber).items() if plays == ["p", "q"]}
    ends = [event(n, stream, "final", play) for stream in sorted(moved) for n, play in ((2, "p"), (3, "q"))]
    service.tell(*ends)
    until(lambda: all(last(subscriber)[stream] == [] for stream in moved))
    before = len(subscriber.lines)
    proxy.turn("pass")
    rest = {stream: ["p", "q"] for stream in streams - moved}
    until(lambda: rest.items() <= last(subscriber).items() and service.ready() == "ready\n")
    until(lambda: service.committed() == service.ends())
    assert rest, "the second relay took everything over"
    later = [_state(topic, json.dumps(payload)) for topic, _, payload in subscriber.lines[before:]]
    assert [(stream, plays) for stream, plays in later if stream in moved and plays] == []
    assert retained(mosquitto) == rest | {stream: [] for stream in moved}
    subscriber.close()


def test_what_is_over_is_told_again(service: Service, mosquitto: Mosquitto) -> None:
    """A broker that woke up with an old memory hears it after the reconnect and a restart; so does a late word."""
    service.configure(mqtt={**PATIENCE, "port": mosquitto.port})
    service.tell(event(0))
    relay = service.start()
    until(lambda: retained(mosquitto) == {"fm-1": ["p"]})
    memory, old = mosquitto.folder / "mosquitto.db", mosquitto.folder / "old"
    mosquitto.stop()
    shutil.copy(memory, old)
    mosquitto.start()

    def forgets() -> None:
        mosquitto.server.stop(signal.SIGKILL)
        shutil.copy(old, memory)
        mosquitto.start()
        assert retained(mosquitto) == {"fm-1": ["p"]}

    service.tell(event(1, status="final"))
    until(lambda: retained(mosquitto) == {"fm-1": []})
    until(lambda: service.committed() == service.ends())
    relay.send_signal(signal.SIGSTOP)
    forgets()
    relay.send_signal(signal.SIGCONT)
    until(lambda: retained(mosquitto) == {"fm-1": []})
    relay.kill()
    relay.wait()
    forgets()
    service.start()
    until(lambda: retained(mosquitto) == {"fm-1": []})
    late = json.dumps({"plays": [event(0)["data"]]})
    client("mosquitto_pub", mosquitto, "-t", "music/broadcast/fm-1/state", "-r", "-q", "1", "-m", late)
    until(lambda: retained(mosquitto) == {"fm-1": []})
    assert service.ready() == "ready\n"


def test_nothing_stays_at_the_broker_of_an_upload_that_is_over(service: Service, mosquitto: Mosquitto) -> None:
    """What was told last is that nothing is open; the broker forgets it by itself, and keeps that of a station."""
    service.configure(mqtt={"host": HOST, "port": mosquitto.port, "upload_state_hours": 0.001})
    subscriber = Subscriber(mosquitto.port, STATES)
    for number, status in enumerate(("provisional", "final")):
        service.tell(event(number, status=status), event(number, "up-1", status, stream_kind="upload"))
    service.start()
    until(lambda: last(subscriber) == {"fm-1": [], "up-1": []})
    until(lambda: retained(mosquitto) == {"fm-1": []})
    assert {"plays": []} in [payload for topic, _, payload in subscriber.lines if topic == "music/upload/up-1/state"]
    subscriber.close()
