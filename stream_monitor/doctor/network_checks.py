"""Ports and servers beside Kafka."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, good, warn


def network_checks(config: Config) -> list[Check]:
    """In the order in which they are told."""
    return [Check(name="telemetry", look=lambda: _telemetry(config), deadline_s=10.0)]


def _telemetry(config: Config) -> Sequence[Finding]:
    host, port = config.telemetry.host, config.telemetry.port
    if port is None:
        return [good("telemetry", "off: telemetry.port is null")]
    try:
        with socket.create_server((host, port)):
            return [good("telemetry", f"{host}:{port} is free")]
    except OSError as error:
        advice = "fine where a service runs here already; else set telemetry.port to another one"
        return [warn("telemetry", f"{host}:{port}: {error.strerror or error}", advice)]
