"""`stream-monitor watch`: the monitor on files, folders, addresses or standard input, without a broker.

It puts the parts together and turns what happened into an exit code; every decision is made elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stream_monitor.clock import Clock
    from stream_monitor.config import Config
    from stream_monitor.live_table import LiveTable
    from stream_monitor.monitor import MonitorResult
    from stream_monitor.segments import StreamKind
    from stream_monitor.sources import Source


class Moment(click.ParamType[datetime]):
    """A point in time, ISO 8601; without a time zone it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Text to a datetime with a time zone."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time such as 2026-11-22T10:00:00Z", param, ctx)
        if moment.year >= datetime.max.year:
            self.fail(f"{value!r} is in the calendar's last year: what is heard could lie beyond it", param, ctx)
        return moment


@click.command(short_help="Watches files and live audio, reports every play.")
@click.argument("sources", metavar="[ID=]SOURCE...", nargs=-1, required=True)
@click.option("--catalog", type=click.Path(path_type=Path), help="Folder of the catalogue.")
@click.option("--events", type=click.Path(path_type=Path), help="File that events are appended to; else stdout.")
@click.option("--realtime", is_flag=True, help="Files no faster than they would be heard.")
@click.option("--kind", type=click.Choice(["broadcast", "upload"]), help="What all sources are.")
@click.option("--start-time", type=Moment(), help="Wall clock of the first sample of files and standard input.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (YAML).")
def watch(
    sources: tuple[str, ...],
    catalog: Path | None,
    events: Path | None,
    realtime: bool,
    kind: StreamKind | None,
    start_time: datetime | None,
    config_path: Path | None,
) -> int:
    """Watches SOURCES and reports every play of a catalogue's works as events, one JSON object per line.

    A SOURCE is an audio file, a folder, an http(s) address (file, Icecast, HLS) or - for standard input. Its ID is
    the file's stem unless given. Files are uploads, the rest broadcasts. Ctrl-C ends all open plays in final events.
    """
    from stream_monitor.config import load
    from stream_monitor.errors import SettingsError
    from stream_monitor.sources import parse_sources

    config = load(config_path)
    folder = catalog or config.catalog
    if folder is None:
        raise SettingsError("which catalogue? give --catalog DIR, or the key catalog in --config FILE")
    result = _run(parse_sources(sources, kind=kind), folder, events, realtime, start_time, config)
    if result.interrupted:
        return 130
    return 1 if result.failures else 0


def _run(
    sources: list[Source],
    folder: Path,
    events: Path | None,
    realtime: bool,
    start_time: datetime | None,
    config: Config,
) -> MonitorResult:
    """Watches here, or leads the processes that do."""
    from stream_monitor.cli.interruption import interruption
    from stream_monitor.cli.open_files import allow_open_files
    from stream_monitor.cli.threads import share_cores

    share_cores(config.encoder.threads)  # before torch is loaded
    if realtime:
        allow_open_files(len(sources))

    from stream_monitor.clock import SystemClock
    from stream_monitor.processes import Processes
    from stream_monitor.shares import process_count, share_of_threads, shares, usable_cores
    from stream_monitor.sink import EventSink, FileSink, StdoutSink
    from stream_monitor.watching import WatchPlan, opened_monitor

    def open_sink() -> EventSink:
        return FileSink(events) if events else StdoutSink()

    clock, processes = SystemClock(), process_count(sources, config, usable_cores())
    plan = WatchPlan(
        config=share_of_threads(config, processes), catalogue=folder, realtime=realtime, files_start=start_time
    )
    with ExitStack() as stack:
        # Before the interruption is caught, Ctrl-C just ends the process: nothing is watched yet.
        if processes == 1:
            observers = [stack.enter_context(_table(clock))] if sys.stderr.isatty() else []
            monitor = stack.enter_context(opened_monitor(plan, open_sink, observers=observers, clock=clock))
            interrupted = stack.enter_context(interruption())
            return monitor.watch(sources, realtime=realtime, interrupted=interrupted)
        leader = Processes(plan, shares(sources, processes), prepare=_logging_as_here(), watched=sys.stderr.isatty())
        stack.enter_context(leader)
        sink = open_sink()
        stack.callback(sink.close)
        observers = [stack.enter_context(_table(clock))] if sys.stderr.isatty() else []
        interrupted = stack.enter_context(interruption())
        return leader.watch(sink, observers=observers, interrupted=interrupted)


def _logging_as_here() -> Callable[[], None]:
    """Sets up logging in another process as the command line asked for it."""
    from stream_monitor.cli.logging import configure_logging

    given = click.get_current_context().find_root().params
    return partial(configure_logging, level=given["log_level"], as_json=given["log_json"])


def _table(clock: Clock) -> LiveTable:
    from rich.console import Console

    from stream_monitor.live_table import LiveTable

    return LiveTable(Console(stderr=True), clock, redirect_stdout=sys.stdout.isatty())
