"""The catalogue on disk: lock, table of tracks and array files, changed together or not at all. Knows no index.

A change is written in this order: arrays behind the committed end of the files, fsync, then one transaction of the
table. A crash before the transaction leaves the old catalogue, after it the new one.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from pathlib import Path

import structlog

from index.atomic import storage_errors, sync_folder
from index.compaction import compact, delete_other_generations
from index.errors import (
    CatalogueCorrupt,
    CatalogueError,
    CatalogueExists,
    CatalogueMissing,
    CatalogueReadOnly,
    CatalogueStorage,
    EncoderMismatch,
    IndexClosed,
)
from index.roster import Roster
from index.snapshot import Snapshot, SnapshotHeader, SnapshotWriter
from index.store_view import Checkpoint, StoreView
from index.table import StoredTrack, TrackTable
from index.track import NewTrack, Track
from index.writer_lock import WriterLock

log = structlog.get_logger(__name__)

TABLE = "catalogue.sqlite"
REREADS = 5
COMPACT_SHARE = 0.5
COMPACT_MIN_ROWS = 4096


class CatalogueStore:
    """An open catalogue folder. The caller keeps threads apart; ``view`` may be read beside a change.

    Args:
        folder: Where it is.
        encoder_fingerprint: Refuse a catalogue made with another encoder; None takes any.
        writable: Take the writer's lock.
        checkpoint: Told each step of a change.
    """

    def __init__(
        self, folder: Path, *, encoder_fingerprint: str | None, writable: bool, checkpoint: Checkpoint
    ) -> None:
        self.folder = folder
        self.checkpoint = checkpoint
        self._lock = WriterLock(folder) if writable else None
        self._writer: SnapshotWriter | None = None
        self._table: TrackTable | None = None
        if not (folder / TABLE).is_file():
            raise CatalogueMissing(
                f"no catalogue in {folder}: make one with `stream-monitor catalog add PATH... --catalog {folder}`"
            )
        try:
            if self._lock is not None:
                with storage_errors(f"opening {folder} for writing"):
                    self._lock.acquire()
            self._table = TrackTable(folder / TABLE, writable=writable)
            self.view = self._read(encoder_fingerprint)
            if writable:
                self._open_for_writing()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, *, encoder_fingerprint: str, dimensions: int, checkpoint: Checkpoint) -> None:
        """Make an empty catalogue in a folder, which is made too where it is missing.

        Raises:
            CatalogueExists: There is one already.
        """
        with storage_errors(f"making a catalogue in {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(folder)
            lock.acquire()
            try:
                if (folder / TABLE).exists():
                    raise CatalogueExists(f"{folder} holds a catalogue already: open that, or name another folder")
                header = SnapshotHeader(
                    catalogue_id=uuid.uuid4().hex,
                    encoder_fingerprint=encoder_fingerprint,
                    dimensions=dimensions,
                    generation=1,
                )
                Snapshot(folder, header).create()
                checkpoint("arrays created")
                TrackTable.create(folder / TABLE, header)
                sync_folder(folder.parent)
            finally:
                lock.release()

    def insert(self, new: Sequence[tuple[NewTrack, Track]]) -> list[StoredTrack]:
        """Write recordings, all of them or none, and return them with their keys. Durable when it returns.

        Args:
            new: What was checked, and how the track is to be (its key is not used).
        """
        table, writer = self._for_writing()
        names = ", ".join(repr(one.track_id) for one, _ in new[:3]) + (" ..." if len(new) > 3 else "")
        stored: list[StoredTrack] = []
        try:
            with storage_errors(f"enrolling {names} in {self.folder}"):
                for one, track in new:
                    extent = writer.append(one.embedding_ND, one.sketch_nF, one.peaks_n, one.tonal_nV)
                    stored.append(StoredTrack(track=track, extent=extent))
                    self.checkpoint("arrays appended")
                writer.sync()
                self.checkpoint("arrays durable")
                with table.changing():
                    for number, one_stored in enumerate(stored):
                        key = table.insert(one_stored.track, one_stored.extent)
                        track = dataclasses.replace(one_stored.track, key=key)
                        stored[number] = dataclasses.replace(one_stored, track=track)
                    self._commit(table, self.view.state.change + len(stored))
                    self.checkpoint("rows inserted")
                self.checkpoint("committed")
            self._advance(put=stored)
        except BaseException:
            self._recover()
            raise
        return stored

    def delete(self, key: int) -> None:
        """Take a track out; its arrays stay until a compaction. Durable when it returns."""
        table, _ = self._for_writing()
        try:
            with storage_errors(f"removing from {self.folder}"):
                with table.changing():
                    table.delete(key)
                    self._commit(table, self.view.state.change + 1)
                    self.checkpoint("row deleted")
                self.checkpoint("removal committed")
            self._advance(drop=key)
        except BaseException:
            self._recover()
            raise

    def refresh(self) -> tuple[list[StoredTrack], list[int]]:
        """See what was committed since; returns the tracks that are new and the keys that are gone."""
        table, old = self._open_table(), self.view
        with table.reading():
            state = table.state()
            keys = set(table.keys()) if state != old.state else set()
            added = table.tracks(above_key=max(old.roster.keys(), default=-1)) if state != old.state else []
        if state == old.state:
            return [], []
        if state.header != old.state.header:
            return self._reread(old)
        try:
            old.snapshot.map()
        except FileNotFoundError:
            return self._reread(old)
        gone = [stored.track.key for stored in old.roster if stored.track.key not in keys]
        for key in gone:
            old.roster.drop(key)
        for stored in added:
            old.roster.put(stored)
        self.view = dataclasses.replace(old, state=state)
        return added, gone

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing and not closed."""
        return self._writer is not None

    def problems(self) -> list[str]:
        """What SQLite finds wrong with the table."""
        return self._open_table().problems()

    def close(self) -> None:
        """Close files and give the lock back; may be called twice."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._table is not None:
            self._table.close()
            self._table = None
        if self._lock is not None:
            self._lock.release()

    def _reread(self, old: StoreView) -> tuple[list[StoredTrack], list[int]]:
        self.view = self._read(old.state.header.encoder_fingerprint)
        added = [stored for stored in self.view.roster if stored.track.key not in old.roster]
        keys = [stored.track.key for stored in old.roster]
        return added, [key for key in keys if key not in self.view.roster]

    def _read(self, encoder_fingerprint: str | None) -> StoreView:
        """Read everything but the arrays; again where a compaction took the files away in the middle."""
        table = self._open_table()
        for _ in range(REREADS):
            with table.reading():
                state = table.state()
                roster = Roster(table.tracks())
            made_with = state.header.encoder_fingerprint
            if encoder_fingerprint is not None and made_with != encoder_fingerprint:
                raise EncoderMismatch(
                    f"{self.folder} was made with encoder {made_with}, this program has {encoder_fingerprint}: enrol "
                    f"its recordings again with `stream-monitor catalog add PATH... --catalog NEW`"
                )
            snapshot = Snapshot(self.folder, state.header)
            try:
                snapshot.check(state.rows, state.frame_bytes)
                snapshot.map()
            except (CatalogueCorrupt, FileNotFoundError):
                with table.reading():
                    if table.state().header == state.header:
                        raise
                continue
            return StoreView(state=state, roster=roster, snapshot=snapshot)
        raise CatalogueStorage(f"{self.folder} was compacted {REREADS} times while it was being opened: try again")

    def _open_for_writing(self) -> None:
        with storage_errors(f"opening {self.folder} for writing"):
            delete_other_generations(self.folder, self.view.snapshot)
            self._writer = self._new_writer()
        rows = self.view.state.rows
        dead_rows = rows - sum(stored.extent.rows for stored in self.view.roster)
        if dead_rows >= COMPACT_MIN_ROWS and dead_rows > COMPACT_SHARE * rows:
            try:
                self.compact()
            except CatalogueStorage as error:  # it only costs space: the catalogue is whole without it
                log.warning("catalogue_not_compacted", reason=str(error))

    def compact(self) -> None:
        """Give back the space of removed tracks. Rows are numbered anew: only before an index is made."""
        table, writer = self._for_writing()
        old = self.view
        try:
            with storage_errors(f"compacting {self.folder}"):
                compact(self.folder, table, old.state, old.roster, self.checkpoint)
        finally:
            self.view = self._read(None)
            writer.close()
            self._writer = self._new_writer()
            delete_other_generations(self.folder, self.view.snapshot)
        log.info("catalogue_compacted", rows_before=old.state.rows, rows=self.view.state.rows)

    def _new_writer(self) -> SnapshotWriter:
        return SnapshotWriter(self.view.snapshot, self.view.state.rows, self.view.state.frame_bytes)

    def _open_table(self) -> TrackTable:
        if self._table is None:
            raise IndexClosed(f"the catalogue {self.folder} was closed")
        return self._table

    def _for_writing(self) -> tuple[TrackTable, SnapshotWriter]:
        table = self._open_table()
        if self._writer is None:
            raise CatalogueReadOnly(f"the catalogue {self.folder} was opened for reading: open it writable")
        return table, self._writer

    def _commit(self, table: TrackTable, change: int) -> None:
        _, writer = self._for_writing()
        generation = self.view.state.header.generation
        table.set_state(generation=generation, change=change, rows=writer.rows, frame_bytes=writer.frame_bytes)

    def _advance(self, *, put: Sequence[StoredTrack] = (), drop: int | None = None) -> None:
        """Let the view follow a change that was committed; its state last, so that ``_recover`` can begin again."""
        view, (_, writer) = self.view, self._for_writing()
        for stored in put:
            view.roster.put(stored)
        if drop is not None:
            view.roster.drop(drop)
        change = view.state.change + len(put) + (drop is not None)
        state = dataclasses.replace(view.state, change=change, rows=writer.rows, frame_bytes=writer.frame_bytes)
        self.view = dataclasses.replace(view, state=state)

    def _recover(self) -> None:
        """After a change that broke off: see whether it was committed, and cut off what was not."""
        try:
            self.refresh()
            if self._writer is not None:
                self._writer.roll_back(self.view.state.rows, self.view.state.frame_bytes)
        except (OSError, CatalogueError) as error:  # the error that broke the change is the one to report
            log.warning("catalogue_not_rolled_back", reason=str(error))
