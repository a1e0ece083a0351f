"""The catalogue's table of tracks, in SQLite: metadata, where each track's arrays lie, and what is committed.

Rollback journal, not WAL: the catalogue is then one database file that can be read from a read-only folder or medium,
and nobody queries it but for a moment at opening and refreshing. ``synchronous=EXTRA``: a commit that returned
survives a power cut. Knows nothing of the index.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.atomic import sync_file, sync_folder
from index.errors import CatalogueCorrupt, CatalogueFormat, CatalogueReadOnly, CatalogueStorage
from index.snapshot import FORMAT_VERSION, Extent, SnapshotHeader
from index.track import Track

BUSY_TIMEOUT_S = 30.0
APPLICATION_ID = 0x62633301
COLUMNS = (
    "key, track_id, work_id, title, artist, isrc, iswc, audio_hash, duration_samples, starts, extra, "
    "first_row, rows, embedding_hash, frame_offset, sketch_frames, peaks, "
    "tonal_rows, tonal_width, frame_hash"
)
SCHEMA = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    catalogue_id TEXT NOT NULL, encoder_fingerprint TEXT NOT NULL, dimensions INTEGER NOT NULL,
    generation INTEGER NOT NULL, change INTEGER NOT NULL, rows INTEGER NOT NULL, frame_bytes INTEGER NOT NULL
);
CREATE TABLE tracks (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    track_id TEXT NOT NULL UNIQUE, work_id TEXT NOT NULL, title TEXT, artist TEXT, isrc TEXT, iswc TEXT,
    audio_hash TEXT NOT NULL UNIQUE, duration_samples INTEGER NOT NULL, starts BLOB NOT NULL, extra TEXT NOT NULL,
    first_row INTEGER NOT NULL, rows INTEGER NOT NULL, embedding_hash TEXT NOT NULL,
    frame_offset INTEGER NOT NULL, sketch_frames INTEGER NOT NULL, peaks INTEGER NOT NULL,
    tonal_rows INTEGER NOT NULL, tonal_width INTEGER NOT NULL, frame_hash TEXT NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableState:
    """What is committed: the header of the array files, their lengths, and the number of changes so far."""

    header: SnapshotHeader
    change: int
    rows: int
    frame_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTrack:
    """A row of the table: the recording and where its arrays lie."""

    track: Track
    extent: Extent


class TrackTable:
    """One connection to the table. The caller keeps threads apart.

    Args:
        path: The database file, which is there.
        writable: Whether changes will be made.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        # A reader too opens for writing where it may: it must be able to undo what a killed writer left half done.
        with self._errors("opening"):
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._errors("opening"):
                self._connection.execute("PRAGMA synchronous = EXTRA")
                self._connection.execute(f"PRAGMA query_only = {int(not writable)}")
                application = self._connection.execute("PRAGMA application_id").fetchone()[0]
                version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if application != APPLICATION_ID:
                raise CatalogueCorrupt(f"{path} is not a catalogue of stream-monitor: give the folder of one")
            if version != FORMAT_VERSION:
                raise CatalogueFormat(
                    f"{path} has format {version}, this program reads format {FORMAT_VERSION}: enrol again with "
                    f"`stream-monitor catalog add PATH... --catalog NEW`, or use the program that wrote it"
                )
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def create(cls, path: Path, header: SnapshotHeader) -> None:
        """Write an empty table; it is there whole or not at all."""
        temporary = path.with_name(path.name + ".tmp")
        temporary.unlink(missing_ok=True)
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.executescript(
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT_VERSION}; {SCHEMA}"
            )
            connection.execute(
                "INSERT INTO state VALUES (1, ?, ?, ?, ?, 0, 0, 0)",
                (header.catalogue_id, header.encoder_fingerprint, header.dimensions, header.generation),
            )
        except sqlite3.Error as error:
            raise CatalogueStorage(f"creating {path}: {error}; free some space and run it again") from error
        finally:
            connection.close()
        sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one moment of the table in all calls within."""
        with self._errors("reading"):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make all changes within at once at the end, or none where an error comes out."""
        with self._errors("writing"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def state(self) -> TableState:
        """What is committed."""
        row = self._connection.execute(
            "SELECT catalogue_id, encoder_fingerprint, dimensions, generation, change, rows, frame_bytes FROM state"
        ).fetchone()
        if row is None:
            raise CatalogueCorrupt(f"{self.path} has no state: restore it from a backup or enrol again")
        header = SnapshotHeader(catalogue_id=row[0], encoder_fingerprint=row[1], dimensions=row[2], generation=row[3])
        return TableState(header=header, change=row[4], rows=row[5], frame_bytes=row[6])

    def keys(self) -> list[int]:
        """Keys of all tracks, rising."""
        return [key for (key,) in self._connection.execute("SELECT key FROM tracks ORDER BY key")]

    def tracks(self, *, above_key: int = -1) -> list[StoredTrack]:
        """All tracks with a higher key, by key."""
        rows = self._connection.execute(f"SELECT {COLUMNS} FROM tracks WHERE key > ? ORDER BY key", (above_key,))
        return [_stored(row) for row in rows]

    def insert(self, track: Track, extent: Extent) -> int:
        """Put in a track under a new key (``track.key`` is not used) and return that key."""
        cursor = self._connection.execute(
            f"INSERT INTO tracks ({COLUMNS}) VALUES (NULL{', ?' * 19})",
            (
                track.track_id,
                track.work_id,
                track.title,
                track.artist,
                track.isrc,
                track.iswc,
                track.audio_hash,
                track.duration_samples,
                track.starts_N.astype("<i8").tobytes(),
                json.dumps(dict(track.extra), ensure_ascii=False),
                *(extent.first_row, extent.rows, extent.embedding_hash),
                *(extent.frame_offset, extent.sketch_frames, extent.peaks),
                *(extent.tonal_rows, extent.tonal_width, extent.frame_hash),
            ),
        )
        if cursor.lastrowid is None:
            raise CatalogueStorage(f"writing {self.path}: SQLite gave no key")
        return cursor.lastrowid

    def delete(self, key: int) -> None:
        """Take out a track."""
        self._connection.execute("DELETE FROM tracks WHERE key = ?", (key,))

    def move(self, key: int, extent: Extent) -> None:
        """Say that a track's arrays lie elsewhere."""
        self._connection.execute(
            "UPDATE tracks SET first_row = ?, frame_offset = ? WHERE key = ?",
            (extent.first_row, extent.frame_offset, key),
        )

    def set_state(self, *, generation: int, change: int, rows: int, frame_bytes: int) -> None:
        """Set what is committed."""
        self._connection.execute(
            "UPDATE state SET generation = ?, change = ?, rows = ?, frame_bytes = ?",
            (generation, change, rows, frame_bytes),
        )

    def problems(self) -> list[str]:
        """What SQLite's own check finds wrong."""
        with self._errors("checking"):
            found = [text for (text,) in self._connection.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            where = f"{doing} {self.path}: {error}"
            if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
                raise CatalogueReadOnly(f"{where}; make the folder writable or use another") from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA) or (
                isinstance(error, sqlite3.OperationalError) and "no such" in str(error)
            ):
                raise CatalogueCorrupt(f"{where}; restore it from a backup or enrol again") from error
            raise CatalogueStorage(
                f"{where}; nothing enrolled before is lost, free some space and run it again"
            ) from error


def _stored(row: tuple[Any, ...]) -> StoredTrack:
    starts_N = np.frombuffer(row[9], dtype="<i8").astype(np.int64, copy=False)
    track = Track(
        key=row[0],
        track_id=row[1],
        work_id=row[2],
        title=row[3],
        artist=row[4],
        isrc=row[5],
        iswc=row[6],
        audio_hash=row[7],
        duration_samples=row[8],
        embeddings=row[12],
        starts_N=starts_N,
        extra=json.loads(row[10]),
    )
    extent = Extent(
        first_row=row[11],
        rows=row[12],
        embedding_hash=row[13],
        frame_offset=row[14],
        sketch_frames=row[15],
        peaks=row[16],
        tonal_rows=row[17],
        tonal_width=row[18],
        frame_hash=row[19],
    )
    return StoredTrack(track=track, extent=extent)
