"""Where events go, as a route sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_monitor.errors import MonitorError
from stream_monitor.relay.alert import Alert, Stream
from stream_monitor.relay.open_plays import Plays


class UndeliverableError(MonitorError):
    """A destination will never take this event; it goes to the dead letters.

    Attributes:
        code: One word for headers and metrics, e.g. `webhook_refused`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What is to be told at once, in this order."""

    stream: Stream
    alert: Alert | None
    """The event; None where a filter keeps it back."""
    plays: Plays | None
    """What is open in the stream now; None where that did not change."""


class Destination(Protocol):
    """One of them; used from one event loop."""

    @property
    def name(self) -> str:
        """For the group, logs and metrics."""
        ...

    @property
    def at_once(self) -> int:
        """How many deliveries it takes at a time."""
        ...

    @property
    def tells_plays(self) -> bool:
        """Whether it tells what is open."""
        ...

    @property
    def reconnects(self) -> int:
        """How often it was connected anew: what is open may be lost there."""
        ...

    @property
    def lingers_s(self) -> float:
        """How long after its end a word of another relay may still arrive there."""
        ...

    async def run(self) -> None:
        """Keeps what is needed open until it is cancelled."""
        ...

    async def deliver(self, delivery: Delivery) -> None:
        """Returns once all of it is acknowledged, however long that takes.

        Raises:
            UndeliverableError: It never will be.
        """
        ...

    def complaints(self) -> Sequence[str]:
        """Why nothing, or not all, gets through; nothing where all does. Called by other threads."""
        ...
