"""Records of the topic to changes of a catalogue: a track that is whole, or one that is gone. Applies nothing.

A track counts when all parts of one edition are there, so one that is half written is never seen. Tombstone of part 0:
the track is gone. Parts that never become whole are told once the end of the log is reached. Memory for parts that wait
for others is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from index.track import NewTrack
from stream_monitor.kafka.catalogue.track_record import TrackPart, decode, parse, parse_key
from stream_monitor.kafka.client import Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.settings import MiB

WAITING_BYTES: Final = 256 * MiB


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Put:
    """A track as the topic has it now; the newest edition counts."""

    track_id: str
    edition: bytes
    new: NewTrack
    offset: int
    """Of its last part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """The topic has no such track any more."""

    track_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unusable:
    """A record, or a track, that cannot be used; what was known of the track before stays."""

    track_id: str
    """The key as it is where that is none of ours."""
    offset: int
    code: str
    message: str


Change = Put | Gone | Unusable


@dataclass(kw_only=True, slots=True)
class _Waiting:
    edition: bytes
    first_offset: int
    parts: dict[int, TrackPart] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(len(part.payload) for part in self.parts.values())


class TrackFold:
    """Folds the records of one topic, in order."""

    def __init__(self, encoder: str, dimensions: int, *, waiting_bytes: int = WAITING_BYTES) -> None:
        """Args: what the embeddings must be of, and how much may wait for its other parts."""
        self._encoder = encoder
        self._dimensions = dimensions
        self._limit = waiting_bytes
        self._waiting: dict[str, _Waiting] = {}

    def take(self, records: Iterable[Received]) -> list[Change]:
        """What these records change, in order."""
        changes: list[Change] = []
        for record in records:
            try:
                changes += self._taken(record)
            except PoisonError as error:
                changes.append(_unusable(record.key, record.offset, error))
        return changes

    def at_end(self) -> list[Change]:
        """The log is read to its end: what is still not whole was never written whole."""
        waiting, self._waiting = self._waiting, {}
        return [_never_whole(track_id, each) for track_id, each in waiting.items()]

    @property
    def held_from(self) -> int | None:
        """The first record that is needed again where the reading begins anew; None where none is."""
        return min((each.first_offset for each in self._waiting.values()), default=None)

    def _taken(self, record: Received) -> list[Change]:
        if record.value is None:
            return self._removed(record.key)
        part = parse(record.key, record.value)
        if part.encoder != self._encoder:
            raise PoisonError(
                "other_encoder",
                f"track {part.track_id!r} was published with encoder {part.encoder}, this worker has {self._encoder}:"
                " enrol with this one and publish again, or bring the worker to that one",
            )
        waiting = self._waiting.get(part.track_id)
        if waiting is None or waiting.edition != part.edition:
            waiting = self._waiting[part.track_id] = _Waiting(edition=part.edition, first_offset=record.offset)
        waiting.parts[part.part] = part
        if len(waiting.parts) < part.parts:
            return self._bounded()
        del self._waiting[part.track_id]
        new = decode([waiting.parts[number] for number in sorted(waiting.parts)], self._dimensions)
        return [Put(track_id=part.track_id, edition=part.edition, new=new, offset=record.offset)]

    def _removed(self, key: bytes | None) -> list[Change]:
        try:
            track_id, number = parse_key(key)
        except PoisonError:
            return [Gone(track_id=_named(key))]
        if number:
            return []
        self._waiting.pop(track_id, None)
        return [Gone(track_id=track_id)]

    def _bounded(self) -> list[Change]:
        """Gives up the oldest of those that wait where they take too much."""
        given_up: list[Change] = []
        while len(self._waiting) > 1 and sum(each.size for each in self._waiting.values()) > self._limit:
            oldest = min(self._waiting, key=lambda track_id: self._waiting[track_id].first_offset)
            given_up.append(_never_whole(oldest, self._waiting.pop(oldest)))
        return given_up


def _never_whole(track_id: str, waiting: _Waiting) -> Unusable:
    parts = next(iter(waiting.parts.values())).parts
    message = f"track {track_id!r} has {len(waiting.parts)} of its {parts} parts: publish it again"
    return Unusable(track_id=track_id, offset=waiting.first_offset, code="incomplete", message=message)


def _unusable(key: bytes | None, offset: int, error: PoisonError) -> Unusable:
    return Unusable(track_id=_named(key), offset=offset, code=error.code, message=str(error))


def _named(key: bytes | None) -> str:
    """The track of a key; of one that is none of ours, the key itself, so that its tombstone ends the matter."""
    try:
        return parse_key(key)[0]
    except PoisonError:
        return f"key {key!r}"
