"""`store`: match events into the database, and what is done with runs there. Reads options, prints; no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_monitor.cli.selecting import day_option, period_options, selection, stream_option

if TYPE_CHECKING:
    from stream_monitor.store.database import Database
    from stream_monitor.store.runs import Promotion, Run

CONFIG = click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)


@click.group(invoke_without_command=True, short_help="Match events from Kafka into the database.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (YAML).")
@click.option("--run-id", default="live", show_default=True, help="What the events belong to; see `store promote`.")
@click.option("--from-topic", metavar="TOPIC", help="Where the events are; else topics.events.")
@click.option("--from-beginning", is_flag=True, help="Reads the topic again from its begin; nothing is stored twice.")
@click.pass_context
def store(
    ctx: click.Context, config_path: Path | None, run_id: str, from_topic: str | None, from_beginning: bool
) -> int | None:
    """Stores match events, each once, until SIGTERM or Ctrl-C; the tables are made or upgraded first.

    While the database is away the events wait in Kafka. `report` reads what is stored.
    """
    if ctx.invoked_subcommand is not None:
        return None
    if config_path is None:
        raise click.UsageError("Missing option '--config'.", ctx)
    if not run_id.strip():
        raise click.UsageError("--run-id is empty: give the re-processing a name", ctx)
    from stream_monitor.cli.interruption import interruption
    from stream_monitor.config import load
    from stream_monitor.store.storing import keep

    config = load(config_path)
    with interruption() as interrupted:
        keep(config, interrupted, run_id=run_id, topic=from_topic, from_beginning=from_beginning)
    return 0


@store.command()
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run.")
def runs(config_path: Path, as_json: bool) -> None:
    """Lists the runs, with what is stored of each and where it is reported."""
    from stream_monitor.store.runs import runs_of

    with _database(config_path) as database:
        for run in runs_of(database):
            click.echo(json.dumps(_run_json(run), ensure_ascii=False) if as_json else _run_line(run))


@store.command()
@CONFIG
@click.option("--run-id", required=True, help="The run to report; `live` goes back.")
@day_option
@period_options
@stream_option
def promote(
    config_path: Path,
    run_id: str,
    day: datetime | None,
    since: datetime | None,
    until: datetime | None,
    streams: tuple[str, ...],
) -> None:
    """Makes a run the one that is reported, for a period and streams.

    A play belongs to the period in which it begins. Nothing is moved or removed: the newest promotion counts, and
    another one with --run-id live takes it back.
    """
    from stream_monitor.store.runs import promote as promote_run

    chosen = selection(streams, since, until, day)
    with _database(config_path) as database:
        promote_run(database, run_id, chosen)
    click.echo(f"{run_id} is reported for {_words(streams, chosen.since, chosen.until)}", err=True)


@store.command()
@CONFIG
@click.option("--run-id", help="Throw this re-processing away, whatever its time and streams.")
@day_option
@period_options
@stream_option
@click.option("--yes", is_flag=True, help="Do it; else it is only counted.")
def erase(
    config_path: Path,
    run_id: str | None,
    day: datetime | None,
    since: datetime | None,
    until: datetime | None,
    streams: tuple[str, ...],
    yes: bool,
) -> None:
    """Erases events, plays, status and verdicts for good, of all runs; prints the rows by table as JSON.

    It stays erased when Kafka is read again. Retention: --to with the day before which nothing is kept.
    """
    from stream_monitor.store.erasing import erase as erase_rows
    from stream_monitor.store.erasing import erase_run

    chosen = selection(streams, since, until, day)
    anything = bool(chosen.streams or chosen.bounded)
    if (run_id is not None) == anything:
        raise click.UsageError("what? give --run-id alone, or a period (--day, --from, --to), --stream, or both")
    with _database(config_path) as database:
        if run_id is not None:
            counts = erase_run(database, run_id, really=yes)
        else:
            counts = erase_rows(database, chosen, really=yes)
    click.echo(json.dumps({"erased": yes, "rows": dict(counts)}))
    if not yes:
        click.echo("nothing was erased; --yes does it", err=True)


@contextmanager
def _database(config_path: Path) -> Iterator[Database]:
    """The configured database, with our schema."""
    from stream_monitor.config import load
    from stream_monitor.store.database import Database
    from stream_monitor.store.versions import check

    with Database(load(config_path).store) as database:
        check(database)
        yield database


def _run_line(run: Run) -> str:
    where = f"from {', '.join(run.topics)}" if run.topics else "no topic yet"
    promoted = "".join(f"\n    reported for {_promoted(each)}" for each in run.promotions)
    heard = "" if run.first_heard is None else f", {_time(run.first_heard)} to {_time(run.last_heard)}"
    return f"{run.run_id}: {run.events} events, {run.plays} plays{heard} ({where}){promoted}"


def _run_json(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "created_at": _time(run.created_at),
        "topics": list(run.topics),
        "events": run.events,
        "plays": run.plays,
        "first_heard": _time(run.first_heard),
        "last_heard": _time(run.last_heard),
        "promotions": [
            {
                "streams": list(map(str, each.selection.streams)),
                "from": _time(each.selection.since),
                "to": _time(each.selection.until),
                "promoted_at": _time(each.promoted_at),
            }
            for each in run.promotions
        ],
    }


def _promoted(promotion: Promotion) -> str:
    chosen = promotion.selection
    words = _words(tuple(map(str, chosen.streams)), chosen.since, chosen.until)
    return f"{words} (since {_time(promotion.promoted_at)})"


def _words(streams: tuple[str, ...], since: datetime | None, until: datetime | None) -> str:
    who = ", ".join(streams) or "all streams"
    if since is None and until is None:
        return f"{who}, all time"
    return f"{who}, {_time(since) or 'the begin'} to {_time(until) or 'the end'}"


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")
