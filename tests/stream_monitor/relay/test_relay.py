"""`relay` as people run it: between a real Kafka, a real Mosquitto with real subscribers, and an HTTP server."""

from __future__ import annotations

import base64
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_monitor.cli import main
from stream_monitor.kafka.client import LogReader, Partition, Producer
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings, dead_letters
from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import HOST, ServerError, free_ports

DEADLINE_S = 120.0
Answer = Callable[[int, str], tuple[int, dict[str, str]]]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """With an access list that tests may change: topics below music/ may be written but for music/*/secret/#."""
    (tmp_path / "acl").write_text("topic readwrite music/#\n")
    try:
        broker = Mosquitto(tmp_path / "mosquitto", extra=f"allow_anonymous true\nacl_file {tmp_path}/acl\n")
    except ServerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    broker.start()
    yield broker
    broker.stop()


def event(number: int, stream: str = "fm-1", status: str = "provisional", play: str = "p") -> dict[str, Any]:
    """A play's event, as far as a relay reads it."""
    return {
        "specversion": "1.0", "type": "music.play.v1", "id": f"event-{stream}-{number}",
        "data": {
            "stream_id": stream, "stream_kind": "broadcast", "status": status, "play_id": play, "revision": number,
            "track": {"track_id": f"tune-{number % 3}"}, "confidence": 0.5 + 0.1 * (number % 5),
            "detected_at": "2026-11-25T12:00:00.000Z",
        },
    }  # fmt: skip


class Service:
    """A configuration, its topic of events, and relay processes that are gone afterwards."""

    def __init__(self, kafka: Kafka, config: Path, **more: Any) -> None:
        tree = yaml.safe_load(config.read_text())
        tree |= {"relay": {"commit_s": 0.2, "retry_first_s": 0.2, "retry_most_s": 1.0}, **more}
        tree["kafka"]["group_id"] = f"relay-{free_ports(1)[0]}-{os.getpid()}"
        config.write_text(yaml.safe_dump(tree))
        assert main(["topics", "create", "--config", str(config)]) == 0
        self.config = config
        self.topics = TopicSettings.model_validate(tree["topics"])
        self.kafka = KafkaSettings(bootstrap_servers=kafka.bootstrap)
        self.running: list[subprocess.Popen[bytes]] = []

    def tell(self, *values: dict[str, Any] | bytes) -> None:
        """Events, or anything else, into the topic."""
        with Producer(self.kafka) as producer:
            for value in values:
                told = value if isinstance(value, bytes) else json.dumps(value).encode()
                key = b"x" if isinstance(value, bytes) else value["data"]["stream_id"].encode()
                producer.send(self.topics.events, key, told, [])
            producer.flush()

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """A relay."""
        command = [sys.executable, "-m", "stream_monitor", "relay", "--config", str(self.config), *options]
        with (self.config.parent / "relay.log").open("ab") as log:
            self.running.append(subprocess.Popen(command, stderr=log))
        return self.running[-1]

    def dead_letters(self) -> list[dict[str, bytes | None]]:
        """Headers of what could not be told."""
        with LogReader(self.kafka) as reader:
            letters = reader.read(Partition(topic=dead_letters(self.topics.events), number=0))
            return [dict(letter.headers) for letter in letters]

    def stop(self) -> None:
        """Kills what runs."""
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def service(kafka: Kafka, config_file: Path, mosquitto: Mosquitto) -> Iterator[Service]:
    """With MQTT only."""
    made = Service(kafka, config_file, mqtt={"host": HOST, "port": mosquitto.port})
    yield made
    made.stop()


