"""The reading threads: a pool for files, a thread for each live source, bounded hand-over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from stream_monitor.errors import BackpressureError, DamagedError, MonitorError, StoppedError
from stream_monitor.hand_off import HandOff
from stream_monitor.readers import Arrival, Readers, ReadersConfig
from stream_monitor.segments import Segment
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop
from tests.fakes.clock import FakeClock


def sources(count: int, medium: str = "file") -> list[Source]:
    return [
        Source(stream_id=f"s{i}", kind="upload", medium=medium, location=f"/{i}")  # type: ignore[arg-type]  # literal
        for i in range(count)
    ]


class Shelf:
    """Files of so many seconds each; knows how many are open at once."""

    def __init__(self, segments: int = 3, error: MonitorError | None = None) -> None:
        self.segments = segments
        self.error = error
        self.open = self.most_open = self.opened = 0
        self.threads: set[str] = set()
        self.lock = threading.Lock()

    def read(self, source: Source) -> Iterator[Segment]:
        with self.lock:
            self.open += 1
            self.opened += 1
            self.most_open = max(self.most_open, self.open)
        try:
            for seq in range(self.segments):
                self.threads.add(threading.current_thread().name)
                yield Segment(
                    stream=source.stream(),
                    seq=seq,
                    start_sample=seq * SAMPLE_RATE,
                    samples_S=np.zeros(SAMPLE_RATE, np.float32),
                    last=seq == self.segments - 1,
                )
        finally:
            with self.lock:
                self.open -= 1
        if self.error is not None:
            raise self.error


def drain(readers: Readers) -> list[Arrival]:
    readers.start()
    arrivals: list[Arrival] = []
    while True:
        done = readers.done
        taken = readers.arrivals.take(wait_s=0.02, at_most=5)
        arrivals += taken
        if done and not taken:
            assert readers.join(5.0) == []
            return arrivals


def make(shelf: Shelf, wanted: list[Source], *, realtime: bool = False, clock: FakeClock | None = None) -> Readers:
    config = ReadersConfig(decode_threads=2, open_files=5, queue_segments=4)
    return Readers(wanted, shelf.read, config=config, stop=Stop(), clock=clock or FakeClock(), realtime=realtime)


def test_many_files_are_read_by_two_threads_with_few_open_at_once() -> None:
    """Three hundred files give all their segments in order, through two threads and at most five open files."""
    shelf = Shelf()
    arrivals = drain(make(shelf, sources(300)))
    assert shelf.opened == 300
    assert shelf.most_open <= 5
    assert shelf.threads <= {"decode-0", "decode-1"}
    by_stream: dict[str, list[int]] = {}
    for arrival in arrivals:
        by_stream.setdefault(arrival.segment.stream.stream_id, []).append(arrival.segment.seq)
    assert by_stream == {f"s{i}": [0, 1, 2] for i in range(300)}


def test_an_error_comes_with_the_last_segment() -> None:
    """A file that turns out damaged at its end hands over its last samples together with the error."""
    arrivals = drain(make(Shelf(error=DamagedError("bad end")), sources(1)))
    assert [str(arrival.error) for arrival in arrivals] == ["None", "None", "bad end"]
    assert arrivals[-1].segment.last
    assert len(arrivals[-1].segment.samples_S) == SAMPLE_RATE


def test_a_source_that_cannot_even_begin_gives_an_empty_last_segment() -> None:
    """An error before any segment still ends the stream."""

    def refuse(source: Source) -> Iterator[Segment]:
        raise DamagedError("no")
        yield

    readers = Readers(sources(2), refuse, config=ReadersConfig(), stop=Stop(), clock=FakeClock())
    arrivals = drain(readers)
    assert [(a.segment.last, len(a.segment.samples_S), str(a.error)) for a in arrivals] == [(True, 0, "no")] * 2


def test_live_sources_have_a_thread_each() -> None:
    """Addresses are not read by the pool."""
    shelf = Shelf()
    drain(make(shelf, sources(3, "url")))
    assert shelf.threads == {"live-s0", "live-s1", "live-s2"}


def test_paced_files_all_run_together_and_come_when_they_were_heard() -> None:
    """With pacing, no segment comes before its last sample would have sounded, and all files are open."""
    clock = FakeClock()
    shelf = Shelf(segments=4)
    readers = make(shelf, sources(20), realtime=True, clock=clock)
    readers.start()
    seen = 0
    while True:
        done = readers.done  # asked before the queue: what a thread left there is still taken
        taken = readers.arrivals.take(wait_s=0.02, at_most=1)
        if done and not taken:
            break
        for arrival in taken:
            assert clock.now_s >= arrival.segment.end_sample / SAMPLE_RATE
            seen += 1
    assert seen == 80
    assert shelf.most_open == 20
    assert clock.now_s >= 4.0


def test_a_stop_ends_the_threads_in_the_middle() -> None:
    """After a stop nothing more is read, even while the queue is full."""
    shelf = Shelf(segments=1_000_000)
    stop = Stop()
    readers = Readers(sources(3), shelf.read, config=ReadersConfig(queue_segments=2), stop=stop, clock=FakeClock())
    readers.start()
    assert len(readers.arrivals.take(wait_s=5.0, at_most=1)) == 1
    stop.set()
    assert readers.join(5.0) == []
    assert readers.done
    assert readers.failures == []


def test_a_source_gives_up_when_the_pipeline_takes_nothing() -> None:
    """Backpressure has a deadline and a type of its own."""
    hand_off: HandOff[int] = HandOff(limit=1, deadline_s=0.1, stop=Stop())
    hand_off.offer(1)
    with pytest.raises(BackpressureError, match="took no audio for"):
        hand_off.offer(2)
    assert hand_off.take(wait_s=0.0, at_most=9) == [1]
    assert hand_off.take(wait_s=0.0, at_most=9) == []


def test_nothing_is_handed_over_after_a_stop() -> None:
    """A stop refuses new items."""
    stop = Stop()
    stop.set()
    with pytest.raises(StoppedError):
        HandOff[int](limit=1, deadline_s=1.0, stop=stop).offer(1)
