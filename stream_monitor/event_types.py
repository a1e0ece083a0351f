"""Names that every event carries and the namespace of their ids. It knows nothing of what an event holds."""

from __future__ import annotations

from typing import Final, Literal
from uuid import NAMESPACE_URL, uuid5

EventType = Literal["music.play.v1", "music.verdict.v1", "stream.status.v1"]
PLAY_TYPE: Final = "music.play.v1"
STATUS_TYPE: Final = "stream.status.v1"
VERDICT_TYPE: Final = "music.verdict.v1"
EVENT_NAMESPACE = uuid5(NAMESPACE_URL, "urn:stream-monitor:events")
