"""Stations that are read while a test looks at what they bring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from stream_monitor.hand_off import HandOff
from stream_monitor.kafka.payload import to_flac
from stream_monitor.readers import Arrival
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.segments import Samples
from stream_monitor.sources import parse_sources
from stream_monitor.stations.settings import StationSettings
from stream_monitor.stations.stations import Stations
from stream_monitor.stopping import Stop

DEADLINE_S = 120.0


@dataclass(kw_only=True, slots=True)
class Hearing:
    """What was brought so far."""

    stations: Stations
    queue: HandOff[Arrival]
    stop: Stop
    arrivals: list[Arrival] = field(default_factory=list)

    def until(self, enough: Callable[[], bool]) -> None:
        """Takes what comes until it is enough."""
        until_s = time.monotonic() + DEADLINE_S
        while not enough():
            assert time.monotonic() < until_s, f"not enough after {DEADLINE_S:g} s: {len(self.arrivals)} segments"
            self.arrivals += self.queue.take(wait_s=0.05, at_most=100)

    def end(self) -> None:
        """Stops, and takes what is left."""
        self.stop.set()
        self.until(lambda: self.stations.done)
        assert self.stations.join(DEADLINE_S) == []
        self.arrivals += self.queue.take(wait_s=0.0, at_most=10_000)

    def streams(self) -> set[str]:
        """Who brought something."""
        return {arrival.source.stream_id for arrival in self.arrivals}

    def of(self, stream_id: str) -> list[Arrival]:
        """What one stream brought."""
        return [arrival for arrival in self.arrivals if arrival.source.stream_id == stream_id]

    def epochs(self, stream_id: str = "fm") -> dict[int, Samples]:
        """A stream's samples of each epoch, in order, after a look at numbers, places and the end mark."""
        found: dict[int, list[Arrival]] = {}
        own = self.of(stream_id)
        for arrival in own:
            found.setdefault(arrival.segment.stream.epoch, []).append(arrival)
        assert list(found) == sorted(found)
        assert [arrival.segment.last for arrival in own] == [False] * (len(own) - 1) + [True]
        for of_epoch in found.values():
            assert [arrival.segment.seq for arrival in of_epoch] == list(range(len(of_epoch)))
            ends = [0, *(arrival.segment.end_sample for arrival in of_epoch)]
            assert [arrival.segment.start_sample for arrival in of_epoch] == ends[:-1]
        return {
            epoch: np.concatenate([arrival.segment.samples_S for arrival in of_epoch])
            for epoch, of_epoch in found.items()
        }


@contextmanager
def hearing(
    urls: Sequence[str], policy: ReconnectPolicy, settings: StationSettings | None = None, *, limit: int = 1_000
) -> Iterator[Hearing]:
    """Reads addresses (`ID=URL`) while the context lasts; `limit` segments may wait to be taken."""
    stop, given_up = Stop(), Stop()
    queue: HandOff[Arrival] = HandOff(limit=limit, deadline_s=DEADLINE_S, stop=given_up)
    stations = Stations(
        parse_sources(urls),
        settings=settings or StationSettings(),
        policy=policy,
        arrivals=queue,
        encode=to_flac,
        stop=stop,
    )
    stations.start()
    try:
        yield Hearing(stations=stations, queue=queue, stop=stop)
    finally:
        stop.set()
        given_up.set()
        assert stations.join(DEADLINE_S) == []
    assert stations.failures == []
