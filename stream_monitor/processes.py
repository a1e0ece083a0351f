"""Several processes that watch a share of the sources each, led by this one, which writes their events and their logs.

One interpreter computes one thing at a time outside of its libraries' C code, so a second thread adds little; a second
process doubles what two cores carry (docs/decisions/0010-benchmarks.md). A stream stays in its process, which hears it
as a monitor alone would. A process that dies is a failure of its sources; the others go on. It knows nothing of what a
monitor does.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Self

import structlog

from encoder.errors import EncoderError
from index.errors import CatalogueError
from stream_monitor.errors import MonitorError, SinkError
from stream_monitor.monitor import MonitorResult, Observer
from stream_monitor.process_link import (
    Arrived,
    Broken,
    Done,
    Ended,
    Events,
    Failed,
    Heard,
    Link,
    LinkObserver,
    LinkSink,
    LinkText,
    Ready,
    Text,
)  # fmt: skip
from stream_monitor.readers import Failure
from stream_monitor.sink import EventSink
from stream_monitor.sources import Source
from stream_monitor.watching import WatchPlan, opened_monitor

log = structlog.get_logger(__name__)

_POLL_S = 0.1
_LEAVE_S = 5.0


@dataclass(kw_only=True, slots=True, eq=False)
class _Branch:
    """One watching process, as its leader sees it."""

    process: SpawnProcess
    connection: Connection
    sources: Sequence[Source]
    ended: set[str] = field(default_factory=set)
    """Streams that are over."""
    result: MonitorResult | None = None


class Processes:
    """Watching processes; they are there inside `with`, and `watch` is called once."""

    def __init__(
        self, plan: WatchPlan, shares: Sequence[Sequence[Source]], *, prepare: Callable[[], None], watched: bool = False
    ) -> None:
        """Starts nothing.

        Args:
            plan: What every process's monitor is made from.
            shares: The sources of each process.
            prepare: Called first in each process, to set up logging; a function of a module.
            watched: Whether observers will look on.
        """
        self.cpu_s = 0.0
        """Processor time of the processes that are done, since the word to begin."""
        self._plan = plan
        self._shares = shares
        self._prepare = prepare
        self._watched = watched
        self._branches: list[_Branch] = []
        self._failures: list[Failure] = []

    def __enter__(self) -> Self:
        """Starts the processes and waits until each has opened what it needs.

        Raises:
            MonitorError, EncoderError, CatalogueError: What the first of them to fail said.
        """
        context = get_context("spawn")
        try:
            for sources in self._shares:
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_watch_share,
                    args=(theirs, self._plan, sources, self._prepare, self._watched, sys.stderr.isatty()),
                    daemon=True,
                )
                process.start()
                theirs.close()
                self._branches.append(_Branch(process=process, connection=ours, sources=sources))
            for branch in self._branches:
                self._until_ready(branch)
        except BaseException:
            self._leave()
            raise
        return self

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes' numbers, for whoever watches over them."""
        return tuple(branch.process.pid for branch in self._branches if branch.process.pid is not None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends what still runs."""
        self._leave()

    def watch(
        self,
        sink: EventSink,
        *,
        observers: Iterable[Observer] = (),
        interrupted: Callable[[], bool] = lambda: False,
    ) -> MonitorResult:
        """Watches all sources to their end.

        Args:
            sink: Takes the events of all processes, those of a stream in order.
            observers: Who looks on; see `watched`.
            interrupted: Asked often; true ends everything in good order.

        Raises:
            SinkError: Events cannot be written; everything was stopped.
        """
        onlookers = tuple(observers)
        going = {branch.connection: branch for branch in self._branches}
        for branch in self._branches:
            _say(branch)
        stopping = False
        while going:
            if not stopping and interrupted():
                stopping = True
                for branch in going.values():
                    _say(branch)
            for connection in wait(list(going), timeout=_POLL_S):
                branch = going[connection]  # type: ignore[index]  # only connections were given
                if not self._take(branch, sink, onlookers):
                    del going[branch.connection]
        results = [branch.result for branch in self._branches if branch.result is not None]
        return MonitorResult(
            failures=tuple(self._failures + [failure for result in results for failure in result.failures]),
            interrupted=any(result.interrupted for result in results),
            streams=sum(result.streams for result in results),
            monitored_samples=sum(result.monitored_samples for result in results),
        )

    def _until_ready(self, branch: _Branch) -> None:
        while True:
            try:
                message = branch.connection.recv()
            except (EOFError, OSError) as error:
                raise MonitorError(
                    f"a watching process ended before it began ({_exit(branch)}); see the log"
                ) from error
            match message:
                case Ready():
                    return
                case Text(text):
                    sys.stderr.write(text)
                case Broken(reason):
                    raise reason
                case _:
                    raise TypeError(f"a watching process said {type(message).__name__} before it was ready")

    def _take(self, branch: _Branch, sink: EventSink, observers: Sequence[Observer]) -> bool:
        """Takes one message of a process; false after its last."""
        try:
            message = branch.connection.recv()
        except (EOFError, OSError):
            gone = MonitorError(f"the process that watched it ended ({_exit(branch)}); watch it again")
            self._lost(branch, gone, observers)
            return False
        match message:
            case Events(events):
                sink.write(events)
            case Arrived(stream, end_sample):
                for observer in observers:
                    observer.arrived(stream, end_sample)
            case Heard(outcomes):
                for observer in observers:
                    observer.heard(outcomes)
            case Ended(stream_id):
                branch.ended.add(stream_id)
            case Failed(failure):
                for observer in observers:
                    observer.failed(failure)
            case Text(text):
                sys.stderr.write(text)
            case Done(result, cpu_s):
                branch.result = result
                self.cpu_s += cpu_s
                return False
            case Broken(error):
                self._lost(branch, error if isinstance(error, MonitorError) else MonitorError(str(error)), observers)
                return False
        return True

    def _lost(self, branch: _Branch, error: MonitorError, observers: Sequence[Observer]) -> None:
        """A process is gone: every source of it that had not ended has failed."""
        for source in branch.sources:
            if source.stream_id not in branch.ended:
                self._failures.append(Failure(source=source, error=error))
                log.error(str(error), stream=source.stream_id, kind=type(error).__name__)
                for observer in observers:
                    observer.failed(self._failures[-1])

    def _leave(self) -> None:
        """Lets the processes go; one that does not end by itself is ended."""
        for branch in self._branches:
            branch.connection.close()
        for branch in self._branches:
            branch.process.join(_LEAVE_S if branch.result is not None else 0.0)
            if branch.process.is_alive():
                branch.process.kill()
                branch.process.join()
        self._branches = []


def _say(branch: _Branch) -> None:
    """The word to begin or, later, to stop; a process that has gone is noticed when it is listened to."""
    with suppress(OSError):
        branch.connection.send(None)


def _exit(branch: _Branch) -> str:
    branch.process.join(_LEAVE_S)
    return f"exit code {branch.process.exitcode}"


def _watch_share(
    connection: Connection,
    plan: WatchPlan,
    sources: Sequence[Source],
    prepare: Callable[[], None],
    watched: bool,
    terminal: bool,
) -> None:
    """What a watching process does."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the leader gets them too and says what is to be done
        signal.signal(number, signal.SIG_IGN)
    link = Link(connection)
    sys.stderr = LinkText(link, terminal=terminal)
    prepare()
    observers = [LinkObserver(link, watched=watched)]
    try:
        with opened_monitor(plan, lambda: LinkSink(link), observers=observers) as monitor:
            link.send(Ready())
            if not link.wait():
                return
            begun_s = time.process_time()
            result = monitor.watch(sources, realtime=plan.realtime, interrupted=link.asked_to_stop)
            link.send(Done(result, time.process_time() - begun_s))
    except (MonitorError, EncoderError, CatalogueError, OSError) as error:
        with suppress(SinkError):
            link.send(Broken(error))
