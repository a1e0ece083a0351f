"""What `relay` counts and measures, under documented names. It knows nothing of Kafka, MQTT or HTTP."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

TOLD_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900, 3600)


class RelayMetrics:
    """Those of one process; `route` is `mqtt` or a webhook's name."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers all of them.

        Args:
            registry: Where; it may hold one relay's only.
        """

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"stream_monitor_relay_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"stream_monitor_relay_{name}", words, labels, registry=registry)

        self.acknowledged = counter("acknowledged", "Events that were told and acknowledged.", "route")
        self.filtered = counter("filtered", "Events that the filter kept back.", "route")
        self.refused = counter(
            "refused", "Times that the MQTT broker refused a message; it is tried again.", "route", "code"
        )
        self.dead_letters = counter(
            "dead_letters", "Events that went to the dead letters, unreadable or refused for good.", "route", "code"
        )
        self.lost = counter(
            "lost_records", "Records that were gone from Kafka before they were told.", "route", "partition"
        )
        self.states_removed = counter(
            "states_removed",
            "Retained messages of open plays taken away, being larger than the broker allows.",
            "route",
        )
        self.reconnects = counter(
            "reconnects", "Connections to the MQTT broker that were made or tried again.", "route"
        )
        self.attempts = counter(
            "webhook_attempts", "Requests to a webhook, by outcome: taken, retried or given_up.", "route", "outcome"
        )
        self.in_flight = gauge("in_flight", "Messages that were sent and are not acknowledged.", "route")
        self.waiting = gauge("waiting", "Events that were read from Kafka and are not acknowledged.", "route")
        self.lag_records = gauge(
            "lag_records", "Records between the last that is acknowledged without a gap and the end.", "route"
        )
        self.latency = Histogram(
            "stream_monitor_relay_event_to_ack_seconds",
            "Seconds from an event's detected_at to its acknowledgement (MQTT: the PUBACK).",
            ["route"],
            registry=registry,
            buckets=TOLD_S,
        )
