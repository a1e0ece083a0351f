"""All live addresses of a producer, read on one event loop in a thread of its own.

It brings what it reads to the same hand-over as `readers.Readers`, already encoded. The number of threads does not
depend on the number of stations, but for those that need a demuxer, whose threads are counted. It knows nothing of what
is done with segments.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import structlog

from stream_monitor.errors import BackpressureError, MonitorError, StoppedError
from stream_monitor.hand_off import HandOff
from stream_monitor.readers import Arrival, Failure
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.segments import Samples
from stream_monitor.sources import Source
from stream_monitor.stations.answer import Door, certificates
from stream_monitor.stations.bulletin import Bulletin
from stream_monitor.stations.followers import Followers
from stream_monitor.stations.lookups import Lookups
from stream_monitor.stations.pace import Pace
from stream_monitor.stations.roll import Counts, Roll
from stream_monitor.stations.settings import StationSettings
from stream_monitor.stations.station import Station, Surroundings
from stream_monitor.stations.waits import Waits
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)

_LOOKUP_THREADS: Final = 32
"""Threads that ask for addresses of names; not those that decode, since a name server may keep them long."""


class Stations:
    """Reads addresses; `start` once, `join` after the stop or the end."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        settings: StationSettings,
        policy: ReconnectPolicy,
        arrivals: HandOff[Arrival],
        encode: Callable[[Samples], bytes],
        stop: Stop,
    ) -> None:
        """Prepares; nothing is opened before `start`.

        Args:
            sources: Addresses.
            settings: How many at once.
            policy: Time-outs and reconnects.
            arrivals: Takes what is read. It ends by a stop of its own, since after `stop` every station hands over what
                it has left.
            encode: A segment's samples as the bytes that are sent.
            stop: Ends everything, from any thread.
        """
        self._sources = sources
        self._settings = settings
        self._policy = policy
        self._arrivals = arrivals
        self._encode = encode
        self._stop = stop
        self._roll = Roll(len(sources))
        self._lock = threading.Lock()
        self._failures: dict[Source | None, Failure] = {}
        """The first of each source."""
        self._thread = threading.Thread(target=self._run, name="stations", daemon=True)
        self._ended = threading.Event()
        if not sources:
            self._ended.set()

    @property
    def done(self) -> bool:
        """Whether every address was read to its end and handed over."""
        return self._ended.is_set()

    @property
    def failures(self) -> list[Failure]:
        """What went wrong in reading itself; an address's own error comes with its last segment."""
        with self._lock:
            return list(self._failures.values())

    def counts(self) -> Counts:
        """How the addresses stand."""
        return self._roll.counts()

    def start(self) -> None:
        """Starts the thread."""
        if self._sources:
            self._thread.start()

    def join(self, timeout_s: float) -> list[str]:
        """Waits for the thread to end; returns its name where it did not."""
        if not self._sources:
            return []
        self._thread.join(timeout_s)
        return [self._thread.name] if self._thread.is_alive() else []

    def _run(self) -> None:
        try:
            asyncio.run(self._read())
        finally:
            if not self._ended.is_set():
                self._fail(None)
                self._ended.set()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        waits = Waits()

        def cut() -> None:
            # A loop that has ended has nothing left to cut.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(waits.cut)

        loop.set_default_executor(Lookups(_LOOKUP_THREADS))
        followers = Followers(self._settings.reader_threads, self._policy, stop=self._stop, hand_over=self._hand_over)
        with ThreadPoolExecutor(self._settings.decode_threads, "station") as pool, self._stop.calling(cut):
            around = Surroundings(
                policy=self._policy,
                waits=waits,
                tls=certificates(verify=self._settings.verify_tls),
                door=Door(
                    pace=Pace(self._settings.connections_per_s),
                    connecting=asyncio.Semaphore(self._settings.connecting),
                ),
                roll=self._roll,
                most_behind_s=self._settings.most_behind_s,
                ask_again_s=self._settings.ask_again_s,
                pool=pool,
                followers=followers,
                check_open=self._arrivals.check_open,
                hand_over=self._hand_over,
            )
            tasks = {
                asyncio.create_task(Station(Address(source, self._policy), around).run()): source
                for source in self._sources
            }
            for task in tasks:
                task.add_done_callback(lambda task: self._check(task, tasks[task]))
            bulletin = Bulletin(self._roll)
            telling = asyncio.create_task(bulletin.run(waits))
            await asyncio.wait(tasks)
            telling.cancel()
            await asyncio.wait([telling])
            bulletin.look()
        followers.close()
        self._ended.set()

    def _hand_over(self, arrival: Arrival) -> None:
        """Encodes and hands over; a segment that nobody takes for too long is that address's failure.

        Raises:
            StoppedError: Nobody takes anything any more.
        """
        encoded = replace(arrival, encoded=self._encode(arrival.segment.samples_S))
        try:
            self._arrivals.offer(encoded)
        except BackpressureError as error:
            log.error("a segment is lost: nobody took it", stream=arrival.source.stream_id, reason=str(error))
            self._roll.dropped()
            self._add(Failure(source=arrival.source, error=error))

    def _check(self, task: asyncio.Task[None], source: Source) -> None:
        """A station that broke off because of a fault of ours is told as a failure; the others go on."""
        error = task.exception()
        if error is not None and not isinstance(error, StoppedError):
            log.error("reading broke off", stream=source.stream_id, exc_info=error)
            self._fail(source)

    def _fail(self, source: Source | None) -> None:
        fault = MonitorError("reading broke off because of a fault in the monitor; see the log")
        self._add(Failure(source=source, error=fault))

    def _add(self, failure: Failure) -> None:
        with self._lock:
            self._failures.setdefault(failure.source, failure)
