"""One moment of a catalogue on disk, and the hook that sees the steps of a change. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from index.protocol import Float32Array
from index.roster import Roster
from index.snapshot import Snapshot
from index.table import StoredTrack, TableState

Checkpoint = Callable[[str], None]
"""Told the name of each step of a change when it is reached. Tests stop the process there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreView:
    """What the table said, the tracks, and the array files that they lie in."""

    state: TableState
    roster: Roster
    snapshot: Snapshot

    def embeddings(self, stored: StoredTrack) -> Float32Array:
        """A track's vectors, a view of the file, float32 [N, D]."""
        return self.snapshot.embeddings(stored.extent.first_row, stored.extent.end_row)
