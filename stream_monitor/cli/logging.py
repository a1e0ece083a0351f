"""Logs of the command line: structlog to stderr, for people or as JSON lines.

It knows nothing of the commands. Only the command line configures logging; modules just call `structlog.get_logger()`.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

LOG_LEVELS = ("debug", "info", "warning", "error")


class _StderrLogger:
    """Writes to whatever `sys.stderr` is at that moment, so that a live progress bar can move out of the way."""

    def msg(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def _make_logger(*_args: Any) -> _StderrLogger:
    return _StderrLogger()


def configure_logging(*, level: str, as_json: bool) -> None:
    """Sends every structlog record of at least `level` to stderr.

    Args:
        level: One of `LOG_LEVELS`.
        as_json: One JSON object per line instead of text for people.
    """
    renderer: structlog.typing.Processor
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_make_logger,
        cache_logger_on_first_use=False,
    )


def quiet_logging() -> None:
    """Warnings and errors only, for measurements."""
    configure_logging(level="warning", as_json=False)
