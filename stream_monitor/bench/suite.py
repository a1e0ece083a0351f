"""The benchmarks in order: music and catalogues are made where they are missing, then each probe runs in a process.

It knows nothing of what a probe measures or of how results are shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from stream_monitor.bench.drawn import prepare_catalogue
from stream_monitor.bench.machine import describe
from stream_monitor.bench.music import prepare_music
from stream_monitor.bench.plan import BenchPlan, Probe
from stream_monitor.errors import MonitorError

PROBE_TIMEOUT_S = 1800.0
FEW_STREAMS = 4
FORMAT_VERSION = 1
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")


class BenchError(MonitorError):
    """A measurement could not be made."""


class Steps(Protocol):
    """Is told what goes on."""

    def to(self, done: int, total: int) -> None: ...


class Progress(Protocol):
    """Shows one step after another."""

    def __call__(self, label: str, *, total: int | None) -> AbstractContextManager[Steps]: ...


def run(plan: BenchPlan, only: Collection[Probe], progress: Progress, *, command: str) -> dict[str, Any]:
    """Makes what is needed and measures.

    Args:
        plan: Sizes.
        only: Which measurements.
        progress: Opens a progress bar.
        command: How this was called, for the record.

    Raises:
        BenchError: A measurement failed.
    """
    from encoder.model import Encoder

    machine = describe(plan.threads, command)
    fingerprint = Encoder.load().fingerprint
    _prepare(plan, only, fingerprint, progress)
    result: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "machine": machine,
        "encoder": fingerprint,
        "plan": plan.model_dump(mode="json", exclude={"cache"}),
    }
    if "stages" in only:
        result["stages"] = _probe("stages", plan, progress)
    if "capacity" in only:
        result["capacity"] = {
            **_probe("capacity", plan, progress),
            "naive, audio already decoded": _probe("naive", plan, progress),
        }
    if "latency" in only:
        result["latency"] = {
            "idle": _probe("latency-idle", plan, progress),
            "loaded": _probe("latency-loaded", plan, progress),
        }
    if "memory" in only:
        result["memory"] = _memory(plan, progress)
    result["machine"]["load_average_1min_at_end"] = round(os.getloadavg()[0], 2)
    return result


def write(result: dict[str, Any], folder: Path) -> Path:
    """Writes a result under today's date and the time, atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-bench.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def _prepare(plan: BenchPlan, only: Collection[Probe], fingerprint: str, progress: Progress) -> None:
    with progress("music (kept for the next time)", total=None) as steps:
        for done, total in prepare_music(plan):
            steps.to(done, total)
    sizes = [plan.tracks, plan.small_tracks] if "memory" in only else [plan.tracks]
    for tracks in sizes:
        with progress(f"catalogue of {tracks:,} tracks (kept for the next time)", total=None) as steps:
            for done, total in prepare_catalogue(plan, tracks, fingerprint):
                steps.to(done, total)


def _memory(plan: BenchPlan, progress: Progress) -> dict[str, Any]:
    """Slopes: bytes for one more stream, and for one more enrolled hour."""
    few, many = min(FEW_STREAMS, plan.streams // 2), min(plan.memory_streams, plan.streams)
    base = _probe("memory", plan, progress, few, plan.tracks)
    crowded = _probe("memory", plan, progress, many, plan.tracks)
    small = _probe("memory", plan, progress, few, plan.small_tracks)
    hours = base["enrolled_hours"] - small["enrolled_hours"]

    def per_stream(kind: str) -> float:
        return float(crowded["streams_open"][kind] - base["streams_open"][kind]) / (many - few)

    def per_hour(kind: str) -> float:
        return float(base["catalogue_open"][kind] - small["catalogue_open"][kind]) / float(hours)

    return {
        "bytes_per_stream": {kind: per_stream(kind) for kind in ("anonymous", "mapped")},
        "bytes_per_enrolled_hour": {kind: per_hour(kind) for kind in ("anonymous", "mapped")},
        "measured": [base, crowded, small],
    }


def _probe(name: str, plan: BenchPlan, progress: Progress, *numbers: int) -> dict[str, Any]:
    """Runs one probe in a process of its own and reads what it prints."""
    command = [sys.executable, "-m", "stream_monitor.bench", name, plan.model_dump_json(), *map(str, numbers)]
    # The threads of a probe are its own affair: what this process was told must not reach it.
    own = {key: value for key, value in os.environ.items() if key not in THREAD_SETTINGS}
    with progress(f"measuring {' '.join([name, *map(str, numbers)])}", total=None):
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, timeout=PROBE_TIMEOUT_S, check=False, env=own
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"measurement {name} took more than {PROBE_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        raise BenchError(f"measurement {name} ended with exit code {done.returncode}; its error is above")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
