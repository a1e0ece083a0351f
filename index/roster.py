"""The tracks of a catalogue in memory, found by key, by id and by audio. Knows nothing of disk or of searching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from index.content import added, content_of
from index.errors import UnknownTrack
from index.protocol import Int64Array
from index.rows import NOBODY
from index.table import StoredTrack
from index.track import Track, plain_iswc


class Roster:
    """Tracks in the order of their keys. Looking up is safe beside one thread that changes it."""

    def __init__(self, stored: Iterable[StoredTrack] = ()) -> None:
        self._by_key: dict[int, StoredTrack] = {}
        self._by_id: dict[str, Track] = {}
        self._by_audio: dict[str, Track] = {}
        self.work_of_iswc: dict[str, str] = {}
        self.content = 0
        for one in stored:
            self.put(one)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[StoredTrack]:
        return iter(list(self._by_key.values()))

    def __contains__(self, key: int) -> bool:
        return key in self._by_key

    def put(self, stored: StoredTrack) -> None:
        """Take in a track, or a new place of one that is there."""
        track = stored.track
        if (known := self._by_key.get(track.key)) is not None:
            self.content = added(self.content, -content_of(known))
        self.content = added(self.content, content_of(stored))
        self._by_key[track.key] = stored
        self._by_id[track.track_id] = track
        self._by_audio[track.audio_hash] = track
        if track.iswc is not None and plain_iswc(track.work_id) == plain_iswc(track.iswc):
            self.work_of_iswc.setdefault(plain_iswc(track.iswc), track.work_id)

    def drop(self, key: int) -> None:
        """Let go of a track."""
        stored = self._by_key.pop(key)
        track = stored.track
        self.content = added(self.content, -content_of(stored))
        del self._by_id[track.track_id]
        del self._by_audio[track.audio_hash]

    def keys(self) -> list[int]:
        """Keys of all tracks, rising."""
        return list(self._by_key)

    def stored(self, key: int) -> StoredTrack:
        """A track and its place by key."""
        found = self._by_key.get(key)
        if found is None:
            raise UnknownTrack(f"track key {key} is not in the catalogue")
        return found

    def stored_audio(self, audio_hash: str) -> Track:
        """A track by the hash of its decoded samples, which is there."""
        found = self._by_audio.get(audio_hash)
        if found is None:
            raise UnknownTrack(f"no track with audio {audio_hash!r} in the catalogue")
        return found

    def with_id(self, track_id: str) -> Track | None:
        """A track by id."""
        return self._by_id.get(track_id)

    def with_audio(self, audio_hash: str) -> Track | None:
        """A track by the hash of its decoded samples."""
        return self._by_audio.get(audio_hash)

    def owners(self, rows: int) -> Int64Array:
        """The key that owns each of the first ``rows`` rows of the snapshot; -1 for none."""
        key_R = np.full(rows, NOBODY, dtype=np.int64)
        for one in self._by_key.values():
            key_R[one.extent.first_row : one.extent.end_row] = one.track.key
        return key_R
