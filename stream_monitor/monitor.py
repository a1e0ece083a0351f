"""Runs the pipeline on sources: readers' threads fill a bounded queue, this thread computes (with the pipeline's own
helpers) and publishes.

It knows nothing of how audio is decoded, how plays are found or how events look. One failing source never stops the
others. However it ends (all sources read, or a stop), every open play ends in a final event first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from pydantic import Field

from encoder.grid import SAMPLE_RATE
from stream_monitor.catalogue_watch import CatalogueWatch, Refreshable
from stream_monitor.clock import Clock, SystemClock
from stream_monitor.errors import TooShortError
from stream_monitor.outcome import Outcome, StreamEnd
from stream_monitor.pipeline import Pipeline
from stream_monitor.publisher import Publisher
from stream_monitor.readers import Arrival, Failure, Reader, Readers, ReadersConfig
from stream_monitor.segments import StreamKey
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)


class MonitorConfig(ReadersConfig):
    """How sources are read and how the monitor ends."""

    poll_s: float = Field(default=0.1, gt=0.0, le=1.0)
    """How often the monitor looks whether it should stop, while no audio comes."""
    join_s: float = Field(default=5.0, gt=0.0)
    """How long it waits for each reading thread after a stop."""
    catalog_refresh_s: float = Field(default=10.0, ge=0.0, le=86_400.0)
    """How often tracks that another process has added or removed are taken over; 0 is never."""


class Observer(Protocol):
    """Sees what goes on, for a table or a log; called in the computing thread."""

    def arrived(self, stream: StreamKey, end_sample: int) -> None: ...

    def heard(self, outcomes: Sequence[Outcome]) -> None: ...

    def failed(self, failure: Failure) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorResult:
    """How it went."""

    failures: tuple[Failure, ...]
    interrupted: bool
    streams: int
    """Streams that ended (each epoch counts)."""
    monitored_samples: int


class Monitor:
    """Watches sources until they end or a stop is asked for."""

    def __init__(
        self,
        pipeline: Pipeline,
        publisher: Publisher,
        read: Reader,
        *,
        config: MonitorConfig | None = None,
        stop: Stop | None = None,
        clock: Clock | None = None,
        observers: Iterable[Observer] = (),
        catalogue: Refreshable | None = None,
    ) -> None:
        """Prepares; nothing runs before `watch`.

        Args:
            pipeline: Segments to outcomes.
            publisher: Outcomes to events.
            read: Opens a source and gives its segments until `stop` is set.
            config: Sizes and time-outs.
            stop: Shared with `read`.
            clock: Time; the machine's by default.
            observers: Who else is told.
            catalogue: What the pipeline looks in, asked for changes now and then; None where it never changes.
        """
        self._pipeline = pipeline
        self._publisher = publisher
        self._read = read
        self._config = config or MonitorConfig()
        self._stop = stop or Stop()
        self._clock = clock or SystemClock()
        self._observers = tuple(observers)
        self._catalogue = (
            None if catalogue is None else CatalogueWatch(catalogue, self._config.catalog_refresh_s, self._clock)
        )
        self._failures: list[Failure] = []
        self._streams = 0
        self._monitored_samples = 0

    def watch(
        self, sources: Sequence[Source], *, realtime: bool = False, interrupted: Callable[[], bool] = lambda: False
    ) -> MonitorResult:
        """Watches the sources to their end.

        Args:
            sources: What to watch.
            realtime: Files no faster than they would be heard.
            interrupted: Asked often; true ends everything in good order.

        Raises:
            SinkError: Events cannot be written; everything was stopped.
        """
        readers = Readers(
            sources, self._read, config=self._config, stop=self._stop, clock=self._clock, realtime=realtime
        )
        readers.start()
        try:
            with self._pipeline:
                was_interrupted = self._listen(readers, interrupted)
        finally:
            self._stop.set()
            for name in readers.join(self._config.join_s):
                log.warning("a reading thread did not end in time and is left behind", thread=name)
        for failure in readers.failures:
            self._fail(failure)
        return MonitorResult(
            failures=tuple(self._failures),
            interrupted=was_interrupted,
            streams=self._streams,
            monitored_samples=self._monitored_samples,
        )

    def _listen(self, readers: Readers, interrupted: Callable[[], bool]) -> bool:
        """Hears what the readers bring until they are done or a stop is asked for, which it returns; ends all plays."""
        while not (was_interrupted := interrupted() or self._stop.is_set()):
            self._follow_catalogue()
            done = readers.done  # asked before the queue: what a thread left there is still taken
            arrivals = readers.arrivals.take(wait_s=self._patience_s(), at_most=self._config.queue_segments)
            self._hear(arrivals)
            if done and not arrivals:
                break
        if was_interrupted:
            self._tell(self._pipeline.finish(state="interrupted", reason="the monitor was stopped"))
        else:
            self._tell(self._pipeline.finish())
        return was_interrupted

    def _patience_s(self) -> float:
        """How long to wait for audio: not beyond the deadline of a batch that waits to be filled."""
        due_s = self._pipeline.due_s
        return self._config.poll_s if due_s is None else min(self._config.poll_s, due_s - self._clock.monotonic_s())

    def _follow_catalogue(self) -> None:
        """Takes over what another process did to the catalogue, where it is time to look again."""
        change = None if self._catalogue is None else self._catalogue.look_when_due()
        if change is not None:
            self._publisher.catalogue_changed(change.version)
            self._tell([outcome for key in change.removed for outcome in self._pipeline.remove_track(key)])

    def _hear(self, arrivals: Sequence[Arrival]) -> None:
        """Through the pipeline with what came; a source that failed ends with its reason."""
        segments = [replace(arrival.segment, last=False) if arrival.error else arrival.segment for arrival in arrivals]
        for segment in segments:
            for observer in self._observers:
                observer.arrived(segment.stream, segment.end_sample)
        self._tell(self._pipeline.push(segments, now_s=self._clock.monotonic_s()))
        for arrival in arrivals:
            if arrival.error is not None:
                self._fail(Failure(source=arrival.source, error=arrival.error))
                name = (arrival.source.kind, arrival.source.stream_id)
                keys = [key for key in self._pipeline.streams if (key.kind, key.stream_id) == name]
                self._tell(self._pipeline.finish(keys, state="failed", reason=str(arrival.error)))

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        self._publisher.publish(outcomes)
        for observer in self._observers:
            observer.heard(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, StreamEnd):
                self._ended(outcome)

    def _ended(self, end: StreamEnd) -> None:
        self._streams += 1
        self._monitored_samples += end.status.monitored_samples
        if end.too_short and end.status.state == "ended":
            seconds = end.end_sample / SAMPLE_RATE
            error = TooShortError(f"{end.stream.stream_id}: only {seconds:.1f} s of audio; at least 6 s are needed")
            self._fail(Failure(source=None, error=error))

    def _fail(self, failure: Failure) -> None:
        self._failures.append(failure)
        log.error(str(failure.error), kind=type(failure.error).__name__)
        for observer in self._observers:
            observer.failed(failure)
