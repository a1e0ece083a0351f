"""The topics that the service needs: created with their settings, or compared with what the brokers have.

It knows nothing of what goes through them. Topics are never created by use: a wrong name or number of partitions would
only be seen when state and audio have parted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import structlog

from stream_monitor.kafka.client import LARGEST_RECORD, Admin
from stream_monitor.kafka.errors import PartitionsError, TopicError
from stream_monitor.kafka.settings import TopicSettings, dead_letters

log = structlog.get_logger(__name__)

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
COMPACTED_SEGMENT_MS: Final = HOUR_MS
"""The newest segment of a log is never compacted, so it must not stay the newest for long."""
COMPACTION_LAG_MS: Final = 6 * HOUR_MS
HARMLESS: Final = frozenset(
    {"retention.ms", "segment.ms", "max.compaction.lag.ms", "min.cleanable.dirty.ratio", "compression.type"}
)
"""Settings that decide about room and time, and how batches are packed: with another value nothing that is said is
wrong. An operator sets `retention.ms` lower on a full disk, and workers must start then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A topic as it has to be."""

    name: str
    partitions: int
    settings: dict[str, str]
    of_streams: bool = False
    """A stream's audio and state are looked for in the partition that its name gives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was done to a topic, or what is wrong with it."""

    topic: str
    good: bool
    message: str
    parted: bool = False
    """Its number of partitions is another one: streams would part from their state."""
    usable: bool = True
    """False where working with it would lose or mix up something."""


def wanted(settings: TopicSettings) -> list[Topic]:
    """Every topic of the service."""
    all_kept = {"cleanup.policy": "delete"}  # a compacted topic would lose all segments of a stream but the last
    audio = all_kept | {
        # Replay, idleness and lag are measured on the broker's clock, not on producers'.
        "message.timestamp.type": "LogAppendTime",
        # Audio is compressed in itself. A batch that a producer has packed as well (zstd, lz4, snappy) is unpacked by
        # the brokers, for the client cannot: each worker that met one would end.
        "compression.type": "uncompressed",
        "retention.ms": str(round(settings.audio_hours * HOUR_MS)),
    }
    kept = all_kept | {"retention.ms": str(round(24 * settings.event_days * HOUR_MS))}
    compacted = {
        "cleanup.policy": "compact",
        "segment.ms": str(COMPACTED_SEGMENT_MS),
        "max.compaction.lag.ms": str(COMPACTION_LAG_MS),
        "delete.retention.ms": str(round(settings.tombstone_hours * HOUR_MS)),
    }
    # Each stream that is heard has a new snapshot every few seconds, and all that are there are read at a take-over.
    state = compacted | {
        "segment.ms": str(round(settings.state_segment_minutes * MINUTE_MS)),
        "min.cleanable.dirty.ratio": str(settings.state_dirty_ratio),
    }
    topics = [
        Topic(name=settings.broadcast, partitions=settings.partitions, settings=audio, of_streams=True),
        Topic(name=settings.uploads, partitions=settings.partitions, settings=audio, of_streams=True),
        Topic(name=settings.events, partitions=settings.partitions, settings=kept),
        Topic(name=settings.state, partitions=settings.partitions, settings=state, of_streams=True),
        Topic(name=settings.catalog, partitions=1, settings=compacted),
        Topic(name=dead_letters(settings.broadcast), partitions=1, settings=kept),
        Topic(name=dead_letters(settings.uploads), partitions=1, settings=kept),
        Topic(name=dead_letters(settings.events), partitions=1, settings=kept),
    ]
    copies = {"min.insync.replicas": str(settings.min_in_sync)}
    return [replace(each, settings=each.settings | copies) for each in topics]


def create(admin: Admin, settings: TopicSettings, tell: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """Creates what is missing and checks the rest.

    Raises:
        TopicError: There are fewer brokers than copies.
        BrokerError: The brokers refuse.
    """
    brokers = admin.brokers()
    if brokers < settings.replication:
        raise TopicError(
            f"topics.replication is {settings.replication} and {admin.where} has {brokers} brokers: set it (and"
            " topics.min_in_sync) lower, or add brokers"
        )
    findings = []
    for topic in wanted(settings):
        if admin.create(topic.name, topic.partitions, settings.replication, topic.settings):
            finding = Finding(topic=topic.name, good=True, message=f"created, {topic.partitions} partitions")
        else:
            finding = _compared(admin, topic, settings.replication)
        tell(finding)
        findings.append(finding)
    return findings


def check(admin: Admin, settings: TopicSettings) -> list[Finding]:
    """Compares every topic with what it has to be.

    Raises:
        BrokerError: The brokers refuse.
    """
    return [_compared(admin, topic, settings.replication) for topic in wanted(settings)]


def check_usable(admin: Admin, settings: TopicSettings, names: Collection[str] | None = None) -> None:
    """Refuses topics that nothing right would come of; what is merely other than configured is logged.

    Args:
        admin: Who asks.
        settings: What they have to be.
        names: Those that are needed; None is all.

    Raises:
        TopicError: One is missing, or nobody may work with it as it is.
        PartitionsError: One of audio or state has another number of partitions.
        BrokerError: The brokers refuse.
    """
    wrong = [each for each in check(admin, settings) if not each.good and (names is None or each.topic in names)]
    refused = [each for each in wrong if not each.usable]
    if refused:
        kind = PartitionsError if any(each.parted for each in refused) else TopicError
        raise kind("; ".join(f"{each.topic}: {each.message}" for each in refused))
    for each in wrong:
        log.warning("a topic has another setting than configured", topic=each.topic, found=each.message)


def largest_letter(admin: Admin, settings: TopicSettings) -> int:
    """How many bytes a dead letter of the audio may have.

    Raises:
        BrokerError: The brokers refuse.
    """
    states = [admin.describe(dead_letters(name), ["max.message.bytes"]) for name in settings.of_audio]
    return min([LARGEST_RECORD, *(int(state.settings["max.message.bytes"]) for state in states if state is not None)])


def _compared(admin: Admin, topic: Topic, replication: int) -> Finding:
    found = admin.describe(topic.name, list(topic.settings))
    if found is None:
        missing = "missing: `stream-monitor topics create` makes it"
        return Finding(topic=topic.name, good=False, message=missing, usable=False)
    wrong = []
    if found.partitions != topic.partitions:
        mended = (
            f"are configured: streams would part from their state; set topics.partitions to {found.partitions}, or"
            " start with a new topic"
            if topic.of_streams
            else "are needed: name a new topic, or delete this one when nothing in it is needed any more, and"
            " `stream-monitor topics create` makes it"
        )
        wrong.append(f"{found.partitions} partitions, {topic.partitions} {mended}")
    if found.replication < replication:
        wrong.append(
            f"{found.replication} copies, {replication} are configured: add copies with kafka-reassign-partitions, or"
            " set topics.replication lower"
        )
    differing = [key for key, value in topic.settings.items() if found.settings.get(key) != value]
    usable = not wrong and HARMLESS.issuperset(differing)
    wrong += [
        f"{key} is {found.settings.get(key)}, not {topic.settings[key]}: kafka-configs --alter --topic {topic.name}"
        f" --add-config {key}={topic.settings[key]}"
        for key in differing
    ]
    if wrong:
        parted = topic.of_streams and found.partitions != topic.partitions
        return Finding(topic=topic.name, good=False, message="; ".join(wrong), parted=parted, usable=usable)
    return Finding(topic=topic.name, good=True, message=f"as configured, {found.partitions} partitions")
