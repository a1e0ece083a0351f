"""Between polling and hearing: bounded queues, one for each partition, decoded ahead and emptied in turns.

    put → parse → sandbox … → take, one record of each topic and partition after the other

A partition whose queue is full is not read on (`valves`), so memory stays what it is while the pipeline is slower than
the audio, and polling goes on, so the group sees a worker that lives. Topics take turns, and so do the partitions of a
topic, and topics share the decoders: uploads never starve broadcasts, nor the other way round. Headers are parsed here,
once for everybody. It knows nothing of streams' plays or of commits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.payload import announced
from stream_monitor.kafka.records import AudioRecord, parse, upload_of
from stream_monitor.kafka.segment_audio import Announced
from stream_monitor.kafka.settings import TopicSettings
from stream_monitor.segments import Samples, Segment, StreamKey

AHEAD: Final = 192
"""Records that are decoded before their turn, of all partitions together: half a megabyte each. More than one batch of
the encoder takes, so that the decoders work while a batch is heard."""
LEAST_AHEAD: Final = 4
"""Of each partition, however many there are."""


class Decodes(Protocol):
    """`sandbox.Sandbox`."""

    def submit(self, whose: str, said: Announced, value: bytes) -> Future[Samples]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A record whose turn has come."""

    record: Received
    said: AudioRecord | None
    """None where its headers say nothing."""
    segment: Segment | None
    """None where it need not be read, or cannot be; of an upload then one that says so, if its place is known."""
    poison: PoisonError | None

    @property
    def stream_id(self) -> str | None:
        """Whose it is; None where nobody can say."""
        return self.said.stream.stream_id if self.said is not None else self.odd_upload

    @property
    def odd_upload(self) -> str | None:
        """The upload that names itself in headers that say nothing more; its verdict must know."""
        return upload_of(self.record.key, self.record.headers) if self.said is None else None


@dataclass(kw_only=True, slots=True)
class _Waiting:
    record: Received
    said: AudioRecord | None
    poison: PoisonError | None
    wanted: bool
    samples: Future[Samples] | None = None

    @property
    def ready(self) -> bool:
        return not self.wanted or (self.samples is not None and self.samples.done())


@dataclass(kw_only=True, slots=True)
class _Queue:
    waiting: deque[_Waiting] = field(default_factory=deque)
    bytes: int = 0
    begun: int = 0
    """How many of its first records are decoded already, or need not be."""


def unreadable(said: AudioRecord) -> Segment | None:
    """What the pipeline is told of an upload's segment that cannot be read: its verdict must know."""
    if said.stream.kind != "upload":
        return None
    return Segment(
        stream=said.stream,
        seq=said.seq,
        start_sample=said.start_sample,
        samples_S=np.zeros(0, np.float32),
        last=said.last,
        replays=said.replays,
        unreadable_samples=said.end_sample - said.start_sample,
    )


