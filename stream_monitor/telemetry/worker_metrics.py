"""What a worker counts and measures, under documented names (docs/metrics.md is made from these words).

It knows nothing of Kafka or of the worker; `kafka/observation.py` fills it in.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

LATENCY_S: Final = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3600)
TRANSACTION_S: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 15)
BATCH_CHUNKS: Final = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256)


class WorkerMetrics:
    """One worker's."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers all of them.

        Args:
            registry: Where; it may hold one worker's only.
        """

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"stream_monitor_worker_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"stream_monitor_worker_{name}", words, labels, registry=registry)

        def histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"stream_monitor_worker_{name}", words, labels, registry=registry, buckets=buckets)

        self.lag_records = gauge(
            "frontier_lag_records",
            "Records between the frontier (the first that nobody has heard) and the end of the partition.",
            "topic",
            "partition",
        )
        self.lag_seconds = gauge(
            "frontier_lag_seconds",
            "Age, by the brokers' clock, of the newest record that was heard, while others wait behind it; else 0.",
            "topic",
            "partition",
        )
        self.partitions = gauge("partitions_assigned", "Partitions that this worker reads.")
        self.rebalances = counter("rebalances", "Times that partitions were taken over and streams restored.")
        self.restore_seconds = histogram(
            "restore_seconds", "Seconds from a new assignment until its streams were restored.", LATENCY_S
        )
        self.records = counter("records", "Audio records that were heard for the first time.", "topic")
        self.replayed = counter("replayed_records", "Audio records that were heard again to fill buffers.", "topic")
        self.audio_seconds = counter("audio_seconds", "Seconds of audio that were heard for the first time.", "kind")
        self.gaps = counter("gaps", "Places where a stream's audio is missing.", "kind")
        self.gap_seconds = counter("gap_seconds", "Seconds of audio that are missing in gaps.", "kind")
        self.late = counter("late_segments", "Segments of an epoch that had been left for a later one.", "kind")
        self.duplicates = counter("duplicate_segments", "Segments of audio that had been heard before.", "kind")
        self.dead_letters = counter(
            "dead_letters", "Records that could not be read and went to the dead letters.", "topic", "code"
        )
        self.queued = gauge("queued_records", "Records that were polled and wait for the pipeline.", "kind")
        self.paused = gauge("partitions_paused", "Partitions that are not read for now because queues are full.")
        self.batch_chunks = histogram("batch_chunks", "Chunks that went through the encoder together.", BATCH_CHUNKS)
        self.batch_size = gauge("batch_size", "Chunks of a full batch, as configured.")
        self.streams = gauge("streams_open", "Streams that are followed.", "kind")
        self.plays = counter("plays", "Events of plays that were committed, by their status.", "kind", "status")
        self.events = counter("events", "Events that were committed, by their type.", "type")
        self.event_latency = histogram(
            "capture_to_event_seconds",
            "Seconds from the capture of an event's last sample (basis capture; where the producer does not tell it,"
            " from the arrival of its record: basis append) until the event was committed.",
            LATENCY_S,
            "basis",
        )
        self.transactions = counter("transactions", "Transactions, by their outcome: committed or aborted.", "outcome")
        self.transaction_seconds = histogram(
            "transaction_seconds", "Seconds from the begin of a transaction until it was committed.", TRANSACTION_S
        )
        self.catalogue_tracks = gauge("catalogue_tracks", "Tracks that are listened for.")
        self.catalogue_version = gauge(
            "catalogue_version_info", "Always 1; the label is the version of the catalogue in use.", "version"
        )
        self.catalogue_unusable = gauge(
            "catalogue_unusable",
            "Records and tracks of the catalogue that cannot be used, or for which memory is wanting.",
        )
        self.catalogue_changes = counter("catalogue_changes", "Changes of the catalogue that were taken over.")
        self.turned = gauge("loop_turned_timestamp_seconds", "Unix time of the last turn of the worker's loop.")
