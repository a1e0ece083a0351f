"""`catalog`: enrols recordings, and lists, removes, describes and verifies what is enrolled.

It knows nothing of how files are heard or stored: it plans, opens, reports and counts.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from stream_monitor.cli import loading
from stream_monitor.cli.progress import progress_bar

if TYPE_CHECKING:
    from index.track import Track

log = structlog.get_logger(__name__)

_catalog_option = click.option(
    "--catalog", "catalog_path", required=True, type=click.Path(path_type=Path, file_okay=False), help="Its folder."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")


@click.group()
def catalog() -> None:
    """The recordings that are looked for."""


@catalog.command(short_help="Enrols files and folders.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@_catalog_option
@click.option("--metadata", type=click.Path(path_type=Path), help="CSV: track_id,path and any others.")
@click.option("--weights", type=click.Path(path_type=Path), help="The encoder's folder; default: the shipped one.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--decode-threads", type=click.IntRange(1, 64), help="Files decoded at a time; default: one a core.")
def add(
    paths: tuple[Path, ...],
    catalog_path: Path,
    metadata: Path | None,
    weights: Path | None,
    device: str,
    decode_threads: int | None,
) -> int:
    """Enrols files and folders (searched recursively); makes the catalogue where there is none.

    What is enrolled already is skipped, so an interrupted run is resumed by running it again. A file that cannot be
    enrolled is reported and left out, and the exit code is 1. Without PATHs every row of the metadata is enrolled.
    """
    from stream_monitor.metadata import plan_enrolment

    if not paths and metadata is None:
        raise click.UsageError("name files or folders to enrol, or a --metadata CSV")
    plan = plan_enrolment(paths, metadata)
    if plan.rows_elsewhere:
        log.info("rows of the metadata lie outside the paths", rows=plan.rows_elsewhere)

    from stream_monitor.enrol import Listener
    from stream_monitor.enrolment import enrol

    encoder = loading.load_encoder(weights, device=device)
    counts: Counter[str] = Counter()
    heard_s = 0.0
    with loading.open_or_create_catalogue(catalog_path, encoder) as opened:
        listener = Listener(encoder, decode_threads=decode_threads or os.cpu_count() or 1)
        with progress_bar("enrolling", total=len(plan.tracks) + len(plan.missing)) as bar:
            try:
                for outcome in enrol(plan, opened, listener):
                    counts[outcome.status] += 1
                    heard_s += outcome.duration_s
                    bar.step(heard_s=heard_s)
                    if outcome.status == "failed":
                        log.error("not enrolled", track_id=outcome.track_id, reason=outcome.reason)
                    elif outcome.status == "already":
                        log.warning("skipped", path=str(outcome.path), reason=outcome.reason)
            finally:
                log.info("enrolled", **{name: counts[name] for name in ("added", "unchanged", "already", "failed")})
        if counts["added"]:
            with progress_bar("building the index", total=None) as bar:
                opened.save_graph(bar.to)
    return 1 if counts["failed"] else 0


@catalog.command(short_help="Removes tracks.")
@click.argument("track_ids", nargs=-1, required=True, metavar="ID...")
@_catalog_option
def remove(track_ids: tuple[str, ...], catalog_path: Path) -> int:
    """Removes tracks; an ID that is not there is reported, and the exit code is 1."""
    from index.errors import UnknownTrack

    failed = 0
    with loading.open_catalogue(catalog_path, None, writable=True) as opened:
        for track_id in track_ids:
            try:
                opened.remove(track_id)
            except UnknownTrack as error:
                failed += 1
                log.error("not removed", track_id=track_id, reason=str(error))
    log.info("removed", removed=len(track_ids) - failed, failed=failed)
    return 1 if failed else 0


@catalog.command(short_help="Writes tracks to the topic that workers follow.")
@_catalog_option
@click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)
@click.option("--replace", is_flag=True, help="The topic is to hold this catalogue and nothing else.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
def publish(catalog_path: Path, config_path: Path, replace: bool, dry_run: bool) -> int:
    """Writes what has changed since to topics.catalog: new tracks, and tombstones for those that are gone.

    Tracks that another catalogue has published are left alone; a track that cannot be published beside them is
    reported, and the exit code is 1. Run it again at any time: what is there already is not written twice.
    """
    from stream_monitor.config import load
    from stream_monitor.kafka.catalogue.publishing import publish as publish_tracks

    config = load(config_path)
    loading.refuse_a_copy(catalog_path)
    with loading.open_catalogue(catalog_path, None) as opened, progress_bar("publishing", total=None) as bar:
        found = publish_tracks(
            opened, config.kafka, config.topics, replace=replace, dry_run=dry_run,
            tell=lambda what, done, total: bar.to(done, total, what),
        )  # fmt: skip
    for track_id, reason in found.refused:
        log.error("not published", track_id=track_id, reason=reason)
    for word, track_ids in (("put", [stored.track.track_id for stored in found.put]), ("remove", found.remove)):
        for track_id in track_ids if dry_run else ():
            click.echo(f"{word} {track_id}")
    counts = {"put": len(found.put), "removed": len(found.remove), "unchanged": found.unchanged}
    log.info("would be published" if dry_run else "published", **counts, refused=len(found.refused))
    return 1 if found.refused else 0


@catalog.command("list")
@_catalog_option
@_json_option
def list_tracks(catalog_path: Path, as_json: bool) -> None:
    """Lists the tracks, in the order in which they were enrolled."""
    with loading.open_catalogue(catalog_path, None) as opened:
        rows = [_row(track) for track in opened.tracks()]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    _print_table(rows)


@catalog.command()
@_catalog_option
@_json_option
def info(catalog_path: Path, as_json: bool) -> None:
    """Counts, versions and sizes."""
    with loading.open_catalogue(catalog_path, None) as opened:
        _print_object(_with_seconds(dataclasses.asdict(opened.info())), as_json)


@catalog.command(short_help="Compares everything with its checksums.")
@_catalog_option
@_json_option
def verify(catalog_path: Path, as_json: bool) -> int:
    """Reads everything again and compares it with its checksums; exit code 1 where something is wrong."""
    with loading.open_catalogue(catalog_path, None) as opened, progress_bar("verifying", total=None) as bar:
        report = opened.verify(bar.to)
    _print_object(dataclasses.asdict(report), as_json)
    return 0 if report.ok else 1


def _row(track: Track) -> dict[str, Any]:
    from encoder.grid import SAMPLE_RATE

    return {
        "track_id": track.track_id,
        "title": track.title,
        "artist": track.artist,
        "isrc": track.isrc,
        "work_id": track.work_id,
        "duration_s": round(track.duration_samples / SAMPLE_RATE, 3),
        "embeddings": track.embeddings,
    }


def _with_seconds(values: dict[str, Any]) -> dict[str, Any]:
    from encoder.grid import SAMPLE_RATE

    values["duration_s"] = round(values.pop("duration_samples") / SAMPLE_RATE, 3)
    return values


def _print_object(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' ')}: {value}")


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in ("track_id", "title", "artist", "isrc", "work_id"):
        table.add_column(column.replace("_", " "), overflow="fold")
    table.add_column("duration s", justify="right")
    table.add_column("embeddings", justify="right")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
