"""`stream-monitor config`: the configuration's schema, and what is in force. Knows nothing of what the keys do."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def config() -> None:
    """Shows the configuration."""


@config.command()
def schema() -> None:
    """Prints the JSON Schema of the configuration file."""
    import json

    from stream_monitor.config import Config

    click.echo(json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False))


@config.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="Configuration file (YAML).")
def show(path: Path | None) -> None:
    """Prints every key with the value that is in force: file, then environment, then defaults."""
    import yaml

    from stream_monitor.config import load

    click.echo(yaml.safe_dump(load(path).model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)
