"""`relay` as people run it: between a real Kafka and a real Mosquitto with real subscribers, all killed in turn."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.stack.mosquitto import Mosquitto
from tests.stream_monitor.relay.listeners import Subscriber
from tests.stream_monitor.relay.service import DEADLINE_S, Service, event, until

CRASHES = (("before PUBACK", 7), ("after PUBACK", 9), ("before commit", 1), ("after commit", 1))


def test_alerts_arrive_and_outlast_a_broker_and_a_relay_that_are_killed(service: Service, mosquitto: Mosquitto) -> None:
    """Each event at its topic, in order, none lost; what is open is retained; no JSON becomes a dead letter."""
    first = [event(n, stream) for n in range(5) for stream in ("fm-1", "a/b#+")]
    service.tell(*first[:4], b"no event", *first[4:])
    subscriber = Subscriber(mosquitto.port)
    relay = service.start()
    until(lambda: len(subscriber.events()) == len(first))
    assert {topic for topic, _ in subscriber.told()} == {
        "music/broadcast/fm-1/provisional",
        "music/broadcast/a%2Fb%23%2B/provisional",
    }
    assert [each for each in subscriber.events() if "fm-1" in each] == [f"event-fm-1-{n}" for n in range(5)]
    until(lambda: len(service.dead_letters()) == 1)
    until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    subscriber.close()

    mosquitto.server.stop(signal.SIGKILL)
    before = service.committed()
    service.tell(*[event(n) for n in range(5, 8)])
    until(lambda: f"mqtt: 127.0.0.1:{mosquitto.port}: " in service.ready(), "nothing was said of the broker")
    until(lambda: service.log.count("no MQTT broker") >= 2)
    assert service.committed() == before
    relay.send_signal(signal.SIGSTOP)  # else it may be back before somebody listens
    mosquitto.start()
    subscriber = Subscriber(mosquitto.port)
    relay.send_signal(signal.SIGCONT)
    until(lambda: set(subscriber.events()) >= {f"event-fm-1-{n}" for n in range(5, 8)})
    until(lambda: service.ready() == "ready\n")

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


def test_a_relay_killed_at_any_point_tells_everything(service: Service, mosquitto: Mosquitto) -> None:
    """Before and after the PUBACK and the commit, one after the other: repeats, each equal to the first; none lost."""
    subscriber = Subscriber(mosquitto.port)
    sent: dict[str, dict[str, Any]] = {}
    for round_of, crashing in enumerate(CRASHES):
        told = [event(10 * round_of + n, stream) for n in range(8) for stream in ("fm-1", "fm-2", "fm-3")]
        service.tell(*told)
        sent |= {each["id"]: each for each in told}
        assert service.start(crashing=crashing).wait(DEADLINE_S) == -signal.SIGKILL
    relay = service.start()
    until(lambda: len(subscriber.events()) == len(sent))
    until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(60) == 0
    subscriber.close()
    arrived = subscriber.told()
    assert len(arrived) > len(sent), "no kill came between a message and its commit"
    for topic, payload in arrived:
        assert payload == sent[payload["id"]]
        assert topic == f"music/broadcast/{payload['data']['stream_id']}/provisional"
    for stream in ("fm-1", "fm-2", "fm-3"):
        assert [each for each in subscriber.events() if stream in each] == [each for each in sent if stream in each]


def test_a_refusal_is_tried_again_and_never_passed_by(service: Service, mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The access list denies a stream: others arrive, /readyz names it, and it arrives when it is permitted."""
    (tmp_path / "acl").write_text("topic readwrite music/broadcast/open/#\ntopic read music/#\n")
    pid = mosquitto.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    service.tell(event(0, "denied"), event(1, "denied"), event(0, "open"))
    subscriber = Subscriber(mosquitto.port)
    service.start()
    until(lambda: subscriber.events() == ["event-open-0"])
    until(lambda: "mqtt: music/broadcast/denied/provisional is refused: Not authorized" in service.ready())
    until(lambda: service.log.count("relay refused") >= 2)
    assert sum(service.committed().values()) <= sum(service.ends().values()) - 2
    (tmp_path / "acl").write_text("topic readwrite music/#\n")
    os.kill(pid, signal.SIGHUP)
    until(lambda: subscriber.events() == ["event-open-0", "event-denied-0", "event-denied-1"])
    until(lambda: service.committed() == service.ends() and service.ready() == "ready\n")
    subscriber.close()
