"""Names that every event carries and the namespace of their ids. It knows nothing of what an event holds."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

PLAY_TYPE = "music.play.v1"
STATUS_TYPE = "stream.status.v1"
VERDICT_TYPE = "music.verdict.v1"
EVENT_NAMESPACE = uuid5(NAMESPACE_URL, "urn:stream-monitor:events")
