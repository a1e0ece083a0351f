"""`report`: plays per station from recorded events, for rights reporting. Reads and writes files, computes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

FORMATS = ("csv", "json")


@click.command(name="report", short_help="Plays per station, from recorded events.")
@click.option(
    "--events", "events_path", required=True, metavar="FILE", help="JSON Lines of `watch`; - is standard input."
)
@click.option("--format", "format_name", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write; standard output if absent."
)
def report(events_path: str, format_name: str, output: Path | None) -> None:
    """Plays per station, with the time that each station was listened to.

    Each play is listed once, in its newest revision; retracted ones are left out and counted. A line that cannot be
    read is named on stderr, the rest is reported, and the exit code is 1.
    """
    from stream_monitor.reports import formats
    from stream_monitor.reports.ledger import read_ledger

    if events_path == "-":
        ledger = read_ledger(sys.stdin)
    else:
        try:
            with Path(events_path).open(encoding="utf-8", errors="replace") as lines:
                ledger = read_ledger(lines)
        except OSError as error:
            raise click.UsageError(f"cannot read the events {events_path!r}: {error.strerror}") from error
    text = {"csv": formats.as_csv, "json": formats.as_json}[format_name](ledger)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise click.ClickException(f"cannot write the report to {str(output)!r}: {error.strerror}") from error
    if ledger.bad_lines:
        first = ledger.bad_lines[0]
        raise click.ClickException(
            f"{len(ledger.bad_lines)} of the lines in {events_path!r} are no events and are not in the report "
            f"(first: line {first.number}: {first.reason})"
        )
