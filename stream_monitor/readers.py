"""The threads that read sources: a small pool for all files together, one for each live source.

Files are read a segment at a time, in turn, by a pool of a fixed size; only so many are open at once, so that fifty
or five thousand work alike. A paced file waits for its place in a heap of due times, not in a thread. Live sources
(addresses, standard input) block while they wait for data, so each has a thread of its own. It knows nothing of
what is done with segments.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import SAMPLE_RATE
from stream_monitor.clock import Clock
from stream_monitor.errors import BackpressureError, MonitorError, StoppedError
from stream_monitor.hand_off import HandOff
from stream_monitor.segments import Segment
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop

Reader = Callable[[Source], Iterator[Segment]]

_POLL_S = 0.05


class ReadersConfig(BaseModel):
    """How sources are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decode_threads: int = Field(default=2, ge=1, le=64)
    """Threads that decode all files together; processes share them."""
    open_files: int = Field(default=48, ge=1, le=10_000)
    """Files that a process reads at the same time; the others wait their turn. With `--realtime` all are open."""
    queue_segments: int = Field(default=64, ge=2, le=10_000)
    """Segments (5 s, 0.4 MB) that may wait for the pipeline."""
    give_up_s: float = Field(default=120.0, gt=0.0)
    """A source that cannot hand over a segment for so long fails."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A segment of a source; with the error, where its last one came early."""

    source: Source
    segment: Segment
    error: MonitorError | None = None
    encoded: bytes | None = None
    """The samples as they are sent, where whoever read them has encoded them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A source that failed, or (None) a fault that belongs to no source."""

    source: Source | None
    error: MonitorError


@dataclass(order=True, slots=True)
class _Turn:
    """An open file and when its next segment is due."""

    due_s: float
    order: int
    source: Source = field(compare=False)
    segments: Iterator[Segment] = field(compare=False)
    begun_s: float = field(compare=False)
    held: Arrival | None = field(compare=False, default=None)
    """With pacing: read already, to be handed over when it is due."""


class Readers:
    """Reads sources in threads; `start` once, `join` after the stop or the end."""

    def __init__(
        self,
        sources: Sequence[Source],
        read: Reader,
        *,
        config: ReadersConfig,
        stop: Stop,
        clock: Clock,
        realtime: bool = False,
        arrivals: HandOff[Arrival] | None = None,
    ) -> None:
        """Prepares; nothing is opened before `start`.

        Args:
            sources: What to read.
            read: Opens a source and gives its segments (see `reading.read_segments`).
            config: Sizes.
            stop: Ends everything.
            clock: Time, for pacing.
            realtime: Files come no faster than they would be heard.
            arrivals: Where segments go that others bring there too; None makes one, which ends with `stop`.
        """
        self.arrivals = arrivals or HandOff(limit=config.queue_segments, deadline_s=config.give_up_s, stop=stop)
        self._read = read
        self._stop = stop
        self._clock = clock
        self._realtime = realtime
        self._waiting = deque(source for source in sources if source.medium == "file")
        self._live = [source for source in sources if source.medium != "file"]
        self._open_files = len(self._waiting) if realtime else config.open_files
        self._threads = [
            threading.Thread(target=self._work, name=f"decode-{i}", daemon=True)
            for i in range(min(config.decode_threads, len(self._waiting)))
        ] + [
            threading.Thread(target=self._follow, args=(source,), name=f"live-{source.stream_id}", daemon=True)
            for source in self._live
        ]
        self._turns: list[_Turn] = []
        self._open = 0
        self._order = 0
        self._lock = threading.Lock()
        self._running = len(self._threads)
        self._failures: list[Failure] = []

    @property
    def done(self) -> bool:
        """Whether every source was read to its end and handed over."""
        with self._lock:
            return self._running == 0

    @property
    def failures(self) -> list[Failure]:
        """What went wrong in the threads themselves; an input's own error comes with its last segment."""
        with self._lock:
            return list(self._failures)

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> list[str]:
        """Waits for the threads to end; returns the names of those that did not."""
        for thread in self._threads:
            thread.join(timeout_s)
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _work(self) -> None:
        """Reads a segment of whichever file is due, until none is left."""
        turn: _Turn | None = None
        with self._thread_ends(lambda: turn.source if turn else None):
            while (turn := self._next_turn()) is not None:
                self._advance(turn)

    def _follow(self, source: Source) -> None:
        """Reads one live source."""
        with self._thread_ends(lambda: source):
            segments = self._read(source)
            while (arrival := next_arrival(source, segments)) is not None:
                self._offer(arrival)

    @contextmanager
    def _thread_ends(self, source: Callable[[], Source | None]) -> Iterator[None]:
        """Whatever ends a thread, it is counted; a fault of ours is told as a failure and not only on stderr."""
        well = False
        try:
            yield
            well = True
        except StoppedError:
            well = True
        finally:
            with self._lock:
                self._running -= 1
                if not well:
                    fault = MonitorError("reading broke off because of a fault in the monitor; see the log")
                    self._failures.append(Failure(source=source(), error=fault))

    def _offer(self, arrival: Arrival) -> bool:
        """Hands over; false where the pipeline took nothing for too long, which is that source's failure."""
        try:
            self.arrivals.offer(arrival)
        except BackpressureError as error:
            with self._lock:
                self._failures.append(Failure(source=arrival.source, error=error))
            return False
        return True

    def _next_turn(self) -> _Turn | None:
        """The open file whose turn it is, or a new one; None when there will be no more."""
        while not self._stop.is_set():
            with self._lock:
                now_s = self._clock.monotonic_s()
                if self._waiting and self._open < self._open_files:
                    source = self._waiting.popleft()
                    self._open += 1
                    return _Turn(now_s, self._order, source, self._read(source), now_s)
                if self._turns and (not self._realtime or self._turns[0].due_s <= now_s):
                    return heapq.heappop(self._turns)
                if not self._open and not self._waiting:
                    return None
                wait_s = self._turns[0].due_s - now_s if self._turns else _POLL_S
            self._clock.wait(self._stop, min(wait_s, _POLL_S))
        return None

    def _advance(self, turn: _Turn) -> None:
        """Hands over what was held, or reads the next segment; then the file gets its next turn, or is over."""
        arrival = turn.held or next_arrival(turn.source, turn.segments)
        turn.held = None
        now_s = self._clock.monotonic_s()
        if arrival is not None and self._realtime:
            due_s = turn.begun_s + arrival.segment.end_sample / SAMPLE_RATE
            if due_s > now_s:
                turn.held = arrival
                self._put_back(turn, due_s)
                return
        if arrival is not None and self._offer(arrival) and not arrival.segment.last:
            self._put_back(turn, now_s if self._realtime else 0.0)
            return
        with self._lock:
            self._open -= 1

    def _put_back(self, turn: _Turn, due_s: float) -> None:
        with self._lock:
            self._order += 1
            turn.due_s, turn.order = due_s, self._order
            heapq.heappush(self._turns, turn)


def next_arrival(source: Source, segments: Iterator[Segment]) -> Arrival | None:
    """The next segment; the last one comes with the error that follows it, if any. None where there is none."""
    segment: Segment | None = None
    try:
        segment = next(segments, None)
        if segment is not None and segment.last:
            next(segments, None)
    except StoppedError:
        raise
    except MonitorError as error:
        if segment is None:
            segment = Segment(
                stream=source.stream(), seq=0, start_sample=0, samples_S=np.zeros(0, np.float32), last=True
            )
        return Arrival(source=source, segment=segment, error=error)
    return None if segment is None else Arrival(source=source, segment=segment)
