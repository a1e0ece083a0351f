"""The catalogue: recordings with what was measured of them, on disk and in an index. Knows nothing of audio.

Adding: check, write (durable when ``add`` returns), put into the index. One process writes at a time; readers are not
held up by it, and see its tracks after ``refresh``. The index is made when it is first asked for, so that listing and
enrolling need not pay for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.admission import Admitted, Repeated, admit
from index.errors import IndexBusy, UnknownTrack
from index.inventory import CatalogueInfo, VerifyReport, inventory, verify, version_of
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.mirror import IndexKind, IndexMirror
from index.protocol import Float32Array, Index
from index.store import CatalogueStore
from index.store_view import Checkpoint, StoreView
from index.track import Added, AlreadyEnrolled, NewTrack, Refused, Track


class Catalogue:
    """An open catalogue, made by :meth:`open` or :meth:`create`. Any thread may call it; ``close`` it."""

    def __init__(self, store: CatalogueStore, kind: IndexKind, live: LiveConfig) -> None:
        self._store = store
        self._mirror = IndexMirror(store, kind, live)
        self._lock = threading.RLock()

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        encoder_fingerprint: str,
        dimensions: int = 512,
        index: IndexKind = "hnsw",
        live: LiveConfig | None = None,
        checkpoint: Checkpoint = lambda step: None,
    ) -> Catalogue:
        """Make an empty catalogue in a folder and open it for writing.

        Raises:
            CatalogueExists: The folder holds one already.
            CatalogueReadOnly, CatalogueStorage: The folder cannot be written.
        """
        CatalogueStore.create(
            Path(path), encoder_fingerprint=encoder_fingerprint, dimensions=dimensions, checkpoint=checkpoint
        )
        return cls.open(
            path, encoder_fingerprint=encoder_fingerprint, writable=True, index=index, live=live, checkpoint=checkpoint
        )

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        encoder_fingerprint: str | None,
        writable: bool = False,
        index: IndexKind = "hnsw",
        live: LiveConfig | None = None,
        checkpoint: Checkpoint = lambda step: None,
    ) -> Catalogue:
        """Open a catalogue.

        Args:
            path: Its folder.
            encoder_fingerprint: The encoder that queries will come from; None for commands that compare nothing.
            writable: Whether it will be changed; one process at a time.
            index: ``hnsw``, or ``exact`` for deterministic runs.
            live: When the graph is used and renewed.
            checkpoint: Told the name of each step of a change when it is reached; tests stop the process there.

        Raises:
            CatalogueMissing: There is none.
            EncoderMismatch: It was made with another encoder.
            CatalogueLocked: Another process is writing to it.
            CatalogueReadOnly: ``writable``, and the folder cannot be written.
            CatalogueFormat, CatalogueCorrupt: It cannot be read.
        """
        store = CatalogueStore(
            Path(path), encoder_fingerprint=encoder_fingerprint, writable=writable, checkpoint=checkpoint
        )
        return cls(store, index, live if live is not None else LiveConfig())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self._store.view.roster)

    @property
    def path(self) -> Path:
        """The catalogue's folder."""
        return self._store.folder

    @property
    def view(self) -> StoreView:
        """Everything on disk as it is now, for those who copy tracks; never to be changed."""
        return self._store.view

    @property
    def left_out(self) -> tuple[int, ...]:
        """Keys of tracks that the index has no memory for (``LiveConfig.memory_bytes``)."""
        return tuple(self._mirror.left_out)

    @property
    def version(self) -> str:
        """Names what is in it, for events; equal for equal recordings, on any machine."""
        return version_of(self._store.view)

    @property
    def encoder_fingerprint(self) -> str:
        """The encoder that its embeddings came from."""
        return self._store.view.state.header.encoder_fingerprint

    @property
    def index(self) -> Index:
        """The embeddings of all tracks, to be searched."""
        made = self._mirror.made  # without the lock, which an add holds while it writes
        if made is not None:
            return made
        with self._lock:
            return self._mirror.index()

    @property
    def graph_problem(self) -> str | None:
        """Why the graph beside the catalogue was not used; None where it was, or where there is no index yet."""
        return self._mirror.graph_problem

    def track(self, key: int) -> Track:
        """A track by key.

        Raises:
            UnknownTrack: It is not there, or was removed.
        """
        return self._store.view.roster.stored(key).track

    def find(self, track_id: str) -> Track | None:
        """A track by id; None where it is not there."""
        return self._store.view.roster.with_id(track_id)

    def find_audio(self, audio_hash: str) -> Track | None:
        """A track by the hash of its decoded samples; None where it is not there."""
        return self._store.view.roster.with_audio(audio_hash)

    def tracks(self) -> list[Track]:
        """All tracks, by key."""
        return [stored.track for stored in self._store.view.roster]

    def embeddings(self, key: int) -> Float32Array:
        """A track's embeddings, a read-only view of the file, float32 [N, D]."""
        return self.view.embeddings(self.view.roster.stored(key))

    def sketch(self, key: int) -> NDArray[np.uint8]:
        """A track's quantised frames, a read-only view of the file, uint8 [n, 84]."""
        return self.view.snapshot.sketch(self.view.roster.stored(key).extent)

    def peaks(self, key: int) -> NDArray[np.uint32]:
        """A track's spectral peaks, a read-only view of the file, uint32 [n]."""
        return self.view.snapshot.peaks(self.view.roster.stored(key).extent)

    def tonal(self, key: int) -> NDArray[np.int8]:
        """A track's quantised tonal features, a read-only view of the file, int8 [n, V]."""
        return self.view.snapshot.tonal(self.view.roster.stored(key).extent)

    def add(self, track: NewTrack) -> Added | AlreadyEnrolled:
        """Enrol a recording; it is on disk and is found when this returns.

        Raises:
            DuplicateTrack: The id is another recording's.
            InvalidTrack, InvalidEmbedding: A field is wrong.
            CatalogueReadOnly, CatalogueStorage: It cannot be written; what was enrolled before is untouched.
        """
        (result,) = self.add_many([track])
        if isinstance(result, Refused):
            raise result.error
        return result

    def add_many(self, tracks: Sequence[NewTrack]) -> list[Added | AlreadyEnrolled | Refused]:
        """Enrol recordings in one transaction, which costs little more than enrolling one.

        Returns:
            What became of each. A recording that is refused does not keep the others out.

        Raises:
            CatalogueReadOnly, CatalogueStorage: Nothing could be written, none of them was enrolled.
        """
        with self._lock:
            verdicts = admit(tracks, self._store.view.roster, self._store.view.state.header.dimensions)
            new = [(verdict.new, verdict.track) for verdict in verdicts if isinstance(verdict, Admitted)]
            if new:
                try:
                    self._mirror.put(self._store.insert(new))
                except BaseException:
                    self._mirror.follow()
                    raise
            roster = self._store.view.roster
            results: list[Added | AlreadyEnrolled | Refused] = []
            for verdict in verdicts:
                if isinstance(verdict, Admitted):
                    results.append(Added(track=roster.stored_audio(verdict.new.audio_hash)))
                elif isinstance(verdict, Repeated):
                    track = roster.stored_audio(verdict.new.audio_hash)
                    results.append(AlreadyEnrolled(track_id=verdict.new.track_id, track=track))
                else:
                    results.append(verdict)
            return results

    def remove(self, track_id: str) -> Track:
        """Remove a track for good; its id may be enrolled again, under a new key.

        Raises:
            UnknownTrack: There is none of that id.
            CatalogueReadOnly, CatalogueStorage: It cannot be written; the track is still there.
        """
        with self._lock:
            track = self._store.view.roster.with_id(track_id)
            if track is None:
                raise UnknownTrack(f"no track {track_id!r} in {self.path}: `catalog list` shows what is there")
            try:
                self._store.delete(track.key)
                self._mirror.drop([track.key])
            except BaseException:
                self._mirror.follow()
                raise
            return track

    def refresh(self) -> tuple[list[int], list[int]]:
        """Take over what another process has added and removed.

        Returns:
            Keys of the tracks that came and of those that went.
        """
        with self._lock:
            added, gone = self._store.refresh()
            self._mirror.follow()
            return [stored.track.key for stored in added], gone

    def info(self) -> CatalogueInfo:
        """Counts, versions and sizes."""
        with self._lock:
            return inventory(self._store)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
        """Read everything again and compare it with its checksums; ``progress`` is told tracks done and to do."""
        with self._lock:
            table_problems = self._store.problems()
        return verify(self._store, table_problems, progress)

    def save_graph(self, progress: Callable[[int, int], None] | None = None) -> bool:
        """Bring every embedding into the graph and save it, so that the next opening is quick.

        Args:
            progress: Told rows done and rows to do.

        Returns:
            Whether there is a graph to save: small catalogues are scanned and have none.

        Raises:
            CatalogueReadOnly, CatalogueStorage: It cannot be written; the catalogue is whole without it.
        """
        index = self.index
        if isinstance(index, LiveIndex) and index.stats.delta_rows and not index.merge(progress):
            return False
        with self._lock:
            return self._mirror.save()

    def compact(self) -> None:
        """Give back the space of removed tracks (opening for writing does so when more than half is theirs).

        Raises:
            IndexBusy: The index was asked for before; it numbers the rows as they were.
            CatalogueReadOnly, CatalogueStorage: It cannot be written; the catalogue is as it was.
            CatalogueCorrupt: An array is not what was written; the catalogue is as it was.
        """
        with self._lock:
            if self._mirror.made is not None:
                raise IndexBusy(f"the index of {self.path} is in use: open the catalogue anew and compact it first")
            self._store.compact()

    def close(self) -> None:
        """Save the graph if it has grown, stop the index and close the files. May be called twice."""
        with self._lock:
            self._mirror.close()
            self._store.close()
