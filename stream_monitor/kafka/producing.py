"""Sources into Kafka as segments: read, cut, encoded, sent, each stream in order. It knows nothing of plays.

Every stream gets an epoch: its start in Unix milliseconds, so that a restart is a new one. A stream's last record is
marked only where the audio truly ended, not after an error or a stop: nobody may take half an upload for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from encoder.grid import SAMPLE_RATE
from stream_monitor.clock import Clock
from stream_monitor.errors import MonitorError
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.records import FLAC, AudioRecord, Headers, headers_of, key_of
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.readers import Arrival, Reader, Readers, ReadersConfig
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)

POLL_S = 0.1
AT_MOST = 64
"""Segments that are taken at a time."""


class Sender(Protocol):
    """Where records go; `kafka.client.Producer` is one."""

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None: ...

    def flush(self) -> None: ...


@dataclass(kw_only=True, slots=True)
class Produced:
    """How it went."""

    records: int = 0
    samples: int = 0
    failures: list[tuple[str, MonitorError]] = field(default_factory=list)
    """Stream id (empty where it is none's) and what was wrong."""
    interrupted: bool = False


def record_of(segment: Segment, epoch: int | None) -> AudioRecord:
    """What is said about a segment; `epoch` names the epoch of sources that have none of their own."""
    stream = segment.stream
    if epoch is not None and stream.epoch == 0:
        stream = replace(stream, epoch=epoch)
    return AudioRecord(
        stream=stream,
        seq=segment.seq,
        offset_samples=segment.start_sample,
        samples=len(segment.samples_S),
        sample_rate=SAMPLE_RATE,
        channels=1,
        content_type=FLAC,
        captured_at=_captured(stream, segment.start_sample),
        last=segment.last,
    )


def produce(
    sources: Sequence[Source],
    read: Reader,
    sender: Sender,
    *,
    topics: TopicSettings,
    epoch: int,
    config: ReadersConfig,
    clock: Clock,
    stop: Stop,
    realtime: bool = False,
    topic: str | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    sent: Callable[[Segment], None] = lambda _: None,
) -> Produced:
    """Sends all sources to their ends; one that fails is told and the others go on.

    Args:
        sources: What to read.
        read: Opens a source and gives its segments until `stop` is set.
        sender: Where records go.
        topics: Names of the topics; each kind of stream has its own.
        epoch: Of files and standard input; addresses date their own connections.
        config: Sizes of pools and queues.
        clock: Time.
        stop: Shared with `read`; set at the end.
        realtime: Files no faster than they would be heard.
        topic: Where everything goes instead.
        interrupted: Asked often; true ends everything in good order.
        sent: Called with each segment that was handed over.

    Raises:
        BrokerError: Records cannot be delivered.
    """
    result = Produced()
    readers = Readers(sources, read, config=config, stop=stop, clock=clock, realtime=realtime)
    readers.start()
    try:
        while not (result.interrupted or stop.is_set()):
            done = readers.done  # asked before the queue: what a thread left there is still taken
            arrivals = readers.arrivals.take(wait_s=POLL_S, at_most=AT_MOST)
            for arrival in arrivals:
                _send(arrival, sender, topics, topic, epoch, result)
                sent(arrival.segment)
            if done and not arrivals:
                break
            result.interrupted = interrupted()
        sender.flush()
    finally:
        stop.set()
        for name in readers.join(POLL_S * 50):
            log.warning("a reading thread did not end in time and is left behind", thread=name)
    for failure in readers.failures:
        result.failures.append(("" if failure.source is None else failure.source.stream_id, failure.error))
    return result


def _send(
    arrival: Arrival, sender: Sender, topics: TopicSettings, topic: str | None, epoch: int, result: Produced
) -> None:
    segment = arrival.segment
    if arrival.error is not None:
        result.failures.append((segment.stream.stream_id, arrival.error))
        segment = replace(segment, last=False)
    if not segment.last and not len(segment.samples_S):
        return
    record = record_of(segment, epoch)
    sender.send(
        topic or topics.audio(record.stream.kind), key_of(record.stream), to_flac(segment.samples_S), headers_of(record)
    )
    result.records += 1
    result.samples += len(segment.samples_S)


def _captured(stream: StreamKey, start_sample: int) -> datetime:
    """The epoch is the wall clock of sample 0."""
    begun = datetime.fromtimestamp(stream.epoch / 1000, UTC)
    return begun + timedelta(seconds=start_sample / SAMPLE_RATE)
