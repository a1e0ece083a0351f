"""What `produce` counts, under documented names. It knows nothing of Kafka or of how stations are read."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


class ProduceMetrics:
    """One producer's."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers all of them.

        Args:
            registry: Where; it may hold one producer's only.
        """

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"stream_monitor_produce_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"stream_monitor_produce_{name}", words, labels, registry=registry)

        self.records = counter("records", "Segments that were handed to the brokers.", "kind")
        self.audio_seconds = counter("audio_seconds", "Seconds of audio in them.", "kind")
        self.stations = gauge(
            "stations",
            "Addresses by how they stand: up (audio comes), in_thread (read by FFmpeg), connecting, waiting (for its"
            " turn or the next attempt), given_up, ended.",
            "standing",
        )
        self.behind = gauge("stations_behind", "Addresses whose audio is read more than 5 s after it was sent.")
        self.furthest_behind = gauge("furthest_behind_seconds", "How far the last of them is behind; else 0.")
        self.connections_lost = counter("connections_lost", "Connections that broke off after audio had come.")
        self.left_behind = counter("connections_left_behind", "Connections that were left, being too far behind.")
        self.dropped = counter("dropped_segments", "Segments of addresses that nobody took in time.")
        self.undelivered = counter(
            "undelivered_segments", "Segments of addresses that the brokers did not take within produce.deliver_s."
        )
