"""What stands between the relay and the MQTT broker: links that break, TLS with a password, a limit on messages."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy
from tests.stack.kafka import Kafka
from tests.stack.mosquitto import Mosquitto
from tests.stack.server import HOST
from tests.stream_monitor.kafka.conftest import collected
from tests.stream_monitor.mqtt.conftest import Start, guarded, start
from tests.stream_monitor.relay.listeners import Subscriber
from tests.stream_monitor.relay.service import Service, event, until

__all__ = ["collected", "guarded", "start"]

# The client leaves a socket to the garbage where a broker's certificate is not trusted.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]


def links(port: int) -> int:
    """Connections to a port of the loopback that stand."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)


def test_links_that_break_delay_alerts_and_lose_none(service: Service, mosquitto: Mosquitto, proxy: Proxy) -> None:
    """Reset again and again, then answers that never arrive: all is told in order, and one link is left in the end."""
    service.configure(mqtt={"host": HOST, "port": proxy.port, "answer_s": 1.0, "keepalive_s": 5})
    subscriber = Subscriber(mosquitto.port)
    service.tell(event(0))
    service.start()
    until(lambda: subscriber.events() == ["event-fm-1-0"])
    proxy.turn("reset")
    service.tell(event(1))
    until(lambda: proxy.resets >= 3 and f"mqtt: {HOST}:{proxy.port}: " in service.ready())
    proxy.turn("pass")
    until(lambda: len(subscriber.events()) == 2)
    until(lambda: service.committed() == service.ends())
    proxy.turn("half open")
    before = service.committed()
    service.tell(event(2), event(3))
    until(lambda: proxy.bytes["swallowed"] > 0 and service.log.count("no MQTT broker") >= 3)
    until(lambda: "no answer within 1 s" in service.ready())
    assert service.committed() == before
    proxy.turn("pass")
    until(lambda: len(subscriber.events()) == 4)
    until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    assert subscriber.events() == [f"event-fm-1-{n}" for n in range(4)]
    until(lambda: links(proxy.port) == 1, "connections that came to nothing are still open")
    subscriber.close()


def test_a_slow_link_delays_alerts_and_breaks_nothing(service: Service, mosquitto: Mosquitto, proxy: Proxy) -> None:
    """2 s each way: every message waits for its acknowledgement on the one connection, and is told once."""
    patience = {"answer_s": 30.0, "keepalive_s": 60, "state_topic": None}
    service.configure(mqtt={"host": HOST, "port": proxy.port, **patience})
    subscriber = Subscriber(mosquitto.port)
    proxy.turn("latency")
    told = [event(n, stream) for n in range(2) for stream in ("fm-1", "fm-2", "fm-3")]
    service.tell(*told)
    service.start()
    until(lambda: len(subscriber.events()) == len(told))
    until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    assert [each for each in subscriber.events() if "fm-1" in each] == ["event-fm-1-0", "event-fm-1-1"]
    assert len(subscriber.told()) == len(told), "something was told twice"
    assert proxy.bytes["latency"] > proxy.bytes["pass"] == 0
    assert service.log.count("connected to the MQTT broker") == 1
    subscriber.close()


def test_a_link_that_stands_still_delays_alerts_and_loses_none(
    service: Service, mosquitto: Mosquitto, proxy: Proxy
) -> None:
    """What was sent into it comes late and a second time; nothing is committed before, and the order stays."""
    service.configure(mqtt={"host": HOST, "port": proxy.port, "answer_s": 1.0, "keepalive_s": 5})
    subscriber = Subscriber(mosquitto.port)
    service.tell(event(0))
    service.start()
    until(lambda: subscriber.events() == ["event-fm-1-0"])
    until(lambda: service.committed() == service.ends())
    before = service.committed()
    proxy.turn("black hole")
    service.tell(event(1), event(2))
    until(lambda: "a message is sent again" in service.log and service.log.count("no MQTT broker") >= 3)
    until(lambda: "no answer within 1 s" in service.ready())
    assert service.committed() == before and subscriber.events() == ["event-fm-1-0"]
    proxy.turn("pass")
    until(lambda: len(subscriber.events()) == 3)
    until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    assert subscriber.events() == [f"event-fm-1-{n}" for n in range(3)]
    until(lambda: links(proxy.port) == 1, "connections that came to nothing are still open")
    subscriber.close()