class Intake:
    """One worker's."""

    def __init__(self, sandbox: Decodes, *, topics: TopicSettings, records: int, megabytes: int) -> None:
        """Starts empty.

        Args:
            sandbox: Decodes.
            topics: Say what the streams of each are.
            records: A partition with so many waiting is full ...
            megabytes: ... or with so many bytes of them.
        """
        self._sandbox = sandbox
        self._topics = topics
        self._records = records
        self._bytes = megabytes << 20
        self._queues: dict[Partition, _Queue] = {}
        self._turns: deque[deque[Partition]] = deque()
        self._halted: frozenset[Partition] = frozenset()

    def __len__(self) -> int:
        """Records that wait."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def waiting(self, topic: str) -> int:
        """Records of a topic that wait. Any thread may ask."""
        return sum(len(queue.waiting) for partition, queue in list(self._queues.items()) if partition.topic == topic)

    def clear(self) -> None:
        """Forgets what waits: it will be read again, here or elsewhere."""
        for queue in self._queues.values():
            for each in queue.waiting:
                if each.samples is not None:
                    each.samples.cancel()
        self._queues, self._turns, self._halted = {}, deque(), frozenset()

    def valves(self) -> tuple[frozenset[Partition], frozenset[Partition]]:
        """Partitions not to be read on, since their queue is full, and those to be read again, since half of it is
        gone: as far as that is news since the last call."""
        shut, opened = self.full - self._halted, self._halted & self.roomy
        self._halted = (self._halted | shut) - opened
        return shut, opened

    @property
    def full(self) -> frozenset[Partition]:
        """Partitions that should not be read on."""
        return frozenset(
            partition
            for partition, queue in self._queues.items()
            if len(queue.waiting) >= self._records or queue.bytes >= self._bytes
        )

    @property
    def roomy(self) -> frozenset[Partition]:
        """Partitions of which at most half of that waits: worth reading again."""
        return frozenset(
            partition
            for partition, queue in self._queues.items()
            if 2 * len(queue.waiting) <= self._records and 2 * queue.bytes <= self._bytes
        )

    def put(self, record: Received, wanted: Callable[[AudioRecord], bool]) -> AudioRecord | None:
        """A record that was polled; each partition's in order.

        Args:
            record: The record.
            wanted: Whether its audio is needed.

        Returns:
            What it says of itself; None where its headers cannot be read, or it is in the topic of the other kind.
        """
        said, poison = None, None
        try:
            said = parse(record.key, record.value, record.headers)
            self._check_home(record.partition.topic, said.stream)
        except PoisonError as error:
            poison = error
        queue = self._queues.get(record.partition)
        if queue is None:
            queue = self._queues[record.partition] = _Queue()
            self._into_turns(record.partition)
        queue.waiting.append(
            _Waiting(
                record=record, said=said, poison=poison, wanted=said is not None and poison is None and wanted(said)
            )
        )
        queue.bytes += len(record.value or b"")
        self._decode_ahead(queue)
        return said if poison is None else None

    def _check_home(self, topic: str, stream: StreamKey) -> None:
        """State and silence of a stream are those of its kind's partition: elsewhere a restart would lose it."""
        kind = self._topics.kind(topic)
        if kind is not None and kind != stream.kind:
            raise PoisonError(
                "wrong_topic",
                f"{stream.stream_id!r} is of kind {stream.kind}, which is sent to {self._topics.audio(stream.kind)}",
            )

    def take(self, wait_s: float) -> Taken | None:
        """The next record in turn that is decoded; None where there is none within this time."""
        taken = self._next()
        if taken is None and wait_s > 0:
            heads = [queue.waiting[0].samples for queue in self._queues.values() if queue.waiting]
            pending = [each for each in heads if each is not None]
            if pending:
                wait(pending, timeout=wait_s, return_when="FIRST_COMPLETED")
                taken = self._next()
        return taken

    def _next(self) -> Taken | None:
        for topic in range(len(self._turns)):
            partitions = self._turns[topic]
            for place in range(len(partitions)):
                queue = self._queues[partitions[place]]
                if queue.waiting and queue.waiting[0].ready:
                    partitions.rotate(-place - 1)
                    self._turns.rotate(-topic - 1)
                    return self._pop(queue)
        return None

    def _pop(self, queue: _Queue) -> Taken:
        first = queue.waiting.popleft()
        queue.bytes -= len(first.record.value or b"")
        queue.begun -= 1
        self._decode_ahead(queue)
        said, poison, segment = first.said, first.poison, None
        if said is not None and first.samples is not None:
            try:
                segment = Segment(
                    stream=said.stream,
                    seq=said.seq,
                    start_sample=said.start_sample,
                    samples_S=first.samples.result(),
                    last=said.last,
                    replays=said.replays,
                )
            except PoisonError as error:
                poison, segment = error, unreadable(said)
        return Taken(record=first.record, said=said, segment=segment, poison=poison)

    def _decode_ahead(self, queue: _Queue) -> None:
        ahead = max(LEAST_AHEAD, AHEAD // len(self._queues))
        while queue.begun < min(ahead, len(queue.waiting)):
            each = queue.waiting[queue.begun]
            if each.wanted and each.said is not None:
                topic, value = each.record.partition.topic, each.record.value or b""
                each.samples = self._sandbox.submit(topic, announced(each.said), value)
            queue.begun += 1

    def _into_turns(self, partition: Partition) -> None:
        for partitions in self._turns:
            if partitions[0].topic == partition.topic:
                partitions.append(partition)
                return
        self._turns.append(deque([partition]))
