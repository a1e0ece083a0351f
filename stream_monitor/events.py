"""Play changes to CloudEvents, by the contract `music.play.v1`. It knows nothing of where events go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stream_monitor.plays import PlayChange


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """What made the event."""

    software: str
    encoder: str
    catalogue: str
    config: str


def play_event(
    change: PlayChange, *, versions: Versions, detected_at: datetime, stream_start: datetime | None = None
) -> dict[str, Any]:
    """The event of one revision, ready for `json.dumps`.

    Args:
        change: What the tracker said.
        versions: What made it.
        detected_at: Now, with a time zone.
        stream_start: Wall clock of the epoch's sample 0, with a time zone; None where it is not known.
    """
    raise NotImplementedError
