"""One process's monitor: encoder, catalogue and output put together. `watch` runs one, or one in each of its processes.

It decides nothing: how sources are dealt out is in `shares`, how processes are led in `processes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from encoder.model import Encoder
from index.catalogue import Catalogue
from stream_monitor.assembly import assemble
from stream_monitor.clock import Clock, SystemClock
from stream_monitor.config import Config
from stream_monitor.monitor import Monitor, Observer
from stream_monitor.pipeline import Pipeline
from stream_monitor.publisher import Publisher
from stream_monitor.reading import read_segments
from stream_monitor.sink import EventSink
from stream_monitor.stopping import Stop


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchPlan:
    """What a monitor is made from; goes to other processes."""

    config: Config
    catalogue: Path
    """Its folder."""
    realtime: bool = False
    """Files no faster than they would be heard."""
    files_start: datetime | None = None
    """Wall clock of the first sample of files and standard input."""


@contextmanager
def opened_monitor(
    plan: WatchPlan,
    open_sink: Callable[[], EventSink],
    *,
    observers: Iterable[Observer] = (),
    clock: Clock | None = None,
) -> Iterator[Monitor]:
    """Opens what a monitor needs, in the order in which mistakes are cheapest to find; closes it afterwards.

    Args:
        plan: From what.
        open_sink: Opens what events are written to, once everything else is open.
        observers: Who else is told.
        clock: Time; the machine's by default.

    Raises:
        EncoderError, CatalogueError, SettingsError: Something cannot be used.
    """
    config, stop, clock = plan.config, Stop(), clock or SystemClock()
    encoder = Encoder.load(
        config.encoder.weights,
        device=config.encoder.device,
        batch=config.pipeline.batcher.size,
        precision=config.encoder.precision,
        deterministic=config.deterministic,
    )
    with ExitStack() as stack:
        catalogue = stack.enter_context(
            Catalogue.open(
                plan.catalogue,
                encoder_fingerprint=encoder.fingerprint,
                index="exact" if config.deterministic else config.index,
            )
        )
        sink = open_sink()
        stack.callback(sink.close)
        assembly = assemble(encoder, catalogue, config)
        len(catalogue.index)  # made when it is first asked for: now, and not when the first audio waits
        yield Monitor(
            Pipeline(encoder, assembly.repertoire, config.pipeline),
            Publisher(sink, versions=assembly.versions, clock=clock, files_start=plan.files_start),
            lambda source: read_segments(source, stop=stop, policy=config.reconnect),
            config=config.monitor,
            stop=stop,
            clock=clock,
            observers=observers,
            catalogue=assembly.repertoire,
        )
