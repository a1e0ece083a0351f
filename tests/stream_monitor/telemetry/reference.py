"""The metrics as a page: `python -m tests.stream_monitor.telemetry.reference > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stream_monitor.telemetry.probes import READY
from stream_monitor.telemetry.produce_metrics import ProduceMetrics
from stream_monitor.telemetry.relay_metrics import RelayMetrics
from stream_monitor.telemetry.store_metrics import StoreMetrics
from stream_monitor.telemetry.worker_metrics import WorkerMetrics

HEAD = """\
# Metrics

`run`, `relay`, `store` and `produce` answer GET `/metrics`, `/healthz` and `/readyz` on `telemetry.host` and
`telemetry.port`.
The names below are a contract; docker/prometheus/alerts.yaml and docker/grafana/dashboards use them. Counters end in
`_total`; a histogram gives `_bucket`, `_sum` and `_count`. Those of every Python process come beside them
(`process_cpu_seconds_total`, `process_resident_memory_bytes`, …).

Lag is that of the frontier F, the first record that nobody has heard. The offset that the group commits is L, the
oldest record that an open stream still needs (about 200 s before F): what `kafka-consumer-groups --describe` shows
as LAG never reaches 0 and says nothing about how far behind the service is.

Made by `python -m tests.stream_monitor.telemetry.reference > docs/metrics.md`; a test compares.
"""
PARTS: Sequence[tuple[str, Sequence[type]]] = (
    ("`run`", (WorkerMetrics,)),
    ("`relay`", (RelayMetrics,)),
    ("`store`", (StoreMetrics,)),
    ("`produce`", (ProduceMetrics,)),
)
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def _metrics(owner: type) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Name, type, words and labels of each metric of a class, in its order."""
    found = []
    for metric in vars(owner(CollectorRegistry())).values():
        if isinstance(metric, MetricWrapperBase):
            found.append((metric._name, metric._type, metric._documentation, tuple(metric._labelnames)))
    return found


def all_metrics() -> dict[str, tuple[str, ...]]:
    """Every series that the code can make, with its labels."""
    known: dict[str, tuple[str, ...]] = {READY[0]: ()}
    for _, owners in PARTS:
        for owner in owners:
            for name, kind, _, labels in _metrics(owner):
                known |= {f"{name}{suffix}": labels for suffix in SUFFIXES[kind]}
    return known


def page() -> str:
    """The whole page."""
    lines = [HEAD, "## All", *_table([(READY[0], "gauge", READY[1], ())])]
    for title, owners in PARTS:
        lines += ["", f"## {title}", *_table([each for owner in owners for each in _metrics(owner)])]
    return "\n".join(lines) + "\n"


def _table(metrics: Sequence[tuple[str, str, str, tuple[str, ...]]]) -> list[str]:
    lines = ["", "| metric | type | labels | meaning |", "|---|---|---|---|"]
    for name, kind, words, labels in metrics:
        full = f"{name}_total" if kind == "counter" else name
        lines.append(f"| `{full}` | {kind} | {', '.join(labels)} | {words} |")
    return lines


if __name__ == "__main__":
    sys.stdout.write(page())
