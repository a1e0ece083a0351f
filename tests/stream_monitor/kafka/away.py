"""A broker that stands still."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.stack.kafka import Kafka


@contextmanager
def away(kafka: Kafka) -> Iterator[None]:
    """The broker keeps its connections and answers nothing."""
    broker = kafka.nodes[0].server.pid
    assert broker is not None
    os.kill(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker, signal.SIGCONT)
