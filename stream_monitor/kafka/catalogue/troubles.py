"""What of the topic cannot be used: the first ones by name, of the others only which, so that a flood stays bounded."""

from __future__ import annotations

import structlog

from stream_monitor.kafka.catalogue.fold import Unusable
from stream_monitor.kafka.catalogue.mark import TOLD, Trouble

log = structlog.get_logger(__name__)


class Troubles:
    """Those of one copy."""

    def __init__(self) -> None:
        self._told: dict[str, Trouble] = {}
        self._untold: set[str] = set()

    def __len__(self) -> int:
        return len(self._told) + len(self._untold)

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._told or track_id in self._untold

    @property
    def told(self) -> tuple[Trouble, ...]:
        """Those with their reasons."""
        return tuple(self._told.values())

    def add(self, change: Unusable) -> None:
        """One more; logged, unless there are too many already."""
        trouble = Trouble(track_id=change.track_id, offset=change.offset, code=change.code, message=change.message)
        if change.track_id not in self._told and len(self._told) >= TOLD:
            if not self._untold:
                log.error("further records of the catalogue cannot be used; they are counted only", told=TOLD)
            self._untold.add(change.track_id)
            return
        self._told[change.track_id] = trouble
        about = {"track_id": change.track_id, "offset": change.offset, "code": change.code}
        log.error("a record of the catalogue cannot be used", **about, reason=change.message)

    def forget(self, track_id: str) -> None:
        """A good record came, or a tombstone."""
        self._told.pop(track_id, None)
        self._untold.discard(track_id)
