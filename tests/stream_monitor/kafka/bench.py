"""Workers on a log in memory, and the model of what they must say: one pipeline that hears every record once."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from index.catalogue import Catalogue
from stream_monitor.accounting import AccountingConfig
from stream_monitor.catalogue_watch import CatalogueWatch
from stream_monitor.events import Versions
from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.holdings import Name, name_of
from stream_monitor.kafka.intake import Intake, unreadable
from stream_monitor.kafka.outbox import Outbox
from stream_monitor.kafka.records import AudioRecord, parse, upload_of
from stream_monitor.kafka.segment_audio import Announced
from stream_monitor.kafka.serving import CatalogueSnapshots, PublishedEvents, Told
from stream_monitor.kafka.settings import ServiceSettings
from stream_monitor.kafka.worker import Worker
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline, PipelineConfig
from stream_monitor.publisher import Publisher
from stream_monitor.repertoire import CatalogueRepertoire, RepertoireConfig
from stream_monitor.segments import Samples, Segment
from stream_monitor.sink import Event
from stream_monitor.verdict_policy import VerdictSettings
from stream_monitor.verifier import VerifierConfig
from tests.fakes.clock import FakeClock
from tests.fakes.encoder import SUPPORT_SAMPLES, FakeEncoder
from tests.fakes.log import TOPICS, KilledError, Life, Log, Polling, Transactions
from tests.stream_monitor.kafka.audio_log import BAD

MEMORY_S = 60.0
IDLE_S = 30.0


class Here:
    """Decodes float32 samples in this process."""

    def submit(self, whose: str, said: Announced, value: bytes) -> Future[Samples]:
        """Done at once."""
        future: Future[Samples] = Future()
        if value == BAD:
            future.set_exception(PoisonError("undecodable", "it is bad"))
        else:
            future.set_result(np.frombuffer(value, np.float32))
        return future


@dataclass(frozen=True)
class Bench:
    """What workers are made of."""

    encoder: FakeEncoder
    catalogue: Catalogue

    def pipeline(self) -> Pipeline:
        """Without streams."""
        plays = CatalogueRepertoire(
            self.catalogue,
            calibration={},
            floor=0.0,
            config=RepertoireConfig(verifier=VerifierConfig(memory_s=MEMORY_S, incremental=False)),
        )
        steps = PipelineConfig(accounting=AccountingConfig(conditions=True))
        return Pipeline(self.encoder, plays, steps, verdicts=VerdictSettings())

    def publisher(self, clock: FakeClock) -> PublishedEvents:
        """Outcomes to events."""
        told = Told()
        versions = Versions(software="1", encoder="e", catalogue="c", config="k")
        return PublishedEvents(Publisher(told, versions=versions, clock=clock), told)

    def snapshots(self) -> CatalogueSnapshots:
        """Streams to records."""
        return CatalogueSnapshots(self.catalogue, self.encoder.fingerprint)

    def work(self, log: Log, clock: FakeClock, life: Life, commit_s: float = 0.5) -> bool:
        """One worker, to the end of the log or of its life; says whether it lived."""
        left = life.times

        def at(here: str) -> None:
            nonlocal left
            left -= here == life.label
            if left == 0 and here == life.label:
                raise KilledError

        consumer = Polling(log, clock, life)
        service = ServiceSettings(commit_s=commit_s, poll_records=5, queue_records=4, idle_s=IDLE_S)
        parts: list[Any] = [consumer, Transactions(log, consumer), log]
        worker = Worker(
            parts[0],
            Intake(Here(), topics=TOPICS, records=service.queue_records, megabytes=64),
            Outbox(parts[1], topics=TOPICS, settings=service, at=at),
            parts[2],
            self.pipeline(),
            self.publisher(clock),
            self.snapshots(),
            topics=TOPICS,
            settings=service,
            memory_s=MEMORY_S,
            support_samples=SUPPORT_SAMPLES,
            clock=clock,
            catalogue=CatalogueWatch(parts[2], 0.0, clock),
        )
        try:
            worker.run(lambda: consumer.done)
        except KilledError:
            return False
        return True

    def model(self, log: Log) -> list[Event]:
        """What must be said: each partition is heard record by record, by a pipeline of its own that never dies."""
        return [event for records in log.audio.values() for event in self._heard(records)]

    def _heard(self, records: list[Received]) -> list[Event]:
        pipeline, outcomes = self.pipeline(), list[Outcome]()
        silent_since = dict[Name, int]()
        for record in records:
            said = _said(record)
            speaking = None if said is None else name_of(said.stream)
            silent_since = {name: min(since, record.appended_ms) for name, since in silent_since.items()}
            for stream in pipeline.streams:
                name = name_of(stream)
                if name != speaking and silent_since[name] < record.appended_ms - 1e3 * IDLE_S:
                    outcomes += pipeline.finish([stream], state="idle", reason=f"no audio for {IDLE_S:g} s")
            if said is None:
                upload = upload_of(record.key, record.headers)
                if upload is not None:
                    pipeline.came_odd(upload)
            elif (segment := _segment(said, record)) is not None:
                outcomes += pipeline.push([segment])
                if pipeline.follows(segment.stream):
                    silent_since[name_of(segment.stream)] = record.appended_ms
        return list(self.publisher(FakeClock()).events(outcomes))


def _said(record: Received) -> AudioRecord | None:
    try:
        return parse(record.key, record.value, record.headers)
    except PoisonError:
        return None


def _segment(said: AudioRecord, record: Received) -> Segment | None:
    if record.value == BAD:
        return unreadable(said)
    samples_S = np.frombuffer(record.value or b"", np.float32)
    return Segment(
        stream=said.stream, seq=said.seq, start_sample=said.start_sample, samples_S=samples_S, last=said.last
    )


def everything(homes: tuple[Partition, ...]) -> Life:
    """A worker that has all partitions and comes to the end."""
    return Life(shares=(frozenset(homes),))
