"""A worker that sends itself a signal (SIGKILL) the nth time that it comes to a labelled point. Run by tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import structlog

from stream_monitor.cli.interruption import interruption
from stream_monitor.cli.logging import configure_logging
from stream_monitor.config import load
from stream_monitor.errors import MonitorError
from stream_monitor.kafka.serving import serve
from tests.stream_monitor.labelled import signal_at


def main(config: str, catalogue: str, label: str, times: str, how: str = "SIGKILL") -> None:
    """Serves until SIGTERM, or until the point."""
    configure_logging(level="info", as_json=False)
    os.environ["STREAM_MONITOR__KAFKA__INSTANCE_ID"] = os.environ["WORKER"]
    with interruption() as interrupted:
        try:
            serve(
                load(Path(config)), Path(catalogue), interrupted, at=signal_at(label, int(times), signal.Signals[how])
            )
        except MonitorError as error:  # as the command line ends
            structlog.get_logger(__name__).error(str(error), kind=type(error).__name__)
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
