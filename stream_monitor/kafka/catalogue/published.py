"""What the topic holds of each track, without its arrays: enough to say what has to be published. It writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stream_monitor.kafka.catalogue.track_record import described, parse, parse_key
from stream_monitor.kafka.client import Admin, Received, Tail
from stream_monitor.kafka.errors import BrokerError, PoisonError, TopicError
from stream_monitor.kafka.settings import KafkaSettings

POLL_S = 0.5
POLL_RECORDS = 64
STALLED_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownPart:
    """The newest record of a key, where it can be read."""

    edition: bytes
    parts: int
    source: str
    encoder: str


@dataclass(kw_only=True, slots=True)
class KnownTrack:
    """The newest records of a track."""

    parts: dict[int, KnownPart | None] = field(default_factory=dict)
    """None where a record cannot be read."""
    audio_hash: str | None = None

    def is_whole(self, edition: bytes, encoder: str) -> bool:
        """Whether just this edition is there, all of it."""
        if not all(part and (part.edition, part.encoder) == (edition, encoder) for part in self.parts.values()):
            return False
        return all(part and part.parts == len(self.parts) for part in self.parts.values())

    def belongs_to(self, source: str) -> bool:
        """Whether a catalogue published it. What nobody can read is nobody's."""
        readable = [part for part in self.parts.values() if part is not None]
        return bool(readable) and all(part.source == source for part in readable)


class PublishedTracks:
    """All tracks of the topic, by id."""

    def __init__(self) -> None:
        self.tracks: dict[str, KnownTrack] = {}
        self.foreign: set[bytes] = set()
        """Keys that are none of ours."""

    def take(self, record: Received) -> None:
        """One more record of the log, in order."""
        try:
            track_id, number = parse_key(record.key)
        except PoisonError:
            (self.foreign.add if record.value is not None else self.foreign.discard)(record.key or b"")
            return
        if record.value is None:
            known = self.tracks.get(track_id)
            if known is not None:
                known.parts.pop(number, None)
                if not known.parts:
                    del self.tracks[track_id]
            return
        known = self.tracks.setdefault(track_id, KnownTrack())
        try:
            part = parse(record.key, record.value)
            known.parts[number] = KnownPart(
                edition=part.edition, parts=part.parts, source=part.source, encoder=part.encoder
            )
            if number == 0:
                known.audio_hash = str(described(part).values.get("audio_hash"))
        except (PoisonError, ValueError):
            known.parts[number] = None


def topic_id(kafka: KafkaSettings, topic: str) -> str:
    """Names a topic: it changes when the topic is deleted and made again.

    Raises:
        TopicError: There is none.
        BrokerError: No broker answers.
    """
    with Admin(kafka) as admin:
        found = admin.describe(topic, [])
    if found is None:
        raise TopicError(f"topic {topic} is missing: `stream-monitor topics create` makes it")
    return found.topic_id


def read_published(tail: Tail, tell: Callable[[int, int], None] = lambda done, total: None) -> PublishedTracks:
    """Reads the topic from its beginning to its end as it is now.

    Args:
        tail: At the beginning of the topic.
        tell: Told offsets read and to read.

    Raises:
        BrokerError: The brokers refuse, or nothing comes for a minute.
    """
    published, first, end = PublishedTracks(), tail.position(), tail.ends()
    at, moved_s = first, time.monotonic()
    while at < end:
        tell(at - first, end - first)
        for record in tail.poll(POLL_S, POLL_RECORDS):
            published.take(record)
        before, at = at, tail.position()
        if at > before:
            moved_s = time.monotonic()
        elif time.monotonic() - moved_s > STALLED_S:
            raise BrokerError(f"the topic could not be read on from offset {at} for {STALLED_S:g} s: is Kafka there?")
    return published
