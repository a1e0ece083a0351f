"""One measurement in a process of its own: `python -m stream_monitor.bench PROBE PLAN`, the result on stdout as JSON.

Memory and thread settings of one measurement must not colour another's. `stream-monitor bench` calls this.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, Protocol

from stream_monitor.bench.plan import BenchPlan
from stream_monitor.cli.logging import configure_logging
from stream_monitor.cli.threads import calm_blas, share_cores

PROBES = {
    "stages": "stages:measure",
    "capacity": "capacity:measure",
    "naive": "capacity:measure_naive",
    "latency-idle": "latency:measure_idle",
    "latency-loaded": "latency:measure_loaded",
    "memory": "memory:measure",
}


class Measure(Protocol):
    """A measurement."""

    def __call__(self, plan: BenchPlan, *arguments: int) -> dict[str, Any]: ...


def main(arguments: list[str]) -> None:
    """Measures and prints."""
    probe, plan_json, *numbers = arguments
    plan = BenchPlan.model_validate_json(plan_json)
    configure_logging(level="warning", as_json=False)
    _use_cores(plan.threads)
    calm_blas()
    if probe != "naive":  # which gets torch as it comes
        from stream_monitor.config import Config

        share_cores(Config().encoder.threads)
    module, _, function = PROBES[probe].partition(":")
    measure: Measure = getattr(importlib.import_module(f"stream_monitor.bench.{module}"), function)
    sys.stdout.write(json.dumps(measure(plan, *map(int, numbers))))


def _use_cores(cores: int) -> None:
    """Keeps this process to so many cores, where the system can and there are more."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


if __name__ == "__main__":
    main(sys.argv[1:])
