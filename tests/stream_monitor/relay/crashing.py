"""A relay that is killed (-9, by itself) the nth time that it comes to a labelled point. Run as a program by tests."""

from __future__ import annotations

import sys
from pathlib import Path

from stream_monitor.cli.interruption import interruption
from stream_monitor.cli.logging import configure_logging
from stream_monitor.config import load
from stream_monitor.relay.serving import serve
from tests.stream_monitor.labelled import signal_at


def main(config: str, label: str, times: str) -> None:
    """Serves until SIGTERM, or until the point."""
    configure_logging(level="info", as_json=False)
    with interruption() as interrupted:
        serve(load(Path(config)), interrupted, at=signal_at(label, int(times)))


if __name__ == "__main__":
    main(*sys.argv[1:])