class Subscriber:
    """A `mosquitto_sub` process and what it printed."""

    def __init__(self, port: int, topic: str = "music/#") -> None:
        command = ["mosquitto_sub", "-V", "5", "-h", HOST, "-p", str(port), "-t", topic, "-q", "1", "-F", "%t %r %p"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: list[tuple[str, bool, dict[str, Any]]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        time.sleep(0.5)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            topic, retained, payload = line.rstrip("\n").split(" ", 2)
            self.lines.append((topic, retained == "1", json.loads(payload)))

    def events(self) -> list[str]:
        """Ids in the order of their arrival, each once."""
        return list(dict.fromkeys(payload["id"] for _, _, payload in self.lines if "id" in payload))

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def until(true: Callable[[], bool]) -> None:
    """Waits."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def test_alerts_arrive_and_outlast_a_broker_and_a_relay_that_are_killed(service: Service, mosquitto: Mosquitto) -> None:
    """Each event at its topic, in order, none lost; what is open is retained; no JSON becomes a dead letter."""
    first = [event(n, stream) for n in range(5) for stream in ("fm-1", "a/b#+")]
    service.tell(*first[:4], b"no event", *first[4:])
    subscriber = Subscriber(mosquitto.port)
    relay = service.start()
    until(lambda: len(subscriber.events()) == len(first))
    assert {topic for topic, _, payload in subscriber.lines if "id" in payload} == {
        "music/broadcast/fm-1/provisional",
        "music/broadcast/a%2Fb%23%2B/provisional",
    }
    assert [each for each in subscriber.events() if "fm-1" in each] == [f"event-fm-1-{n}" for n in range(5)]
    until(lambda: len(service.dead_letters()) == 1)
    subscriber.close()

    mosquitto.server.stop(signal.SIGKILL)
    service.tell(*[event(n) for n in range(5, 8)])
    time.sleep(2.0)
    relay.send_signal(signal.SIGSTOP)  # else it may be back before somebody listens
    mosquitto.start()
    subscriber = Subscriber(mosquitto.port)
    relay.send_signal(signal.SIGCONT)
    until(lambda: set(subscriber.events()) >= {f"event-fm-1-{n}" for n in range(5, 8)})

    relay.kill()
    service.tell(event(8, status="final"))
    relay = service.start()
    until(lambda: "event-fm-1-8" in subscriber.events())
    subscriber.close()
    state = Subscriber(mosquitto.port, "music/broadcast/+/state")
    until(lambda: len(state.lines) >= 2)
    states = {topic.split("/")[2]: payload["plays"] for topic, _, payload in state.lines}
    assert states["fm-1"] == []
    assert [play["play_id"] for play in states["a%2Fb%23%2B"]] == ["p"]
    state.close()
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(60) == 0


def test_a_refusal_is_tried_again_and_never_passed_by(service: Service, mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The access list denies a stream: others arrive, that one when it is permitted."""
    (tmp_path / "acl").write_text("topic readwrite music/broadcast/open/#\ntopic read music/#\n")
    pid = mosquitto.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    service.tell(event(0, "denied"), event(0, "open"))
    subscriber = Subscriber(mosquitto.port)
    service.start()
    until(lambda: subscriber.events() == ["event-open-0"])
    log = tmp_path / "relay.log"
    until(lambda: "relay refused" in log.read_text())
    (tmp_path / "acl").write_text("topic readwrite music/#\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: "event-denied-0" in subscriber.events())
    subscriber.close()


class Hook:
    """An HTTP server that remembers what it was posted and answers as it is told to."""

    def __init__(self, answer: Answer) -> None:
        self.posted: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = answer(len(hook.posted), json.loads(body)["id"])
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def test_webhooks_are_signed_tried_again_filtered_and_given_up(kafka: Kafka, config_file: Path, tmp_path: Path) -> None:
    """503 is tried again, 410 is a dead letter, low confidence is not told; the signature fits."""

    def answer(count: int, event_id: str) -> tuple[int, dict[str, str]]:
        if event_id.endswith("-3"):
            return 410, {}
        return (503, {"retry-after": "0"}) if count == 1 else (204, {})

    hook = Hook(answer)
    (tmp_path / "secret").write_text("whsec_" + base64.b64encode(b"k" * 32).decode() + "\n")
    webhook = {
        "name": "test",
        "url": hook.url,
        "secret_file": str(tmp_path / "secret"),
        "retry_first_s": 0.1,
        "filter": {"least_confidence": 0.65},
    }
    service = Service(kafka, config_file, mqtt={"host": None}, webhooks=[webhook])
    try:
        service.tell(*[event(n) for n in range(5)])
        service.start("--only", "test")
        until(lambda: len({json.loads(body)["id"] for _, body in hook.posted}) == 3)
        until(lambda: len(service.dead_letters()) == 1)
    finally:
        service.stop()
        hook.close()
    ids = [headers["webhook-id"] for headers, _ in hook.posted]
    assert ids[:2] == ["event-fm-1-2"] * 2
    assert set(ids) == {f"event-fm-1-{n}" for n in (2, 3, 4)}
    headers, body = hook.posted[-1]
    told = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"k" * 32, told, sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
