"""Which streams and which time a report is about. It knows nothing of where events are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

KINDS = ("broadcast", "upload")


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamName:
    """One stream, or those of one id whatever their kind."""

    kind: str | None
    stream_id: str

    @classmethod
    def parse(cls, text: str) -> StreamName:
        """`KIND/ID` or `ID`; an id may hold slashes."""
        kind, slash, rest = text.partition("/")
        if slash and rest and kind in KINDS:
            return cls(kind=kind, stream_id=rest)
        return cls(kind=None, stream_id=text)

    def __str__(self) -> str:
        return self.stream_id if self.kind is None else f"{self.kind}/{self.stream_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Streams and a half-open period; without streams all of them, without a border no border."""

    streams: tuple[StreamName, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is a period: what has no time is outside of any."""
        return self.since is not None or self.until is not None

    def names(self, kind: str, stream_id: str) -> bool:
        """Whether a stream is meant at all."""
        named = (each.kind in (None, kind) and each.stream_id == stream_id for each in self.streams)
        return not self.streams or any(named)

    def holds(self, kind: str, stream_id: str, heard_at: datetime | None) -> bool:
        """Whether something of a stream is meant that began then; None where nobody knows."""
        if not self.names(kind, stream_id):
            return False
        if not self.bounded:
            return True
        if heard_at is None or (self.since is not None and heard_at < self.since):
            return False
        return self.until is None or heard_at < self.until
