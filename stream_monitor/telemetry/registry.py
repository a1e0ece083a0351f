"""A registry of one service: its own metrics and those of every Python process. It knows nothing of the former."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector


def new_registry() -> CollectorRegistry:
    """One that holds memory, processor time, open files and garbage collection of this process.

    Not the library's global one: a second service in one process (as in tests) would meet the metrics of the first.
    """
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry
