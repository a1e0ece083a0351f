"""Metrics and health over HTTP, asked by a real client."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from stream_monitor.errors import SettingsError
from stream_monitor.telemetry import Heartbeat, Probes, TelemetrySettings
from stream_monitor.telemetry.probes import CONNECTIONS
from tests.fakes.clock import FakeClock

ANY_PORT = TelemetrySettings(port=0)


def _get(probes: Probes, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{probes.port}{path}", timeout=60)


def _nothing() -> Sequence[str]:
    return ()


def test_metrics_of_the_registry_are_shown() -> None:
    """/metrics shows what was counted, in Prometheus' text format."""
    registry = CollectorRegistry()
    Counter("heard_total", "Songs heard.", registry=registry).inc(3)
    with Probes(ANY_PORT, _nothing, registry=registry) as probes:
        answer = _get(probes, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "heard_total 3.0" in answer.text


def test_ready_follows_the_reasons() -> None:
    """/readyz is 503 with each reason on a line while there are any, and 200 once there are none."""
    reasons = ["catalogue: 3 of 5 tracks", "no partitions are assigned"]
    with Probes(ANY_PORT, lambda: tuple(reasons), registry=CollectorRegistry()) as probes:
        waiting = _get(probes, "/readyz")
        assert "stream_monitor_ready 0.0" in _get(probes, "/metrics").text
        reasons.clear()
        ready = _get(probes, "/readyz")
        assert "stream_monitor_ready 1.0" in _get(probes, "/metrics").text
    assert (waiting.status_code, waiting.text) == (503, "catalogue: 3 of 5 tracks\nno partitions are assigned\n")
    assert (ready.status_code, ready.text) == (200, "ready\n")


def test_a_loop_that_stands_still_is_not_healthy() -> None:
    """/healthz is 200 before the first beat and while the loop beats, 503 once it has not for too long."""
    clock = FakeClock()
    heart = Heartbeat(clock, stalled_s=60)
    with Probes(ANY_PORT, _nothing, alive=heart.complaints) as probes:
        clock.now_s = 500.0
        assert _get(probes, "/healthz").text == "alive\n"
        heart.beat()
        clock.now_s = 559.0
        assert _get(probes, "/healthz").text == "alive\n"
        clock.now_s = 561.0
        stalled = _get(probes, "/healthz")
        heart.beat()
        assert _get(probes, "/healthz").status_code == 200
    assert stalled.status_code == 503
    assert "has not turned for 61 s, 60 s are allowed" in stalled.text


def test_other_paths_are_not_found() -> None:
    """A wrong path is told what there is."""
    with Probes(ANY_PORT, _nothing) as probes:
        answer = _get(probes, "/")
    assert answer.status_code == 404
    assert "/metrics" in answer.text


def test_a_failing_answer_does_not_end_the_server() -> None:
    """Where the reasons cannot be had the request fails, and the next one is answered."""

    def broken() -> Sequence[str]:
        raise RuntimeError("no reasons")

    with Probes(ANY_PORT, broken) as probes:
        with pytest.raises(httpx.HTTPError):
            _get(probes, "/readyz")
        assert _get(probes, "/healthz").status_code == 200


def test_connections_are_bounded() -> None:
    """Clients that connect and say nothing cannot take more than a few threads; a further one is closed at once."""
    with Probes(ANY_PORT, _nothing) as probes:
        assert probes.port is not None
        silent = [socket.create_connection(("127.0.0.1", probes.port), 60) for _ in range(CONNECTIONS)]
        try:
            with socket.create_connection(("127.0.0.1", probes.port), 60) as further:
                assert further.recv(1) == b""
        finally:
            for each in silent:
                each.close()


def test_without_a_port_there_is_no_server() -> None:
    """The default serves nothing."""
    with Probes(TelemetrySettings(), _nothing) as probes:
        assert probes.port is None


def test_a_port_that_is_taken_is_told_with_its_key() -> None:
    """A second server on one port is a usage error that names the setting."""
    with Probes(ANY_PORT, _nothing) as first:
        taken = TelemetrySettings(port=first.port)
        with pytest.raises(SettingsError, match=r"telemetry\.port"), Probes(taken, _nothing):
            pass


def test_the_port_is_free_again_afterwards() -> None:
    """After the end nobody answers, and the port can be taken anew."""
    with Probes(ANY_PORT, _nothing) as first:
        port = first.port
    with Probes(TelemetrySettings(port=port), _nothing) as second:
        assert _get(second, "/readyz").status_code == 200
