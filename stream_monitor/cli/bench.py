"""`bench`: what the real pipeline costs on this machine, as tables on stderr and as a dated JSON file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stream_monitor.bench.plan import Probe


@click.command(short_help="Measures stages, capacity, latency and memory.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("benchmarks/results"),
    show_default=True,
    help="Folder of the dated JSON file.",
)
@click.option("--tracks", type=click.IntRange(2), default=10_000, show_default=True, help="Recordings enrolled.")
@click.option("--streams", type=click.IntRange(1), default=64, show_default=True, help="Stations, all different.")
@click.option("--minutes", type=click.FloatRange(1.0), default=3.0, show_default=True, help="Length of a station.")
@click.option(
    "--only",
    type=click.Choice(["stages", "capacity", "latency", "memory"]),
    multiple=True,
    help="Measure only this; may be given several times.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Cores to use.")
@click.option("--quick", is_flag=True, help="Rough figures within a minute or two, to see that all works.")
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), help="Where music and catalogue are kept.")
def bench(
    output: Path,
    tracks: int,
    streams: int,
    minutes: float,
    only: tuple[Probe, ...],
    threads: int,
    quick: bool,
    cache: Path | None,
) -> int:
    """Measures time per stage, streams in real time against naive pipelines, latency and memory.

    All on composed and rendered music that is different in every stream. The first run renders it and builds the
    catalogue, which are kept.
    """
    from rich.console import Console

    from stream_monitor.bench.plan import PROBES, BenchPlan, default_cache
    from stream_monitor.bench.plan import quick as quickly
    from stream_monitor.bench.suite import run, write
    from stream_monitor.bench.tables import tables
    from stream_monitor.cli.progress import progress_bar

    plan = BenchPlan(
        cache=cache or default_cache(),
        tracks=tracks,
        streams=streams,
        mp3_streams=min(streams, BenchPlan.model_fields["mp3_streams"].default),
        memory_streams=max(2, min(streams, BenchPlan.model_fields["memory_streams"].default)),
        minutes=minutes,
        threads=threads,
    )
    command = " ".join(["stream-monitor", *sys.argv[1:]])
    result = run(quickly(plan) if quick else plan, only or PROBES, progress_bar, command=command)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    for table in tables(result):
        console.print(table)
    console.print(f"written: {write(result, output)}")
    return 0
