"""Which events a destination is told of. It knows nothing of destinations, and remembers nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from stream_monitor.errors import SettingsError
from stream_monitor.event_types import EventType
from stream_monitor.metadata import read_metadata
from stream_monitor.relay.alert import Alert

OF_EVENTS: Final = frozenset({"track_id", "title", "artist", "isrc", "iswc", "work_id"})
"""Columns of a track that its events have."""


class FilterSettings(BaseModel):
    """Which events are told; an empty list is all. What is chosen of plays does not touch verdicts and status."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    types: tuple[EventType, ...] = ()
    """Types of events."""
    statuses: tuple[Literal["provisional", "updated", "final", "retracted"], ...] = ()
    """Of plays."""
    match_types: tuple[Literal["recording", "version", "unknown"], ...] = ()
    """Of plays."""
    least_confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    """Of plays. A play that was told is told to its end, also when its confidence falls below."""
    track_ids: tuple[str, ...] = ()
    """Plays of these tracks."""
    track_ids_file: Path | None = None
    """More of them, one a line."""
    columns: dict[str, tuple[str, ...]] = {}
    """Plays of tracks whose column has one of these values, e.g. `{label: [A, B]}`; all columns that are named must
    fit. `title`, `artist`, `isrc`, `iswc`, `work_id` are in the event, others are looked up in `metadata`."""
    metadata: Path | None = None
    """The CSV that the catalogue was made with, for columns that events do not have; read at the start."""


class Filter:
    """One destination's."""

    def __init__(self, settings: FilterSettings) -> None:
        """Reads the files that are named.

        Raises:
            SettingsError: One cannot be read, or names nothing that could ever be told.
        """
        self._settings = settings
        self._track_ids = frozenset(settings.track_ids) | _lines(settings.track_ids_file)
        if settings.track_ids_file is not None and not self._track_ids:
            raise SettingsError(f"track_ids_file {settings.track_ids_file}: names no track, so nothing would be told")
        rows = read_metadata(settings.metadata) if settings.metadata is not None else []
        self._rows: Mapping[str, Mapping[str, str]] = {row.track_id: row.columns for row in rows}
        known = OF_EVENTS.union(*(row.columns for row in rows))
        unknown = sorted(settings.columns.keys() - known)
        if unknown:
            lacking = "neither events nor the metadata have" if rows else "events have not (and there is no metadata)"
            raise SettingsError(f"columns: {lacking} {unknown[0]!r}: there are {', '.join(sorted(known))}")

    def wants(self, alert: Alert) -> bool:
        """Whether events of such a type and status are told."""
        wanted = self._settings
        if wanted.types and alert.type not in wanted.types:
            return False
        return not (alert.is_play and wanted.statuses and alert.status not in wanted.statuses)

    def chooses(self, alert: Alert) -> bool:
        """Whether the event's play is one of those that are told, whatever its status; True for other events."""
        if not alert.is_play:
            return True
        wanted, data, track = self._settings, alert.data, alert.data["track"]
        return (
            data["confidence"] >= wanted.least_confidence
            and (not wanted.match_types or data.get("match_type") in wanted.match_types)
            and (not self._track_ids or track.get("track_id") in self._track_ids)
            and all(self._value(track, name) in values for name, values in wanted.columns.items())
        )

    def _value(self, track: Mapping[str, Any], column: str) -> Any:
        return track[column] if column in track else self._rows.get(track.get("track_id") or "", {}).get(column)


def _lines(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"track_ids_file {path}: {getattr(error, 'strerror', None) or error}") from error
    return frozenset(line.strip() for line in lines if line.strip())
