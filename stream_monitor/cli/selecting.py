"""Options that say which streams and which time: `--stream`, `--day`, `--from`, `--to`. It selects nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from stream_monitor.reports.selection import Selection, StreamName

Command = TypeVar("Command", bound=Callable[..., Any])


class Moment(click.ParamType[datetime]):
    """A date, or a time as RFC 3339 writes it; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The text's time, with its zone."""
        if isinstance(value, datetime):
            return value
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: 2026-11-22, or 2026-11-22T14:30:00+01:00", param, ctx)
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def stream_option(command: Command) -> Command:
    """`--stream`, as often as wanted."""
    return click.option(
        "--stream",
        "streams",
        multiple=True,
        metavar="[KIND/]ID",
        help="Only this stream, e.g. broadcast/fm-1 or fm-1; again for more.",
    )(command)


def period_options(command: Command) -> Command:
    """`--from` and `--to`."""
    command = click.option(
        "--to", "until", type=Moment(), metavar="TIME", help="Only what began before; UTC unless it says else."
    )(command)
    return click.option("--from", "since", type=Moment(), metavar="TIME", help="Only what began then or later.")(
        command
    )


def day_option(command: Command) -> Command:
    """`--day`."""
    return click.option("--day", type=Moment(), metavar="DATE", help="One day, in UTC.")(command)


def selection(
    streams: tuple[str, ...], since: datetime | None, until: datetime | None, day: datetime | None = None
) -> Selection:
    """What the options say together.

    Raises:
        UsageError: They contradict each other.
    """
    if day is not None:
        if since is not None or until is not None:
            raise click.UsageError("--day is a period by itself: leave out --from and --to")
        since, until = day, day + timedelta(days=1)
    if since is not None and until is not None and since >= until:
        raise click.UsageError(f"--from {since.isoformat()} is not before --to {until.isoformat()}")
    return Selection(streams=tuple(map(StreamName.parse, streams)), since=since, until=until)
