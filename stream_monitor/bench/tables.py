"""A benchmark's result as tables for people. Knows nothing of how it was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """One table for each measurement that the result holds."""
    if "stages" in result:
        yield _stages(result["stages"])
    if "capacity" in result:
        yield _capacity(result["capacity"])
    if "latency" in result:
        yield _latency(result["latency"])
    if "memory" in result:
        yield _memory(result["memory"])


def _stages(stages: dict[str, Any]) -> Table:
    table = _table("Time of one chunk (10 s of new audio)", "stage", "wall ms", "CPU ms")
    total = {"wall_ms": 0.0, "cpu_ms": 0.0}
    for name, spent in stages["ms_per_chunk"].items():
        table.add_row(name, f"{spent['wall_ms']:.2f}", f"{spent['cpu_ms']:.2f}")
        if "MP3" not in name:
            total = {kind: total[kind] + spent[kind] for kind in total}
    table.add_row("all, FLAC in", f"{total['wall_ms']:.2f}", f"{total['cpu_ms']:.2f}")
    return table


def _capacity(capacity: dict[str, Any]) -> Table:
    table = _table("Streams in real time", "pipeline", "streams", "per core of CPU time", "cores used", "times slower")
    best = capacity["flac"]["streams"]
    rows = {"FLAC in": capacity["flac"], "MP3 128k in": capacity["mp3"], **capacity["naive, audio already decoded"]}
    for name, run in rows.items():
        slower = "" if name == "FLAC in" else f"{best / run['streams']:.1f}"
        table.add_row(
            name, f"{run['streams']:.0f}", f"{run['streams_per_cpu_core']:.0f}", f"{run['cores_used']:.2f}", slower
        )
    return table


def _latency(latency: dict[str, Any]) -> Table:
    idle = latency["idle"]
    title = (
        f"Last needed sample to event written, ms (look-ahead {idle['look_ahead_ms']:.0f} ms apart;"
        f" up to {idle['batch_deadline_ms']:.0f} ms are the wait for a full batch)"
    )
    table = _table(title, "load", "chunks", "p50", "p95", "chunks with events", "p50", "p95")
    for run in latency.values():
        columns = [f"{run['streams']} streams"]
        for kind in ("chunk", "event"):
            spent = run[kind]
            columns.append(str(spent["count"]))
            columns += [f"{spent['p50_ms']:.0f}", f"{spent['p95_ms']:.0f}"] if spent["count"] else ["", ""]
        table.add_row(*columns)
    return table


def _memory(memory: dict[str, Any]) -> Table:
    table = _table("Memory", "of", "own", "mapped files")
    for name, unit, each in (
        ("one more stream", 1e6, memory["bytes_per_stream"]),
        ("one more enrolled hour", 1e6, memory["bytes_per_enrolled_hour"]),
        ("catalogue open, all", 1e6, memory["measured"][0]["catalogue_open"]),
    ):
        table.add_row(name, f"{each['anonymous'] / unit:.2f} MB", f"{each['mapped'] / unit:.2f} MB")
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table
