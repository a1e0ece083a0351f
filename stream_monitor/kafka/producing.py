"""Sources into Kafka as segments: read, cut, encoded, sent, each stream in order. It knows nothing of plays.

Every stream gets an epoch: its start in Unix milliseconds, so that a restart is a new one. A stream's last record is
marked only where the audio truly ended, not after an error or a stop: nobody may take half an upload for a whole one.
Files and standard input are read by threads, addresses on an event loop; both end at one hand-over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from encoder.grid import SAMPLE_RATE
from stream_monitor.clock import Clock
from stream_monitor.errors import BackpressureError, MonitorError
from stream_monitor.hand_off import HandOff
from stream_monitor.kafka.drain import Drain
from stream_monitor.kafka.errors import BrokerError
from stream_monitor.kafka.losses import Losses
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.produce_settings import ProduceSettings
from stream_monitor.kafka.records import FLAC, AudioRecord, Headers, headers_of, key_of
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.readers import Arrival, Failure, Reader, Readers, ReadersConfig
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.sources import Source
from stream_monitor.stations.roll import Counts
from stream_monitor.stations.stations import Stations
from stream_monitor.stopping import Stop
from stream_monitor.telemetry import traceparent

log = structlog.get_logger(__name__)

POLL_S = 0.1
JOIN_S = 2.0
"""For threads to end that have nothing left to do."""
AT_MOST = 64
"""Segments that are taken at a time."""


class Feed(Protocol):
    """Brings segments to the hand-over; `Readers` and `Stations` are two."""

    @property
    def done(self) -> bool: ...

    @property
    def failures(self) -> list[Failure]: ...

    def start(self) -> None: ...

    def join(self, timeout_s: float) -> list[str]: ...


class Sender(Protocol):
    """Where records go; `kafka.client.Producer` is one."""

    @property
    def sent(self) -> int: ...

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Headers, lost: Callable[[BrokerError], None] | None
    ) -> None: ...

    def settle(self) -> None: ...

    def flush(self) -> int: ...


@dataclass(kw_only=True, slots=True)
class Produced:
    """How it went."""

    records: int = 0
    samples: int = 0
    failures: list[tuple[str, MonitorError]] = field(default_factory=list)
    """Stream id (empty where it is none's) and what was wrong."""
    interrupted: bool = False


def record_of(segment: Segment, epoch: int | None, traceparent: str | None = None) -> AudioRecord:
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
        traceparent=traceparent,
    )


