"""A live address as segments, for ever: time-outs notice a stall, a drop is mended by connecting again.

It knows nothing of FFmpeg and nothing of plays. Each connection to a live stream is a new epoch, later than the one
before; the dropped epoch ends in a short segment that is *not* marked `last`, so that whoever tracks plays may carry
them over. A finite file on an HTTP server (its length is known) is read on in the same epoch from where it broke off.
`last` marks the true end: of a finite file, of an HLS playlist, after a stop, or when the attempts are used up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import SAMPLE_RATE
from stream_monitor.decode import AudioFormat
from stream_monitor.errors import InputError, LostSourceError, StoppedError
from stream_monitor.live_input import LiveInput
from stream_monitor.segments import Samples, Segment, SegmentCutter
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop

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


def _epoch_now() -> int:
    return time.time_ns() // 1_000_000


@dataclass(kw_only=True, slots=True)
class _Progress:
    """Where the reader stands between connections."""

    cutter: SegmentCutter
    connections: int = 0
    failures: int = 0
    """Attempts in a row that gave less than `stable_after_s` of audio."""
    heard: bool = False
    """Whether any sample ever came."""
    finite: bool = False
    live_playlist: bool = False
    skip_samples: int = 0
    """Samples still to be dropped, because they came over an earlier connection."""

    @property
    def resumable(self) -> bool:
        """Whether the next connection goes on in this epoch: a finite file that has begun."""
        return self.finite and self.heard


class LiveReader:
    """Reads one address; `segments` may be called once."""

    def __init__(
        self,
        source: Source,
        policy: ReconnectPolicy,
        *,
        stop: Stop,
        now_ms: Callable[[], int] = _epoch_now,
        wait: Callable[[float], bool] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Args: `now_ms` dates epochs; `wait` sleeps and says whether a stop came; `draw` gives the jitter."""
        self._source = source
        self._policy = policy
        self._stop = stop
        self._now_ms = now_ms
        self._wait = wait or stop.wait
        self._draw = draw

    def segments(self) -> Iterator[Segment]:
        """Yields segments until the address ends, a stop comes, or it is given up; the last one is marked.

        Raises:
            InputError: After the last segment: why the address was given up.
        """
        progress = _Progress(cutter=SegmentCutter(stream=self._source.stream(self._now_ms())))
        failure: InputError | None = None
        while True:
            try:
                yield from self._read_connection(progress)
                failure = None
                break
            except StoppedError:
                break
            except InputError as error:
                failure = error
            if not progress.resumable:
                yield from progress.cutter.flush()
            if self._is_final(failure, progress) or self._wait_before_retry(progress, failure):
                break
        yield progress.cutter.finish()
        if failure is not None and not self._stop.is_set():
            raise failure

    def _read_connection(self, progress: _Progress) -> Iterator[Segment]:
        """Connects once and yields what comes; ends where the input ended, raises where the connection did."""
        with self._connect() as audio:
            finite = _is_finite(audio.format)
            if finite and progress.live_playlist:
                return  # The playlist was closed while we were away: what it lists has been heard.
            self._begin(progress, audio, finite=finite)
            for samples_S in audio.blocks():
                yield from self._take(progress, samples_S)
        if not finite:
            raise LostSourceError(f"{self._source.location}: the server closed the connection")

    def _connect(self) -> LiveInput:
        return LiveInput(
            self._source.location,
            stop=self._stop,
            connect_timeout_s=self._policy.connect_timeout_s,
            read_timeout_s=self._policy.read_timeout_s,
        )

    def _begin(self, progress: _Progress, audio: LiveInput, *, finite: bool) -> None:
        """Opens an epoch, or goes on in the one that broke off."""
        if progress.resumable:
            progress.skip_samples = progress.cutter.pushed_samples
        elif progress.connections:
            epoch = max(self._now_ms(), progress.cutter.stream.epoch + 1)
            progress.cutter = SegmentCutter(stream=self._source.stream(epoch))
        progress.finite = finite
        progress.live_playlist = audio.format.container == "hls" and not finite
        progress.connections += 1
        log.info(
            "connected",
            url=self._source.location,
            epoch=progress.cutter.stream.epoch,
            codec=audio.format.codec,
            finite=finite,
            connection=progress.connections,
        )

    def _take(self, progress: _Progress, samples_S: Samples) -> list[Segment]:
        skipped = min(progress.skip_samples, len(samples_S))
        progress.skip_samples -= skipped
        progress.heard = progress.heard or len(samples_S) > 0
        segments = progress.cutter.push(np.ascontiguousarray(samples_S[skipped:]))
        if progress.cutter.pushed_samples >= self._policy.stable_after_s * SAMPLE_RATE:
            progress.failures = 0
        return segments

    def _is_final(self, failure: InputError, progress: _Progress) -> bool:
        """Whether asking again is of no use, or has been done often enough."""
        progress.failures += 1
        if not failure.retriable and (progress.finite or not progress.heard):
            return True
        most = self._policy.attempts if progress.heard else self._policy.attempts_before_audio
        return most is not None and progress.failures >= most

    def _wait_before_retry(self, progress: _Progress, failure: InputError) -> bool:
        """Waits; true where a stop came."""
        delay_s = self._policy.delay_s(progress.failures, self._draw())
        log.warning("connection lost", reason=str(failure), attempt=progress.failures, retry_in_s=round(delay_s, 2))
        return self._wait(delay_s)


def _is_finite(form: AudioFormat) -> bool:
    """A file of known length, or an HLS playlist that is closed."""
    if form.container == "hls":
        return form.duration_s is not None
    return form.size_bytes is not None
