"""`stream-monitor run`: a worker of the Kafka service. It puts the parts together; every decision is made elsewhere."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Works as one of the Kafka service's workers.")
@click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="Configuration file (YAML)."
)
@click.option("--catalog", type=click.Path(path_type=Path), help="Folder of the catalogue.")
def run(config_path: Path, catalog: Path | None) -> int:
    """Reads audio segments from Kafka and writes events, each exactly once, until SIGTERM or Ctrl-C.

    What was heard by then is committed; plays that are open go on in whichever worker takes over. Exit codes: 3 another
    worker has taken over, 4 a transaction did not come back, 5 the state is of another version.
    """
    from stream_monitor.cli.interruption import interruption
    from stream_monitor.cli.threads import share_cores
    from stream_monitor.config import load
    from stream_monitor.errors import SettingsError

    config = load(config_path)
    folder = catalog or config.catalog
    if folder is None:
        raise SettingsError("which catalogue? give --catalog DIR, or the key catalog in --config FILE")
    share_cores(config.encoder.threads)  # before torch is loaded

    from stream_monitor.kafka.serving import serve

    with interruption() as interrupted:
        serve(config, folder, interrupted)
    return 0
