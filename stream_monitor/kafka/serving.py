"""One worker put together: encoder, catalogue, clients. It decides nothing; `worker.py` does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from encoder.model import Encoder
from index.catalogue import Catalogue
from index.errors import UnknownTrack
from stream_monitor.assembly import assemble
from stream_monitor.catalogue_watch import CatalogueWatch
from stream_monitor.clock import Clock, SystemClock
from stream_monitor.config import Config
from stream_monitor.kafka.catalogue.opening import opened_catalogue
from stream_monitor.kafka.client import Admin, LogReader, TransactionalProducer
from stream_monitor.kafka.observation import Observation
from stream_monitor.kafka.observed import (
    ObservedConsumer,
    ObservedEncoder,
    ObservedIntake,
    ObservedOutbox,
    ObservedPipeline,
)
from stream_monitor.kafka.outbox import Labelled
from stream_monitor.kafka.records import KINDS
from stream_monitor.kafka.sandbox import Sandbox
from stream_monitor.kafka.stream_state import Restored, decode, encode
from stream_monitor.kafka.topics import check_usable, largest_letter
from stream_monitor.kafka.worker import Worker
from stream_monitor.lane_state import LaneState
from stream_monitor.outcome import Outcome
from stream_monitor.publisher import Publisher
from stream_monitor.sink import Event
from stream_monitor.telemetry import Heartbeat, Probes, new_registry
from stream_monitor.telemetry.worker_metrics import WorkerMetrics


class CatalogueSnapshots:
    """Snapshots as records, tracks by the ids of one catalogue."""

    def __init__(self, catalogue: Catalogue, fingerprint: str) -> None:
        self._catalogue = catalogue
        self._fingerprint = fingerprint

    def encode(self, state: LaneState) -> bytes:
        """The record's value."""
        return encode(state, self._track_id, self._fingerprint)

    def decode(self, value: bytes) -> Restored:
        """What was written, with our keys."""
        return decode(value, self._track_key, self._fingerprint)

    def _track_id(self, key: int) -> str | None:
        try:
            return self._catalogue.track(key).track_id
        except UnknownTrack:
            return None

    def _track_key(self, track_id: str) -> int | None:
        track = self._catalogue.find(track_id)
        return None if track is None else track.key


class Told:
    """Gathers what a publisher writes."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, events: Iterable[Event]) -> None:
        """Keeps them."""
        self.events.extend(events)

    def close(self) -> None:
        """Nothing is open."""


class PublishedEvents:
    """Outcomes to events, without writing them anywhere."""

    def __init__(self, publisher: Publisher, told: Told) -> None:
        self._publisher = publisher
        self._told = told

    def events(self, outcomes: Iterable[Outcome]) -> Sequence[Event]:
        """The events of these outcomes, in order."""
        self._publisher.publish(outcomes)
        events, self._told.events = self._told.events, []
        return events

    def catalogue_changed(self, version: str) -> None:
        """From now on events are made with this version of the catalogue."""
        self._publisher.catalogue_changed(version)


def serve(config: Config, catalogue_path: Path, stopping: Callable[[], bool], *, at: Labelled = lambda _: None) -> None:
    """Runs a worker until `stopping`.

    Raises:
        EncoderError, CatalogueError, SettingsError: Something cannot be used.
        TopicError, PartitionsError: See `check_usable`.
        FencedError, BrokerError, StateError: See `Worker.run`.
    """
    clock, registry = SystemClock(), new_registry()
    heart = Heartbeat(clock, config.telemetry.stalled_s)
    observation = Observation(WorkerMetrics(registry), heart, clock)
    with Probes(config.telemetry, observation.unready, alive=heart.complaints, registry=registry):
        _serve(config, catalogue_path, stopping, at, clock, observation)


def _serve(
    config: Config,
    catalogue_path: Path,
    stopping: Callable[[], bool],
    at: Labelled,
    clock: Clock,
    observation: Observation,
) -> None:
    with Admin(config.kafka) as admin:
        check_usable(admin, config.topics)
        letter_bytes = largest_letter(admin, config.topics)
    encoder = Encoder.load(
        config.encoder.weights,
        device=config.encoder.device,
        batch=config.pipeline.batcher.size,
        precision=config.encoder.precision,
        deterministic=config.deterministic,
    )
    told = Told()
    accounting = config.pipeline.accounting.model_copy(update={"conditions": True})
    steps = config.pipeline.model_copy(update={"accounting": accounting})
    service, name = config.service, f"{config.kafka.group_id}-{config.kafka.instance}"
    with ExitStack() as stack:
        dimensions = encoder.cohort_CD.shape[1]
        opened = stack.enter_context(
            opened_catalogue(
                config,
                catalogue_path,
                stopping,
                encoder=encoder.fingerprint,
                dimensions=dimensions,
                clock=clock,
                waiting=observation.looks_in,
            )
        )
        if opened is None:
            return
        observation.looks_in(opened.ready, opened.unusable)
        catalogue = opened.catalogue
        assembly = assemble(encoder, catalogue, config)
        len(catalogue.index)  # made when it is first asked for: now, and not when the first audio waits
        producer = stack.enter_context(
            TransactionalProducer(
                config.kafka,
                name,
                transaction_s=service.transaction_s,
                advice=f"if another worker is {config.kafka.instance!r} too, give each a name of its own"
                " (STREAM_MONITOR__KAFKA__INSTANCE_ID)",
            )
        )
        reader = stack.enter_context(LogReader(config.kafka))
        consumer = stack.enter_context(
            ObservedConsumer(observation, config.kafka, config.topics.of_audio, session_s=service.session_s)
        )
        seen = ObservedEncoder(encoder, observation.embedded)
        pipeline = stack.enter_context(
            ObservedPipeline(observation, seen, assembly.repertoire, steps, verdicts=config.verdicts)
        )
        sandbox = stack.enter_context(Sandbox(service.sandbox))
        observation.listens_with(config.pipeline.batcher.size, lambda: (catalogue.version, len(catalogue)))
        intake = ObservedIntake(
            observation, sandbox, topics=config.topics, records=service.queue_records, megabytes=service.queue_mb
        )
        observation.queues({kind: partial(intake.waiting, config.topics.audio(kind)) for kind in KINDS})
        Worker(
            consumer,
            intake,
            ObservedOutbox(
                observation,
                clock,
                producer,
                topics=config.topics,
                settings=service,
                at=at,
                letter_bytes=letter_bytes,
            ),
            reader,
            pipeline,
            PublishedEvents(Publisher(told, versions=assembly.versions, clock=clock), told),
            CatalogueSnapshots(catalogue, encoder.fingerprint),
            topics=config.topics,
            settings=service,
            memory_s=config.plays.verifier.memory_s,
            support_samples=-encoder.block_window(0)[0],
            clock=clock,
            catalogue=CatalogueWatch(assembly.repertoire, opened.refresh_s, clock),
        ).run(stopping)
    if config.kafka.static_membership:
        with Admin(config.kafka) as admin:
            admin.remove_member(config.kafka.group_id, config.kafka.instance)
