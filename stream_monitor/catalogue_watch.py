"""Looks now and then what other processes have done to the catalogue. It knows nothing of streams or plays."""

from __future__ import annotations

from typing import Protocol

import structlog

from index.errors import CatalogueError
from stream_monitor.clock import Clock
from stream_monitor.repertoire import CatalogueChange

log = structlog.get_logger(__name__)


class Refreshable(Protocol):
    """A catalogue that other processes may change meanwhile."""

    def refresh(self) -> CatalogueChange | None:
        """Takes over what changed; None where nothing did."""
        ...


class CatalogueWatch:
    """One process's."""

    def __init__(self, catalogue: Refreshable, every_s: float, clock: Clock) -> None:
        """Looks for the first time after one interval.

        Args:
            catalogue: What is looked at.
            every_s: How often; 0 is never.
            clock: Time.
        """
        self._catalogue = catalogue
        self._every_s = every_s
        self._clock = clock
        self._due_s = clock.monotonic_s() + every_s

    def look_when_due(self) -> CatalogueChange | None:
        """What changed, where it is time to look again; None where it is not, or nothing changed."""
        return self.look() if self._clock.monotonic_s() >= self._due_s else None

    def look(self) -> CatalogueChange | None:
        """What changed up to now. A catalogue that cannot be read stays as it is known; that is logged."""
        if not self._every_s:
            return None
        self._due_s = self._clock.monotonic_s() + self._every_s
        try:
            change = self._catalogue.refresh()
        except CatalogueError as error:
            log.warning("the catalogue cannot be read again; what is known of it stays in use", reason=str(error))
            return None
        if change is not None:
            log.info("catalogue changed", added=len(change.added), removed=len(change.removed), version=change.version)
        return change
