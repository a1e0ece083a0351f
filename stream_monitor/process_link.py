"""What the watching processes and the one that leads them say to each other, over one pipe for each.

It knows nothing of monitors. Messages of a process come in the order in which they were sent; any of its threads may
send. A process whose leader has gone is asked to stop by that.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from stream_monitor.errors import SinkError
from stream_monitor.monitor import MonitorResult
from stream_monitor.outcome import Outcome, StreamEnd
from stream_monitor.readers import Failure
from stream_monitor.segments import StreamKey
from stream_monitor.sink import Event


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything is open; the process waits for the word to begin."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events to be written."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """Audio of a stream was read up to this sample."""

    stream: StreamKey
    end_sample: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Outcomes, for whoever looks on."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream is over: nothing of it is lost whatever becomes of the process."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A source failed, as the process has logged."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Text:
    """What the process writes to its standard error."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """All sources were watched."""

    result: MonitorResult
    cpu_s: float
    """Processor time since the word to begin."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An error that ends the process."""

    error: Exception


Message = Ready | Events | Arrived | Heard | Ended | Failed | Text | Done | Broken


class Link:
    """A watching process's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Says something to the leader.

        Raises:
            SinkError: The leader has gone.
        """
        try:
            with self._lock:
                self._connection.send(message)
        except OSError as error:
            raise SinkError("the process that writes the events has gone") from error

    def wait(self) -> bool:
        """Waits for the word to begin; false where the leader has gone."""
        try:
            self._connection.recv()
        except (EOFError, OSError):
            return False
        return True

    def asked_to_stop(self) -> bool:
        """Whether the leader has said anything after that, or has gone."""
        return self._connection.poll()


class LinkSink:
    """An event sink whose events the leader writes."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def write(self, events: Iterable[Event]) -> None:
        """Hands the events over; they are written after all that was handed over before."""
        told = tuple(events)
        if told:
            self._link.send(Events(told))

    def close(self) -> None:
        """Nothing is left to do."""


class LinkObserver:
    """An observer that tells the leader which streams ended and, where somebody looks on, everything."""

    def __init__(self, link: Link, *, watched: bool) -> None:
        """Prepares; `watched` says whether anybody looks on."""
        self._link = link
        self._watched = watched

    def arrived(self, stream: StreamKey, end_sample: int) -> None:
        """Audio of a stream was read."""
        if self._watched:
            self._link.send(Arrived(stream, end_sample))

    def heard(self, outcomes: Sequence[Outcome]) -> None:
        """Chunks were heard, streams ended."""
        if self._watched:
            self._link.send(Heard(tuple(outcomes)))
        for outcome in outcomes:
            if isinstance(outcome, StreamEnd) and outcome.status.state != "reconnected":
                self._link.send(Ended(outcome.stream.stream_id))

    def failed(self, failure: Failure) -> None:
        """A source failed."""
        self._link.send(Failed(failure))


class LinkText(io.TextIOBase):
    """A standard error whose text the leader writes to its own, so that a live table can move out of the way."""

    def __init__(self, link: Link, *, terminal: bool) -> None:
        """Prepares; `terminal` says whether the leader's is one."""
        self._link = link
        self._terminal = terminal

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether colours are seen."""
        return self._terminal

    def write(self, text: str, /) -> int:
        """Hands the text over; where nobody is left to read it, it is lost."""
        try:
            self._link.send(Text(text))
        except SinkError:
            return 0
        return len(text)
