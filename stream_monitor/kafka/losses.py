"""Live audio that the brokers did not take in time: counted, told while it goes on and when it is over.

What is lost is a gap in its stream, since the positions of the records around it say so. It knows nothing of brokers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from stream_monitor.clock import Clock
from stream_monitor.errors import MonitorError

log = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
"""While it goes on it is told so often."""
QUIET_S: Final = 10.0
"""Without a loss for so long, and with records delivered meanwhile, it is over: one partition may fail among many."""


class Losses:
    """Those of one producer. Only `segments` and `complaints` may be asked by other threads."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is lost."""
        self._clock = clock
        self.segments = 0
        """Since the start."""
        self._before = 0
        """Of them, before the present loss began."""
        self._streams: set[str] = set()
        self._reason = ""
        self._lost_s = 0.0
        self._told_s: float | None = None
        """When the present loss was told last; None: there is none, or it is still to be told."""
        self._delivered = 0

    def lost(self, stream_id: str, reason: MonitorError) -> None:
        """A segment is given up."""
        self.segments += 1
        self._streams.add(stream_id)
        self._reason = str(reason)
        self._lost_s = self._clock.monotonic_s()

    def look(self, delivered: int) -> None:
        """Tells what is due.

        Args:
            delivered: Records that the brokers have acknowledged since the start.
        """
        now_s = self._clock.monotonic_s()
        came, self._delivered = delivered > self._delivered, delivered
        if not self._streams:
            return
        if self._told_s is None or now_s - self._told_s >= EVERY_S:
            self._told_s = now_s
            log.error(
                "live audio is dropped: the brokers do not take it within produce.deliver_s",
                segments=self.segments - self._before,
                streams=len(self._streams),
                reason=self._reason,
            )
        if came and now_s - self._lost_s >= QUIET_S:
            log.warning(
                "the brokers take audio again; what was dropped is a gap in its streams",
                segments=self.segments - self._before,
                streams=len(self._streams),
            )
            self._before, self._told_s = self.segments, None
            self._streams = set()

    def complaints(self) -> Sequence[str]:
        """Why not all audio arrives now; nothing where it does."""
        segments, streams = self.segments - self._before, len(self._streams)
        return (f"{segments} segments of {streams} streams were dropped: {self._reason}",) if streams else ()
