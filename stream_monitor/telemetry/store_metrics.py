"""What a store counts and measures, under documented names. It knows nothing of Kafka or of the database."""

from __future__ import annotations

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

WRITE_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class StoreMetrics:
    """One store's."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers all of them.

        Args:
            registry: Where; it may hold one store's only.
        """

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"stream_monitor_store_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"stream_monitor_store_{name}", words, labels, registry=registry)

        self.records = counter(
            "records",
            "Records by what became of them: stored, repeated, erased, conflict, or why they are no events.",
            "outcome",
        )
        self.rows = counter("rows", "Rows that were written, by table.", "table")
        self.conflicts = counter("conflicts", "Events that contradict one of the same id; the first one stays.")
        self.retries = counter(
            "retries", "Attempts that failed since the database or Kafka was away, or another store quicker."
        )
        self.lost = counter("lost_records", "Records that were gone from Kafka before they were stored.", "partition")
        self.restarts = counter(
            "topic_restarts", "Partitions that were read from their begin because the topic was made anew or cut."
        )
        self.lag_records = gauge("lag_records", "Records that wait in the partition.", "partition")
        self.lag_seconds = gauge(
            "lag_seconds", "Age, by the brokers' clock, of the newest record that was stored while others wait; else 0."
        )
        self.partitions = gauge("partitions_assigned", "Partitions that this store reads.")
        self.write_seconds = Histogram(
            "stream_monitor_store_write_seconds",
            "Seconds that one batch took to be written and committed.",
            registry=registry,
            buckets=WRITE_S,
        )
