"""A real broker for events, as the tests of the Kafka folder have it."""

from __future__ import annotations

from tests.stream_monitor.kafka.conftest import config_file, kafka

__all__ = ["config_file", "kafka"]
