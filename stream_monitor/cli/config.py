"""`stream-monitor config`: the configuration's schema, and what is in force. Knows nothing of what the keys do."""

from __future__ import annotations

from pathlib import Path

import click

HEADER = """\
# Settings of the monitor: every key with its default. Give the file as --config FILE; what is left out is as here.
# Any key can be set by environment: STREAM_MONITOR__MONITOR__OPEN_FILES=100. Unknown keys are errors.
# Made by `stream-monitor config template`.

"""


@click.group()
def config() -> None:
    """Shows the configuration."""


@config.command()
def schema() -> None:
    """Prints the JSON Schema of the configuration file."""
    import json

    from stream_monitor import config_template
    from stream_monitor.config import Config

    click.echo(json.dumps(config_template.schema(Config), indent=2, ensure_ascii=False))


@config.command()
def template() -> None:
    """Prints a configuration file with every key at its default, each with its meaning."""
    from stream_monitor import config_template
    from stream_monitor.config import Config

    click.echo(f"{HEADER}{config_template.template(Config, Config().model_dump(mode='json'))}", nl=False)


@config.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="Configuration file (YAML).")
def show(path: Path | None) -> None:
    """Prints every key with the value that is in force: file, then environment, then defaults."""
    import yaml

    from stream_monitor.config import load

    click.echo(yaml.safe_dump(load(path).model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)
