"""`dlq list|replay`: what could not be read, and another try for it. Reads options, prints letters; no more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stream_monitor.config import Config
    from stream_monitor.kafka.client import Admin, LogReader
    from stream_monitor.kafka.letter import Letter
    from stream_monitor.kafka.letters import Found, Wanted

READ_S = 600.0
"""How long reading one partition may take, sending included."""

CONFIG = click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)
TOPIC = click.option("--topic", "topics", multiple=True, help="Only letters of this topic; may be given again.")
CODE = click.option("--code", "codes", multiple=True, help="Only letters of this code; may be given again.")


@click.group(short_help="Dead letters: lists them, and sends them back.")
def dlq() -> None:
    """What a worker could not read lies in <topic>.dlq, with the reason."""


@dlq.command("list")
@CONFIG
@TOPIC
@CODE
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_letters(config_path: Path, topics: Sequence[str], codes: Sequence[str], limit: int, as_json: bool) -> None:
    """Lists dead letters: where each lies, where it was, what was wrong."""
    from stream_monitor.config import load
    from stream_monitor.kafka.client import Admin, LogReader
    from stream_monitor.kafka.letters import Wanted

    config = load(config_path)
    with Admin(config.kafka) as admin, LogReader(config.kafka, deadline_s=READ_S) as reader:
        found = _letters(config, admin, reader, topics, Wanted(codes=frozenset(codes)))
        for row in (_row(each) for each in islice(found, limit)):
            if as_json:
                click.echo(json.dumps(row, ensure_ascii=False))
            else:
                _print(row)


@dlq.command(short_help="Sends dead letters back to where they came from.")
@CONFIG
@TOPIC
@CODE
@click.option("--offset", "offsets", multiple=True, type=click.IntRange(0), help="Only this letter; needs one --topic.")
@click.option(
    "--most", type=click.IntRange(1), default=3, show_default=True, help="One that was sent back so often is refused."
)
@click.option("--again", is_flag=True, help="Also letters that were sent back before.")
@click.option("--dry-run", is_flag=True, help="Only tells what would be done.")
def replay(
    config_path: Path,
    topics: Sequence[str],
    codes: Sequence[str],
    offsets: Sequence[int],
    most: int,
    again: bool,
    dry_run: bool,
) -> int:
    """Sends dead letters back to their topic and partition, each once, after what was wrong has been mended.

    A segment of a stream that still goes on, or that has come back with a later epoch, is late by then: the worker
    counts and drops it. One of a stream that has ended opens the stream again for as long as there is audio. Exit code
    1: some were refused, because they were sent back too often or do not say where they were.
    """
    from contextlib import ExitStack

    from stream_monitor.config import load
    from stream_monitor.errors import SettingsError
    from stream_monitor.kafka.client import Admin, LogReader, TransactionalProducer
    from stream_monitor.kafka.letters import Wanted
    from stream_monitor.kafka.letters import replay as send_back

    config = load(config_path)
    if offsets and len(topics) != 1:
        raise SettingsError("--offset counts within one topic: give that as --topic")
    service = config.service
    with ExitStack() as stack:
        postman = None
        if not dry_run:  # before anything is read: it ends a replay that is still under way
            name = f"{config.kafka.group_id}-dlq-replay"
            postman = stack.enter_context(
                TransactionalProducer(config.kafka, name, transaction_s=service.transaction_s)
            )
        admin = stack.enter_context(Admin(config.kafka))
        reader = stack.enter_context(LogReader(config.kafka, deadline_s=READ_S))
        wanted = Wanted(codes=frozenset(codes), offsets=frozenset(offsets))

        @cache
        def partitions(topic: str) -> int:
            state = admin.describe(topic, [])
            return 0 if state is None else state.partitions

        result = send_back(
            _letters(config, admin, reader, topics, wanted),
            postman,
            partitions=partitions,
            most=most,
            again=again,
            watchdog_s=service.watchdog_s,
            tell=_tell,
        )
    verb = "would be sent back" if dry_run else "sent back"
    click.echo(f"{result.sent} {verb}, {result.before} were before, {result.refused} refused", err=True)
    return 1 if result.refused else 0


def _letters(config: Config, admin: Admin, reader: LogReader, topics: Sequence[str], wanted: Wanted) -> Iterator[Found]:
    from stream_monitor.kafka.letters import letter_topics, letters

    places = letter_topics(admin, [config.topics.broadcast, config.topics.uploads], topics)
    return chain.from_iterable(letters(reader, place, wanted) for place in places)


def _tell(letter: Letter, what: str) -> None:
    click.echo(f"{letter.place.topic}-{letter.place.number} {letter.offset} {letter.code or '?'}: {what}")


def _row(found: Found) -> dict[str, Any]:
    letter = found.letter
    origin = None
    if letter.origin is not None:
        origin = {"topic": letter.origin.topic, "partition": letter.origin.number, "offset": letter.origin_offset}
    return {
        "topic": letter.place.topic,
        "partition": letter.place.number,
        "offset": letter.offset,
        "time": datetime.fromtimestamp(letter.appended_ms / 1e3, UTC).isoformat(timespec="milliseconds"),
        "origin": origin,
        "code": letter.code,
        "message": letter.message,
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "stream_kind": letter.stream_kind,
        "stream_id": letter.stream_id,
        "size_bytes": letter.size_bytes,
        "left_out_bytes": letter.left_out_bytes,
        "replays": letter.replays,
        "replayed": found.replayed,
    }


def _print(row: dict[str, Any]) -> None:
    """A letter in two lines: where it lies and what it is, then what was wrong."""
    origin, back = row["origin"], row["replays"] + row["replayed"]
    about = [
        "from nowhere" if origin is None else f"from {origin['topic']}-{origin['partition']} {origin['offset']}",
        f"stream {row['stream_id'] or '?'}",
        f"key {row['key']}",
        f"{row['size_bytes']} bytes",
        *([f"sent back {back} times"] if back else []),
    ]
    click.echo(f"{row['topic']}-{row['partition']} {row['offset']}  {row['time']}  {row['code']}  {', '.join(about)}")
    click.echo(f"    {row['message']}")
