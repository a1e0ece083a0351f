"""`stream-monitor doctor`: is everything there that the service needs? Reads options, prints findings; no more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stream_monitor.doctor.finding import Finding

COLOURS = {"good": "green", "warn": "yellow", "bad": "red"}


@click.command(short_help="Looks whether everything is there that the service needs.")
@click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)
@click.option("--catalog", type=click.Path(path_type=Path), help="Folder of the catalogue.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def doctor(config_path: Path, catalog: Path | None, as_json: bool) -> int:
    """Looks at brokers, topics, permissions, clocks, encoder, capacity, catalogue, MQTT and store, and says what to do.

    Nothing is changed: what is written to try it is given up again, and MQTT is told that nothing is open in a stream
    that there is not. A part that the configuration does not name is no failure. Exit codes: 1 something is bad, 2 the
    configuration cannot be read.
    """
    from stream_monitor.cli.threads import share_cores
    from stream_monitor.config import load

    config = load(config_path)
    share_cores(config.encoder.threads)  # before torch is loaded

    from stream_monitor.doctor.audio_checks import AudioChecks
    from stream_monitor.doctor.catalogue_checks import CatalogueChecks
    from stream_monitor.doctor.examination import examine
    from stream_monitor.doctor.kafka_checks import kafka_checks
    from stream_monitor.doctor.mqtt_checks import mqtt_checks
    from stream_monitor.doctor.network_checks import network_checks
    from stream_monitor.doctor.store_checks import store_checks

    audio = AudioChecks(config)
    tracks = CatalogueChecks(config, catalog or config.catalog, audio.fingerprint)
    servers = [*mqtt_checks(config), *store_checks(config), *network_checks(config)]
    findings = examine([*kafka_checks(config), *audio.checks, *tracks.checks, *servers])
    levels = _print_lines(findings) if as_json else _print_table(findings)
    return 1 if "bad" in levels else 0


def _print_lines(findings: Iterable[Finding]) -> list[str]:
    levels: list[str] = []
    for finding in findings:
        click.echo(json.dumps(asdict(finding), ensure_ascii=False))
        levels.append(finding.level)
    return levels


def _print_table(findings: Iterable[Finding]) -> list[str]:
    """The table comes when all is known; returns the levels that are in it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    levels: list[str] = []
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        found = Text(finding.message)
        if finding.advice:
            found.append(f" → {finding.advice}", style="italic")
        table.add_row(Text(finding.level.upper(), style=COLOURS[finding.level]), Text(finding.subject), found)
        levels.append(finding.level)
    Console().print(table)
    return levels
