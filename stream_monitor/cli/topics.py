"""`topics create|check`: the topics of the Kafka service. Reads options, prints findings; no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stream_monitor.kafka.topics import Finding

CONFIG = click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)


@click.group(short_help="Creates and checks the topics of the Kafka service.")
def topics() -> None:
    """Topics are never created by use: make them once, and have them checked."""


@topics.command()
@CONFIG
def create(config_path: Path) -> int:
    """Creates the topics that are missing; those that are there are checked and never changed."""
    from stream_monitor.config import load
    from stream_monitor.kafka.client import Admin
    from stream_monitor.kafka.topics import create as create_topics

    config = load(config_path)
    with Admin(config.kafka) as admin:
        return _told(create_topics(admin, config.topics))


@topics.command()
@CONFIG
def check(config_path: Path) -> int:
    """Says of each topic whether it is as it has to be, and what to do where it is not."""
    from stream_monitor.config import load
    from stream_monitor.kafka.client import Admin
    from stream_monitor.kafka.topics import check as check_topics

    config = load(config_path)
    with Admin(config.kafka) as admin:
        return _told(check_topics(admin, config.topics))


def _told(findings: Sequence[Finding]) -> int:
    for finding in findings:
        click.echo(f"{'ok ' if finding.good else 'BAD'} {finding.topic}: {finding.message}")
    return 0 if all(finding.good for finding in findings) else 2