def test_alerts_go_by_tls_with_a_password_that_is_in_no_log(
    kafka: Kafka, config_file: Path, guarded: Mosquitto, tmp_path: Path
) -> None:
    """Not even where everything is logged; a wrong one is told by /readyz, and nothing is committed."""
    secret, certificate = tmp_path / "secret", str(tmp_path / "broker.crt")
    secret.write_text("rose\n")
    mqtt = {"host": HOST, "port": guarded.port, "tls": True, "ca_file": certificate, "username": "relay"}
    service = Service(kafka, config_file, mqtt={**mqtt, "password_file": str(secret)})
    subscriber = Subscriber(guarded.port, "music/#", "--cafile", certificate, "-u", "relay", "-P", "tulip")
    try:
        service.tell(event(0))
        relay = service.start()
        until(lambda: "the broker lets us not in" in service.ready() and "mqtt.password_file" in service.ready())
        assert service.committed() == {}
        relay.send_signal(signal.SIGTERM)
        relay.wait(60)
        secret.write_text("tulip\n")
        service.start(level="debug")
        until(lambda: subscriber.events() == ["event-fm-1-0"])
    finally:
        service.stop()
        subscriber.close()
    assert "rose" not in service.log and "tulip" not in service.log


def test_a_password_that_is_changed_while_alerts_go_delays_them(
    kafka: Kafka, config_file: Path, guarded: Mosquitto, tmp_path: Path
) -> None:
    """The broker comes back with another: /readyz says so, nothing is committed; with the old one all is told, once.

    The reader is there before the relay is let in again: a broker keeps nothing for who was never there.
    """
    secret, certificate = tmp_path / "secret", str(tmp_path / "broker.crt")
    secret.write_text("tulip\n")
    mqtt = {"host": HOST, "port": guarded.port, "tls": True, "ca_file": certificate, "username": "relay"}
    service = Service(kafka, config_file, mqtt={**mqtt, "password_file": str(secret)})
    known = ("music/#", "--cafile", certificate, "-u", "reader", "-P", "fern")
    subscriber = Subscriber(guarded.port, *known)
    try:
        service.tell(event(0))
        service.start()
        until(lambda: subscriber.events() == ["event-fm-1-0"])
        until(lambda: service.committed() == service.ends())
        before = service.committed()
        subscriber.close()
        guarded.stop()
        users = tmp_path / "users"
        old = users.read_text()
        subprocess.run(["mosquitto_passwd", "-b", str(users), "relay", "daisy"], check=True)
        guarded.start()
        service.tell(event(1))
        until(lambda: "the broker lets us not in" in service.ready() and "mqtt.password_file" in service.ready())
        assert service.committed() == before
        subscriber = Subscriber(guarded.port, *known)
        users.write_text(old)
        guarded.reload()
        until(lambda: subscriber.events() == ["event-fm-1-1"])
        until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    finally:
        service.stop()
        subscriber.close()
    assert "tulip" not in service.log


def test_an_event_too_large_for_the_broker_is_a_dead_letter(kafka: Kafka, config_file: Path, start: Start) -> None:
    """The relay stays connected and tells the others; of what is open nothing is retained rather than what was."""
    broker = start("max_packet_size 3000\nallow_anonymous true\n")
    service = Service(kafka, config_file, mqtt={"host": HOST, "port": broker.port})
    subscriber = Subscriber(broker.port)
    try:
        large = event(1, alternatives=["x" * 5000])
        service.tell(event(0), large, event(2, "fm-2"))
        service.start()
        until(lambda: set(subscriber.events()) == {"event-fm-1-0", "event-fm-2-2"})
        until(lambda: len(service.dead_letters()) == 1 and service.committed() == service.ends())
        ((letter, headers),) = service.dead_letters()
        assert json.loads(letter.value or b"") == large
        assert (headers["dlq_code"], headers["dlq_route"]) == (b"mqtt_too_large", b"mqtt")
        assert b"the broker takes 3000" in (headers["dlq_message"] or b"")
        states = [payload for topic, _, payload in subscriber.lines if topic == "music/broadcast/fm-1/state"]
        assert [play["revision"] for play in states[0]["plays"]] == [0] and states[-1] == {}
        service.tell(event(3, status="final"))
        until(lambda: "event-fm-1-3" in subscriber.events() and subscriber.lines[-1][2] == {"plays": []})
        assert service.log.count("connected to the MQTT broker") == 1
        assert service.ready() == "ready\n"
    finally:
        service.stop()
        subscriber.close()
