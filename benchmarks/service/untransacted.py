"""A worker whose records go out without transactions, to see what those cost.

`python -m benchmarks.service.untransacted CONFIG`. Its offsets are never committed; only the benchmark may use it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from stream_monitor.cli.interruption import interruption
from stream_monitor.cli.logging import configure_logging
from stream_monitor.config import load
from stream_monitor.kafka import serving
from stream_monitor.kafka.client import Membership, Partition, Producer
from stream_monitor.kafka.settings import KafkaSettings


class PlainProducer:
    """`TransactionalProducer` without transactions: a commit waits for the acknowledgements."""

    def __init__(self, settings: KafkaSettings, name: str, *, transaction_s: float = 15.0) -> None:
        self._producer = Producer(settings, deadline_s=transaction_s)

    def __enter__(self) -> PlainProducer:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.__exit__(None, None, None)

    def begin(self) -> None:
        """Nothing is opened."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """Sends; a key's own partition will do here."""
        self._producer.send(topic, key or b"", value or b"", headers)

    def send_positions(self, positions: Mapping[Partition, tuple[int, str]], membership: Membership) -> None:
        """Offsets are let go."""

    def commit(self) -> None:
        """Waits until everything is acknowledged."""
        self._producer.flush()

    def abort(self) -> None:
        """Nothing is open."""


def main(config_path: str) -> None:
    """Serves until SIGTERM."""
    configure_logging(level="info", as_json=True)
    config = load(Path(config_path))
    if config.catalog is None:
        raise SystemExit("the configuration names no catalogue")
    replaced: Any = PlainProducer
    with mock.patch.object(serving, "TransactionalProducer", replaced), interruption() as interrupted:
        serving.serve(config, config.catalog, interrupted)


if __name__ == "__main__":
    main(*sys.argv[1:])
