"""When a live address counts as lost, when it is asked again, and what its segments are over all its connections.

It opens nothing and waits for nothing: `live_reader` reads an address in a thread, `stations` reads thousands on one
event loop, both by these rules. Each connection to a live stream is a new epoch, later than the one before; the
dropped epoch ends in a short segment that is *not* marked `last`, so that whoever tracks plays may carry them over. A
finite file on an HTTP server (its length is known) is read on in the same epoch from where it broke off. `last` marks
the true end: of a finite file, of an HLS playlist, after a stop, or when the attempts are used up.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import SAMPLE_RATE
from stream_monitor.errors import InputError
from stream_monitor.segments import Samples, Segment, SegmentCutter
from stream_monitor.sources import Source

log = structlog.get_logger(__name__)


class ReconnectPolicy(BaseModel):
    """When a live address counts as lost, and how it is asked again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_timeout_s: float = Field(default=15.0, gt=0, description="How long connecting and probing may take.")
    read_timeout_s: float = Field(default=15.0, gt=0, description="How long the next packet may take (HLS: a reload).")
    first_delay_s: float = Field(default=0.5, gt=0, description="Longest wait before the first new attempt.")
    longest_delay_s: float = Field(default=30.0, gt=0, description="Longest wait before any attempt.")
    factor: float = Field(default=2.0, ge=1, description="Growth of the wait from attempt to attempt.")
    jitter: float = Field(default=0.5, ge=0, le=1, description="Share of the wait that is drawn at random.")
    stable_after_s: float = Field(default=10.0, ge=0, description="Audio after which the wait starts small again.")
    attempts_before_audio: int = Field(default=4, ge=1, description="Attempts for an address that never gave audio.")
    attempts: int | None = Field(default=None, ge=1, description="Attempts in a row after a drop; null is for ever.")

    def delay_s(self, attempt: int, draw: float) -> float:
        """Wait before attempt 1, 2, ...: exponential, with `draw` in [0, 1) of the jitter taken off."""
        # The exponent is bounded so that a week of attempts does not overflow.
        full_s = min(self.longest_delay_s, self.first_delay_s * self.factor ** min(attempt - 1, 64))
        return full_s * (1.0 - self.jitter * draw)


def epoch_now() -> int:
    """The wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Address:
    """Where the reading of one address stands, from connection to connection."""

    def __init__(
        self,
        source: Source,
        policy: ReconnectPolicy,
        *,
        now_ms: Callable[[], int] = epoch_now,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Args: `now_ms` dates epochs; `draw` gives the jitter."""
        self.source = source
        self._policy = policy
        self._now_ms = now_ms
        self._draw = draw
        self._cutter = self._cutter_of(now_ms())
        self._connections = 0
        self._failures = 0
        """Attempts in a row that gave less than `stable_after_s` of audio."""
        self._heard = False
        """Whether any sample ever came."""
        self._finite = False
        self._live_playlist = False
        self._skip_samples = 0
        """Samples still to be dropped, because they came over an earlier connection."""

    @property
    def resumable(self) -> bool:
        """Whether the next connection goes on in this epoch: a finite file that has begun."""
        return self._finite and self._heard

    def closed_meanwhile(self, *, finite: bool) -> bool:
        """Whether a playlist was closed between two connections: then what it lists has been heard."""
        return finite and self._live_playlist

    def begin(self, *, codec: str, finite: bool, live_playlist: bool, reader: str) -> None:
        """A connection stands: opens an epoch, or goes on in the one that broke off.

        Args:
            codec: For the log.
            finite: The answer has an end that is known.
            live_playlist: It is an HLS playlist that goes on.
            reader: For the log: which reader has it.
        """
        if self.resumable:
            self._skip_samples = self._cutter.pushed_samples
        else:
            epoch = max(self._now_ms(), self._cutter.stream.epoch + (1 if self._connections else 0))
            self._cutter = self._cutter_of(epoch)
        self._finite = finite
        self._live_playlist = live_playlist
        self._connections += 1
        log.info(
            "connected",
            stream=self.source.stream_id,
            url=self.source.location,
            epoch=self._cutter.stream.epoch,
            codec=codec,
            finite=finite,
            connection=self._connections,
            reader=reader,
        )

    def take(self, samples_S: Samples) -> list[Segment]:
        """Takes the connection's next samples and returns the segments that are full now."""
        skipped = min(self._skip_samples, len(samples_S))
        self._skip_samples -= skipped
        self._heard = self._heard or len(samples_S) > 0
        segments = self._cutter.push(np.ascontiguousarray(samples_S[skipped:]))
        if self._cutter.pushed_samples >= self._policy.stable_after_s * SAMPLE_RATE:
            self._failures = 0
        return segments

    def dropped(self) -> list[Segment]:
        """The connection is gone: the short segment that ends its epoch, if any is left and the epoch does end."""
        return [] if self.resumable else self._cutter.flush()

    def retry_in_s(self, failure: InputError) -> float | None:
        """How long to wait before asking again; None where that is of no use, or has been done often enough."""
        self._failures += 1
        if not failure.retriable and (self._finite or not self._heard):
            return None
        most = self._policy.attempts if self._heard else self._policy.attempts_before_audio
        if most is not None and self._failures >= most:
            return None
        delay_s = self._policy.delay_s(self._failures, self._draw())
        # A dead station is asked for ever: of thousands, the log would hold nothing else.
        often = self._failures > 4 and self._failures & (self._failures - 1)
        log.log(
            logging.DEBUG if often else logging.WARNING,
            "connection lost",
            stream=self.source.stream_id,
            reason=str(failure),
            attempt=self._failures,
            retry_in_s=round(delay_s, 2),
        )
        return delay_s

    def asked_anew(self) -> None:
        """It was given up and is asked again all the same: attempts are counted from the start."""
        self._failures = 0

    def end(self) -> Segment:
        """The last segment: whatever is left, perhaps no sample."""
        return self._cutter.finish()

    def _cutter_of(self, epoch: int) -> SegmentCutter:
        source = self.source
        return SegmentCutter(stream=source.stream(epoch), segment_samples=source.segment_samples)
