"""A catalogue to the topic: what has changed since is written, what is gone gets tombstones, and nothing else.

Several catalogues may publish to one topic. Each has its own tracks there (`source`) and touches no other's, unless it
is told that the topic is all its own (`replace`). One publishes at a time: the next one fences the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from index.catalogue import Catalogue
from index.store_view import StoreView
from index.table import StoredTrack
from stream_monitor.kafka.catalogue.published import PublishedTracks, read_published, topic_id
from stream_monitor.kafka.catalogue.track_record import describe, encode, key_of
from stream_monitor.kafka.client import Partition, Tail, TransactionalProducer
from stream_monitor.kafka.settings import KafkaSettings, MiB, TopicSettings
from stream_monitor.kafka.watchdog import watched

TRANSACTION_BYTES: Final = 8 * MiB
TRANSACTION_RECORDS: Final = 1000
TRANSACTION_S: Final = 30.0

Records = list[tuple[bytes, bytes | None]]
Tell = Callable[[str, int, int], None]
"""Told what is done, how much of it is done and how much there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishPlan:
    """What the topic lacks of a catalogue."""

    put: Sequence[StoredTrack]
    """New, or of another edition than in the topic."""
    remove: Sequence[str]
    """Ids of tracks that are no longer in the catalogue."""
    refused: Sequence[tuple[str, str]]
    """Ids of tracks that cannot be published, and why."""
    unchanged: int
    foreign: Sequence[bytes] = ()
    """Keys of the topic that are none of ours and are to go."""


def plan(view: StoreView, published: PublishedTracks, *, replace: bool = False) -> PublishPlan:
    """Compares a catalogue with the topic.

    Args:
        view: The catalogue.
        published: The topic.
        replace: The topic is to hold this catalogue and nothing else.
    """
    source, encoder = view.state.header.catalogue_id, view.state.header.encoder_fingerprint
    own = {track_id for track_id, known in published.tracks.items() if replace or known.belongs_to(source)}
    here = {stored.track.track_id for stored in view.roster}
    remove = sorted(own - here)
    audio = {known.audio_hash: track_id for track_id, known in published.tracks.items() if track_id not in remove}
    put, refused, unchanged = [], [], 0
    for stored in view.roster:
        track = stored.track
        known = published.tracks.get(track.track_id)
        twin = audio.get(track.audio_hash, track.track_id)
        if known is not None and known.is_whole(describe(stored).edition, encoder):
            unchanged += 1
        elif known is not None and track.track_id not in own and any(known.parts.values()):
            refused.append(
                (
                    track.track_id,
                    "another catalogue has published a track of this id: give it another one, or --replace",
                )
            )
        elif twin != track.track_id and twin not in here:
            refused.append((track.track_id, f"another catalogue has published the same audio as {twin!r}"))
        else:
            put.append(stored)
    foreign = sorted(published.foreign) if replace else ()
    return PublishPlan(put=put, remove=remove, refused=refused, unchanged=unchanged, foreign=foreign)


def publish(
    catalogue: Catalogue,
    kafka: KafkaSettings,
    topics: TopicSettings,
    *,
    replace: bool = False,
    dry_run: bool = False,
    tell: Tell = lambda what, done, total: None,
) -> PublishPlan:
    """Brings the topic to where the catalogue is; what was committed before an error stays, and the next run goes on.

    Args:
        catalogue: Open.
        kafka: Where to.
        topics: Names.
        replace: See `plan`.
        dry_run: Only compare.
        tell: Progress.

    Raises:
        TopicError: The topic is missing.
        FencedError: Somebody else publishes now.
        BrokerError: The brokers refuse.
        PoisonError: A track is too large.
    """
    topic_id(kafka, topics.catalog)
    if dry_run:
        return plan(catalogue.view, _read(kafka, topics, tell), replace=replace)
    # Before reading: whoever was publishing writes nothing after this.
    with TransactionalProducer(kafka, f"{topics.catalog}.publish", transaction_s=TRANSACTION_S) as producer:
        published = _read(kafka, topics, tell)
        view = catalogue.view
        found = plan(view, published, replace=replace)
        done, total = 0, len(found.put) + len(found.remove) + len(found.foreign)
        for records, tracks in _transactions(view, published, found):
            with watched(2 * TRANSACTION_S):
                producer.begin()
                for key, value in records:
                    producer.send(topics.catalog, key, value, partition=0)
                producer.commit()
            done += tracks
            tell("publishing", done, total)
    return found


def _read(kafka: KafkaSettings, topics: TopicSettings, tell: Tell) -> PublishedTracks:
    with Tail(kafka, Partition(topic=topics.catalog, number=0)) as tail:
        return read_published(tail, lambda done, total: tell("reading the topic", done, total))


def _transactions(view: StoreView, published: PublishedTracks, found: PublishPlan) -> Iterator[tuple[Records, int]]:
    """Records that belong together, and of how many tracks."""
    batch: Records = []
    size = tracks = 0
    for records in records_of(view, published, found):
        added = sum(len(value or b"") for _, value in records)
        if batch and (size + added > TRANSACTION_BYTES or len(batch) + len(records) > TRANSACTION_RECORDS):
            yield batch, tracks
            batch, size, tracks = [], 0, 0
        batch, size, tracks = batch + records, size + added, tracks + 1
    if batch:
        yield batch, tracks


def records_of(view: StoreView, published: PublishedTracks, found: PublishPlan) -> Iterator[Records]:
    """The records that the topic lacks, track by track; removals first, since an id may have changed."""
    header = view.state.header
    for key in found.foreign:
        yield [(key, None)]
    for track_id in found.remove:
        yield [(key_of(track_id, part), None) for part in sorted(published.tracks[track_id].parts)]
    for stored in found.put:
        records: Records = list(
            encode(stored, view.snapshot, source=header.catalogue_id, encoder=header.encoder_fingerprint)
        )
        known = published.tracks.get(stored.track.track_id)
        surplus = [part for part in sorted(known.parts) if part >= len(records)] if known else []
        yield records + [(key_of(stored.track.track_id, part), None) for part in surplus]
