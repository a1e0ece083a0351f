"""`train`: weights from a recipe. Reads the options and shows progress; the rest is `encoder.training`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt
import structlog

from stream_monitor.errors import InputError

if TYPE_CHECKING:
    from encoder.training.recordings import ListedRecording

log = structlog.get_logger(__name__)


class CsvLists:
    """Lists as `evaluate` takes them, and audio as streams are heard."""

    unheard: tuple[type[Exception], ...] = (InputError,)

    def rows(self, path: Path) -> Sequence[ListedRecording]:
        """The list's recordings."""
        from encoder.training.recordings import ListedRecording
        from stream_monitor.evaluation.dataset import read_versions

        return [
            ListedRecording(clique=row.clique_id, name=row.recording_id, path=row.path) for row in read_versions(path)
        ]

    def hear(self, path: Path) -> npt.NDArray[np.float32]:
        """Samples [S] of a file at 22,050 Hz."""
        from stream_monitor.decode import decode

        return np.concatenate([np.zeros(0, np.float32), *decode(path)])


@click.command(name="train", short_help="Trains encoder weights.")
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Training file (YAML), e.g. configs/training/default.yaml.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Run directory to go on from; it must have been started with the same recipe.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Overrides the number of steps of every stage.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Run directory; overrides run_directory."
)
def train(config_path: Path, resume: Path | None, steps: int | None, output: Path | None) -> int:
    """Trains encoder weights, from the notes in this package or from recordings of one's own.

    The run directory gets weights/, the settings, metrics (metrics.jsonl, TensorBoard), curves.png and a checkpoint; a
    killed run goes on with --resume as if it had not been interrupted. Prints one JSON object (weights, fingerprint,
    scores, failures) to stdout, progress to stderr.
    """
    # Waiting threads must not spin where other programs want the cores; read when torch loads its OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from encoder.training.recipe import read_recipe
    from encoder.training.recipe import train as train_recipe
    from stream_monitor.cli.progress import progress_bar

    if resume is not None and output is not None and resume != output:
        raise click.UsageError("--resume names the run directory already; leave --output out")
    recipe, encoder = read_recipe(config_path, steps)
    directory = resume or output or recipe.run_directory
    total = sum(stage.steps for stage in recipe.training.stages)

    def show(line: dict[str, Any]) -> None:
        text = " ".join(f"{key}={json.dumps(value)}" for key, value in line.items() if key != "step")
        click.echo(f"step {line['step']}/{total} {text}", err=True)

    with progress_bar("recordings", total=None) as bar:
        trained = train_recipe(
            recipe,
            encoder,
            directory,
            lists=CsvLists(),
            resume=resume is not None,
            report=show,
            gathered=bar.to,
        )
    for failure in trained.failures:
        log.error(failure.reason, recording=failure.name)
    result = {
        "weights": str(trained.weights),
        "fingerprint": trained.fingerprint,
        "scores": trained.scores,
        "failures": [{"recording_id": failure.name, "reason": failure.reason} for failure in trained.failures],
    }
    click.echo(json.dumps(result))
    return 1 if trained.failures else 0
