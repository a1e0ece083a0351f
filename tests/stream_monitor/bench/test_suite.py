"""A benchmark of a few tracks and streams, from rendering to the written file."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from encoder.model import Encoder
from stream_monitor.bench.drawn import prepare_catalogue
from stream_monitor.bench.machine import describe
from stream_monitor.bench.music import prepare_music
from stream_monitor.bench.plan import BenchPlan, quick
from stream_monitor.bench.stages import measure
from stream_monitor.bench.suite import write
from stream_monitor.bench.tables import tables


@pytest.mark.usefixtures("fluidsynth")
def test_a_tiny_benchmark_measures_every_stage_and_writes_a_dated_file(tmp_path: Path) -> None:
    """Music and catalogue are made, the stages are measured on them, and the result is a file and a table."""
    plan = BenchPlan(cache=tmp_path / "cache", tracks=3, streams=2, minutes=1.0, mp3_streams=1, threads=1)
    for done, total in (*prepare_music(plan), *prepare_catalogue(plan, plan.tracks, Encoder.load().fingerprint)):
        assert done <= total
    stages = measure(plan)
    result = {"machine": describe(plan.threads, "test"), "stages": stages}
    assert stages["chunks"] >= 10
    assert stages["silent_chunks"] == 0
    assert all(spent["cpu_ms"] >= 0 for spent in stages["ms_per_chunk"].values())
    assert {"CQT", "network", "neighbours", "matching", "tracking, alignment"} <= set(stages["ms_per_chunk"])
    assert json.loads(write(result, tmp_path).read_text())["machine"]["cores"] >= 1
    shown = StringIO()
    for table in tables(result):
        Console(file=shown, width=120).print(table)
    assert "CQT" in shown.getvalue()


def test_a_quick_plan_is_never_larger_than_what_was_asked_for(tmp_path: Path) -> None:
    """--quick shrinks the plan and leaves small ones as they are."""
    plan = BenchPlan(cache=tmp_path, tracks=10, streams=3)
    assert quick(plan).tracks == 10
    assert quick(plan).streams == 3
    assert quick(BenchPlan(cache=tmp_path)).tracks < BenchPlan(cache=tmp_path).tracks
