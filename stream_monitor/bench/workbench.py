"""The real monitor as `watch` builds it, on the benchmark's catalogue. Knows nothing of what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from encoder.model import Encoder
from index.catalogue import Catalogue
from stream_monitor.assembly import assemble
from stream_monitor.bench.drawn import catalogue_folder
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.clock import SystemClock
from stream_monitor.config import Config
from stream_monitor.publisher import Publisher
from stream_monitor.repertoire import CatalogueRepertoire
from stream_monitor.sink import FileSink


@dataclass(frozen=True, kw_only=True, slots=True)
class Workbench:
    """What a monitor is made of."""

    encoder: Encoder
    catalogue: Catalogue
    repertoire: CatalogueRepertoire
    config: Config
    publisher: Publisher


@contextmanager
def workbench(plan: BenchPlan, events: Path, *, tracks: int | None = None) -> Iterator[Workbench]:
    """Opens the encoder and a catalogue with the default configuration; the index is ready when this yields.

    Args:
        plan: Sizes.
        events: File that events are appended to.
        tracks: Size of the catalogue; the plan's by default.
    """
    config = Config()
    encoder = Encoder.load(batch=config.pipeline.batcher.size)
    folder = catalogue_folder(plan, tracks or plan.tracks, encoder.fingerprint)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint) as catalogue:
        sink = FileSink(events)
        try:
            assembly = assemble(encoder, catalogue, config)
            len(catalogue.index)  # made when it is first asked for
            yield Workbench(
                encoder=encoder,
                catalogue=catalogue,
                repertoire=assembly.repertoire,
                config=config,
                publisher=Publisher(sink, versions=assembly.versions, clock=SystemClock()),
            )
        finally:
            sink.close()
