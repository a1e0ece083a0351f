"""`report`: plays per station from recorded events or from the store, for rights reporting. It computes nothing."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_monitor.cli.selecting import day_option, period_options, selection, stream_option

if TYPE_CHECKING:
    from stream_monitor.reports.ledger import Ledger
    from stream_monitor.reports.selection import Selection

FORMATS = ("csv", "json", "html", "parquet")


@click.command(name="report", short_help="Plays per station, from recorded events or from the store.")
@click.option("--events", "events_path", metavar="FILE", help="JSON Lines of `watch`; - is standard input.")
@click.option("--store", "url", metavar="URL", help="A database that `store` fills; see the key store.url.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="The database that this file names.")
@day_option
@period_options
@stream_option
@click.option("--run-id", help="A re-processing that is not promoted, to compare; else what counts is reported.")
@click.option("--format", "format_name", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; standard output if absent."
)
def report(
    events_path: str | None,
    url: str | None,
    config_path: Path | None,
    day: datetime | None,
    since: datetime | None,
    until: datetime | None,
    streams: tuple[str, ...],
    run_id: str | None,
    format_name: str,
    output: Path | None,
) -> None:
    """Plays per station, with the time that each station was listened to.

    Each play is listed once, in its newest revision; retracted ones are left out and counted. A play belongs to the
    period in which it begins. A line that cannot be read is named on stderr, the rest is reported, and the exit code
    is 1.
    """
    if sum(each is not None for each in (events_path, url, config_path)) != 1:
        raise click.UsageError("from where? give one of --events FILE, --store URL and --config FILE")
    if run_id is not None and events_path is not None:
        raise click.UsageError("--run-id is of a store; a file of events has one run only")
    chosen = selection(streams, since, until, day)
    ledger = _of_events(events_path, chosen) if events_path is not None else _of_store(url, config_path, chosen, run_id)
    made = _made(format_name, ledger, chosen)
    if output is None:
        click.echo(made, nl=False)
    else:
        try:
            output.write_bytes(made.encode() if isinstance(made, str) else made)
        except OSError as error:
            raise click.ClickException(f"cannot write the report to {str(output)!r}: {error.strerror}") from error
    if ledger.bad_lines:
        first = ledger.bad_lines[0]
        raise click.ClickException(
            f"{len(ledger.bad_lines)} of the lines in {events_path!r} are no events and are not in the report "
            f"(first: line {first.number}: {first.reason})"
        )


def _made(format_name: str, ledger: Ledger, chosen: Selection) -> str | bytes:
    from stream_monitor.reports import formats
    from stream_monitor.reports.page import as_html

    match format_name:
        case "parquet":
            from stream_monitor.reports.parquet import as_parquet

            return as_parquet(ledger)
        case "html":
            return as_html(ledger, chosen)
        case "json":
            return formats.as_json(ledger)
        case _:
            return formats.as_csv(ledger)


def _of_events(path: str, chosen: Selection) -> Ledger:
    from stream_monitor.reports.ledger import read_ledger

    if path == "-":
        return read_ledger(sys.stdin, chosen)
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as lines:
            return read_ledger(lines, chosen)
    except OSError as error:
        raise click.UsageError(f"cannot read the events {path!r}: {error.strerror}") from error


def _of_store(url: str | None, config_path: Path | None, chosen: Selection, run_id: str | None) -> Ledger:
    from stream_monitor.config import load
    from stream_monitor.store.database import Database
    from stream_monitor.store.reading import read_ledger
    from stream_monitor.store.settings import StoreSettings
    from stream_monitor.store.versions import check

    settings = StoreSettings(url=url) if url is not None else load(config_path).store
    with Database(settings) as database:
        check(database)
        return read_ledger(database, chosen, run_id)