def produce(
    sources: Sequence[Source],
    read: Reader,
    sender: Sender,
    *,
    topics: TopicSettings,
    epoch: int,
    config: ReadersConfig,
    settings: ProduceSettings,
    policy: ReconnectPolicy,
    clock: Clock,
    stop: Stop,
    realtime: bool = False,
    topic: str | None = None,
    drain: Drain,
    losses: Losses,
    sent: Callable[[Segment], None] = lambda _: None,
    addresses: Callable[[Callable[[], Counts]], None] = lambda _: None,
) -> Produced:
    """Sends all sources to their ends; one that fails is told and the others go on.

    Args:
        sources: What to read.
        read: Opens a source that is no address and gives its segments until `stop` is set.
        sender: Where records go.
        topics: Names of the topics; each kind of stream has its own.
        epoch: Of files and standard input; addresses date their own connections.
        config: Sizes of pools and queues.
        settings: How addresses are read, what records carry, how it ends.
        policy: Time-outs and reconnects of addresses.
        clock: Time.
        stop: Shared with `read`; set at the end.
        realtime: Files no faster than they would be heard.
        topic: Where everything goes instead.
        drain: Asked often; ends everything in good order, and within its time.
        losses: Counts and tells the audio of addresses that the brokers do not take.
        sent: Called with each segment that was handed over.
        addresses: Called before it begins, with what says how the addresses stand.

    Raises:
        BrokerError: Records of files or standard input cannot be delivered, and no addresses go on without them.
        AccessError: The brokers do not allow it.
    """
    given_up = Stop()
    arrivals: HandOff[Arrival] = HandOff(limit=config.queue_segments, deadline_s=config.give_up_s, stop=given_up)
    files = [source for source in sources if source.medium != "url"]
    urls = [source for source in sources if source.medium == "url"]
    outgoing = _Outgoing(
        sender=sender,
        topics=topics,
        topic=topic,
        epoch=epoch,
        trace=settings.trace,
        goes_on=bool(urls),
        losses=losses,
    )
    result = outgoing.result
    stations = Stations(urls, settings=settings.stations, policy=policy, arrivals=arrivals, encode=to_flac, stop=stop)
    addresses(stations.counts)
    feeds: tuple[Feed, ...] = (
        Readers(files, read, config=config, stop=stop, clock=clock, realtime=realtime, arrivals=arrivals),
        stations,
    )
    for feed in feeds:
        feed.start()
    try:
        while True:
            done = all(feed.done for feed in feeds)  # asked before the queue: what a thread left there is still taken
            taken = arrivals.take(wait_s=POLL_S, at_most=AT_MOST)
            for arrival in taken:
                outgoing.send(arrival, whole=not stop.is_set())
                sent(arrival.segment)
            sender.settle()
            losses.look(sender.sent)
            if done and not taken:
                break
            if stop.is_set():
                drain.begin()
            left_s = drain.left_s()
            if left_s is not None:
                result.interrupted = True
                stop.set()
            if left_s == 0:
                counts = stations.counts()
                left = counts.listed - counts.ended - counts.given_up
                raise BackpressureError(f"{left} of {counts.listed} addresses had not handed over what was read")
        unsent = sender.flush()
        if unsent:
            raise BackpressureError(f"the brokers had not acknowledged {unsent} records")
    except BackpressureError as error:
        result.interrupted = True
        log.error(
            "not all that was read could be sent in time; the rest is dropped",
            reason=str(error),
            drain_s=settings.drain_s,
        )
    finally:
        stop.set()
        given_up.set()
        until_s = clock.monotonic_s() + max(JOIN_S, drain.left_s() or 0.0)
        for feed in feeds:
            for name in feed.join(max(POLL_S, until_s - clock.monotonic_s())):
                log.warning("a reading thread did not end in time and is left behind", thread=name)
    if losses.segments:
        result.failures.append(("", BrokerError(f"{losses.segments} segments of live audio could not be delivered")))
    for failure in (failure for feed in feeds for failure in feed.failures):
        result.failures.append(("" if failure.source is None else failure.source.stream_id, failure.error))
    return result


@dataclass(kw_only=True, slots=True)
class _Outgoing:
    """Segments as records, on their way."""

    sender: Sender
    topics: TopicSettings
    topic: str | None
    epoch: int
    trace: bool
    goes_on: bool
    """A file that fails ends nothing else."""
    losses: Losses
    result: Produced = field(default_factory=Produced)
    undelivered: set[str] = field(default_factory=set)
    """Files that failed because a record was not delivered."""

    def send(self, arrival: Arrival, *, whole: bool) -> None:
        """Hands a segment over; its end mark only where the stream is `whole` and did not fail."""
        segment = arrival.segment
        if segment.stream.stream_id in self.undelivered:
            return
        if arrival.error is not None:
            self.result.failures.append((segment.stream.stream_id, arrival.error))
        if arrival.error is not None or not whole:
            segment = replace(segment, last=False)
        if not segment.last and not len(segment.samples_S):
            return
        record = record_of(segment, self.epoch, traceparent.new() if self.trace else None)
        value = to_flac(segment.samples_S) if arrival.encoded is None else arrival.encoded
        topic = self.topic or self.topics.audio(record.stream.kind)
        lost = partial(self._lost, arrival.source) if self.goes_on else None
        self.sender.send(topic, key_of(record.stream), value, headers_of(record), lost)
        self.result.records += 1
        self.result.samples += len(segment.samples_S)

    def _lost(self, source: Source, error: BrokerError) -> None:
        if source.medium == "url":
            self.losses.lost(source.stream_id, error)
        elif source.stream_id not in self.undelivered:
            self.undelivered.add(source.stream_id)
            self.result.failures.append((source.stream_id, error))


def _captured(stream: StreamKey, start_sample: int) -> datetime:
    """The epoch is the wall clock of sample 0."""
    begun = datetime.fromtimestamp(stream.epoch / 1000, UTC)
    return begun + timedelta(seconds=start_sample / SAMPLE_RATE)
