"""`stream-monitor relay`: tells events by MQTT and webhooks. Every decision is made elsewhere."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Tells events by MQTT and webhooks.")
@click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)
@click.option("--only", metavar="NAME", help="mqtt, or the name of one webhook; else all of them.")
def relay(config_path: Path, only: str | None) -> int:
    """Reads events from Kafka and tells them on, each at least once and those of a stream in order, until SIGTERM.

    What is acknowledged is committed; what is not is told after the next start. docs/alerts.md says how it arrives.
    """
    from stream_monitor.cli.interruption import interruption
    from stream_monitor.config import load
    from stream_monitor.relay.serving import serve

    config = load(config_path)
    with interruption() as interrupted:
        serve(config, interrupted, only=only)
    return 0
