"""Gives back the space of removed tracks: the next generation of array files, and then one transaction that names it.

A crash leaves the old generation in use and files that nobody names; the next writer deletes those. Readers that have
the old files open keep them until they refresh. Knows nothing of the index.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from index.errors import CatalogueCorrupt
from index.graph_file import delete_graph
from index.roster import Roster
from index.snapshot import Extent, Snapshot, SnapshotWriter
from index.store_view import Checkpoint
from index.table import StoredTrack, TableState, TrackTable


def compact(folder: Path, table: TrackTable, state: TableState, roster: Roster, checkpoint: Checkpoint) -> None:
    """Write the live tracks into a new generation and switch to it; ``roster`` is not changed.

    Raises:
        CatalogueCorrupt: An array is not what was written; the old generation stays.
        OSError: The disk is full or failed; the old generation stays.
    """
    old = Snapshot(folder, state.header)
    new = Snapshot(folder, dataclasses.replace(state.header, generation=state.header.generation + 1))
    new.create()
    checkpoint("compaction created")
    writer = SnapshotWriter(new, 0, 0)
    try:
        moved = [(stored.track.key, _copied(stored, old, writer)) for stored in roster]
        writer.sync()
        checkpoint("compaction written")
        with table.changing():
            for key, extent in moved:
                table.move(key, extent)
            table.set_state(
                generation=new.header.generation,
                change=state.change,
                rows=writer.rows,
                frame_bytes=writer.frame_bytes,
            )
    finally:
        writer.close()
    checkpoint("compaction committed")
    delete_graph(folder)  # it numbers the rows as they were
    delete_other_generations(folder, new)


def delete_other_generations(folder: Path, snapshot: Snapshot) -> None:
    """Delete array files that the table does not name."""
    for pattern in ("embeddings-*.f32*", "frames-*.bin*"):
        for path in folder.glob(pattern):
            if path not in (snapshot.embedding_path, snapshot.frame_path):
                path.unlink(missing_ok=True)


def _copied(stored: StoredTrack, old: Snapshot, writer: SnapshotWriter) -> Extent:
    was = stored.extent
    embedding_ND = old.embeddings(was.first_row, was.end_row)
    extent = writer.append(embedding_ND, old.sketch(was), old.peaks(was), old.tonal(was))
    if (extent.embedding_hash, extent.frame_hash) != (was.embedding_hash, was.frame_hash):
        raise CatalogueCorrupt(
            f"the arrays of track {stored.track.track_id!r} are not what was written: "
            f"run `stream-monitor catalog verify`, then remove it and enrol it again"
        )
    return extent
