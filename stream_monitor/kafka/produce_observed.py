"""`produce` as it is seen from outside: its metrics and /readyz. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.losses import Losses
from stream_monitor.segments import Segment
from stream_monitor.stations.roll import Counts, Roll
from stream_monitor.telemetry.probes import Probes
from stream_monitor.telemetry.produce_metrics import ProduceMetrics
from stream_monitor.telemetry.registry import new_registry
from stream_monitor.telemetry.settings import TelemetrySettings


class ProduceObserved:
    """Answers on telemetry.port while the context lasts."""

    def __init__(self, settings: TelemetrySettings, losses: Losses) -> None:
        """Opens nothing yet.

        Args:
            settings: Where it answers.
            losses: What the brokers do not take.
        """
        registry = new_registry()
        self._metrics = ProduceMetrics(registry)
        self._counts: Callable[[], Counts] = Roll(0).counts
        self._told = self._counts()
        self._losses = losses
        self._undelivered = 0
        self._probes = Probes(settings, self._not_ready, registry=registry)

    def __enter__(self) -> Self:
        """Answers from here on.

        Raises:
            SettingsError: The address cannot be used.
        """
        self._probes.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Answers no more."""
        self._probes.__exit__(kind, error, traceback)

    def addresses(self, counts: Callable[[], Counts]) -> None:
        """Args: `counts`: says how the addresses stand."""
        self._counts = counts
        gauge = self._metrics.stations
        gauge.labels("up").set_function(lambda: counts().up)
        gauge.labels("in_thread").set_function(lambda: counts().in_threads)
        gauge.labels("connecting").set_function(lambda: counts().connecting)
        gauge.labels("waiting").set_function(lambda: counts().waiting)
        gauge.labels("given_up").set_function(lambda: counts().given_up)
        gauge.labels("ended").set_function(lambda: counts().ended)
        self._metrics.behind.set_function(lambda: counts().behind)
        self._metrics.furthest_behind.set_function(lambda: counts().furthest_behind_s)

    def sent(self, segment: Segment) -> None:
        """A segment was handed to the brokers."""
        kind = segment.stream.kind
        self._metrics.records.labels(kind).inc()
        self._metrics.audio_seconds.labels(kind).inc(len(segment.samples_S) / SAMPLE_RATE)

    def _not_ready(self) -> Sequence[str]:
        """Asked at each scrape, so that totals are brought up to date here."""
        now, before = self._counts(), self._told
        self._told = now
        self._metrics.connections_lost.inc(now.connections_lost - before.connections_lost)
        self._metrics.left_behind.inc(now.left_behind - before.left_behind)
        self._metrics.dropped.inc(now.dropped_segments - before.dropped_segments)
        undelivered = self._losses.segments
        self._metrics.undelivered.inc(undelivered - self._undelivered)
        self._undelivered = undelivered
        if complaints := self._losses.complaints():
            return complaints
        if not now.listed:
            return ()
        if now.asked < now.listed:
            return (f"{now.listed - now.asked} of {now.listed} stations were not asked yet",)
        if not now.up + now.in_threads + now.ended:
            return (f"none of {now.listed} stations is heard",)
        return ()
