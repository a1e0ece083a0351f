"""The worker on a log in memory: any order, loss, repetition and deaths give what a plain pipeline hears in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.catalogue import Catalogue
from stream_monitor.catalogue_watch import CatalogueWatch
from stream_monitor.events import Versions
from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.intake import Intake, unreadable
from stream_monitor.kafka.outbox import Outbox
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of, parse
from stream_monitor.kafka.segment_audio import Announced
from stream_monitor.kafka.serving import CatalogueSnapshots, PublishedEvents, Told
from stream_monitor.kafka.settings import ServiceSettings
from stream_monitor.kafka.worker import Worker
from stream_monitor.pipeline import Pipeline, PipelineConfig
from stream_monitor.publisher import Publisher
from stream_monitor.repertoire import CatalogueRepertoire, RepertoireConfig
from stream_monitor.segments import Samples, Segment, StreamKey
from stream_monitor.verdict_policy import VerdictSettings
from stream_monitor.verifier import VerifierConfig
from tests.fakes.band import song
from tests.fakes.clock import FakeClock
from tests.fakes.encoder import SUPPORT_SAMPLES, FakeEncoder
from tests.fakes.library import cut, encoder_with_cohort, library
from tests.fakes.log import TOPICS, KilledError, Log, Polling, Transactions

HOMES = {kind: Partition(topic=TOPICS.audio(kind), number=0) for kind in ("upload", "broadcast")}
MEMORY_S = 60.0
LABELS = ("after send", "before offsets", "before commit", "after commit", "poll")
STREAMS = (StreamKey(kind="upload", stream_id="u", epoch=5), StreamKey(kind="broadcast", stream_id="b", epoch=5))
BAD = b"bad"
Events = dict[str, dict[str, Any]]


class Here:
    """Decodes float32 samples in this process."""

    def submit(self, said: Announced, value: bytes) -> Future[Samples]:
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
        return Pipeline(self.encoder, plays, PipelineConfig(), verdicts=VerdictSettings())

    def publisher(self, clock: FakeClock) -> PublishedEvents:
        """Outcomes to events."""
        told = Told()
        versions = Versions(software="1", encoder="e", catalogue="c", config="k")
        return PublishedEvents(Publisher(told, versions=versions, clock=clock), told)

    def worker(self, log: Log, clock: FakeClock, commit_s: float, label: str, times: int) -> None:
        """Works to the end of the log, or until it dies."""
        left = times

        def at(here: str) -> None:
            nonlocal left
            left -= here == label
            if left == 0 and here == label:
                raise KilledError

        consumer = Polling(log, clock, times if label == "poll" else 0)
        service = ServiceSettings(commit_s=commit_s, poll_records=3, queue_records=4)
        parts: list[Any] = [consumer, Transactions(log), log]
        Worker(
            parts[0],
            Intake(Here(), records=service.queue_records, megabytes=64),
            Outbox(parts[1], topics=TOPICS, settings=service, at=at),
            parts[2],
            self.pipeline(),
            self.publisher(clock),
            CatalogueSnapshots(self.catalogue, self.encoder.fingerprint),
            topics=TOPICS,
            settings=service,
            memory_s=MEMORY_S,
            support_samples=SUPPORT_SAMPLES,
            clock=clock,
            catalogue=CatalogueWatch(parts[2], 0.0, clock),
        ).run(lambda: consumer.done)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two songs are enrolled."""
    encoder = encoder_with_cohort()
    folder = library(Path(tmp_path_factory.mktemp("worker")) / "catalogue", encoder, songs=2, seconds=30.0)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint, index="exact") as opened:
        yield Bench(encoder, opened)


def segments() -> list[Segment]:
    """Both streams in turns: a known song, then a stranger."""
    whole = [cut(key, np.concatenate((song(n, 30.0), song(200 + n, 25.0)))) for n, key in enumerate(STREAMS)]
    return [segment for pair in zip(*whole, strict=True) for segment in pair]


def logged(sent: Sequence[tuple[Segment, bool]]) -> Log:
    """Segments as records in the order in which they were sent, some of them spoilt."""
    log = Log(audio={home: [] for home in HOMES.values()})
    for segment, spoilt in sent:
        said = AudioRecord(
            stream=segment.stream, seq=segment.seq, offset_samples=segment.start_sample,
            samples=len(segment.samples_S), sample_rate=22_050, channels=1, content_type=FLAC, captured_at=None,
            last=segment.last,
        )  # fmt: skip
        home = HOMES[segment.stream.kind]
        value = BAD if spoilt else segment.samples_S.astype(np.float32).tobytes()
        log.audio[home].append(
            Received(
                partition=home, offset=len(log.audio[home]), appended_ms=0, key=key_of(segment.stream), value=value,
                headers=headers_of(said),
            )
        )  # fmt: skip
    return log


def undated(events: Sequence[Mapping[str, Any]]) -> Events:
    """By id, without when they were found out."""
    return {event["id"]: {k: v for k, v in event["data"].items() if k != "detected_at"} for event in events}


def model(bench: Bench, log: Log) -> Events:
    """One pipeline hears each record of the log once."""
    pipeline, outcomes = bench.pipeline(), []
    for record in (record for records in log.audio.values() for record in records):
        said = parse(record.key, record.value, record.headers)
        segment = unreadable(said)
        if record.value != BAD:
            samples_S = np.frombuffer(record.value or b"", np.float32)
            start = said.start_sample
            segment = Segment(stream=said.stream, seq=said.seq, start_sample=start, samples_S=samples_S, last=said.last)
        outcomes += pipeline.push([] if segment is None else [segment])
    return undated(bench.publisher(FakeClock()).events(outcomes))


COUNT = 22


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    swaps=st.lists(st.integers(0, COUNT - 2), max_size=3),
    lost=st.sets(st.integers(0, COUNT - 1), max_size=2),
    again=st.sets(st.integers(0, COUNT - 1), max_size=2),
    spoilt=st.sets(st.integers(0, COUNT - 1), max_size=1),
    deaths=st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 4)), max_size=5),
    commit_s=st.sampled_from((0.5, 2.5)),
)
def test_whatever_comes_and_whenever_workers_die_the_log_is_heard_once(
    bench: Bench,
    swaps: list[int],
    lost: set[int],
    again: set[int],
    spoilt: set[int],
    deaths: list[tuple[str, int]],
    commit_s: float,
) -> None:
    """Ids and data of all events are those of the model, no id comes twice, each spoilt record is one dead letter."""
    order = list(range(COUNT))
    for place in swaps:
        order[place], order[place + 1] = order[place + 1], order[place]
    whole = segments()
    sent = [(whole[n], n in spoilt) for n in order if n not in lost for _ in range(1 + (n in again))]
    log, clock = logged(sent), FakeClock()
    for label, times in [*deaths, ("never", 1)]:
        try:
            bench.worker(log, clock, commit_s, label, times)
        except KilledError:
            continue
        break
    told = [json.loads(each) for each in log.events]
    assert len({event["id"] for event in told}) == len(told)
    assert undated(told) == json.loads(json.dumps(model(bench, log)))
    assert log.letters == sum(bad for _, bad in sent)
