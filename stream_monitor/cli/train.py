"""`train`: weights from a recipe. Reads the options and shows progress; the rest is `encoder.training`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click


@click.command(name="train", short_help="Trains encoder weights.")
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Training file (YAML), e.g. configs/training/bootstrap.yaml.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Run directory to go on from; it must have been started with the same recipe.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Overrides the number of steps.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Run directory; overrides run_directory."
)
def train(config_path: Path, resume: Path | None, steps: int | None, output: Path | None) -> None:
    """Trains encoder weights from the notes in this package; the result is RUN_DIRECTORY/weights.

    Prints one JSON object (weights, fingerprint, scores) to stdout, progress to stderr. A killed run goes on with
    --resume as if it had not been interrupted.
    """
    # Waiting threads must not spin where other programs want the cores; read when torch loads its OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from encoder.training.recipe import read_recipe
    from encoder.training.recipe import train as train_recipe

    if resume is not None and output is not None and resume != output:
        raise click.UsageError("--resume names the run directory already; leave --output out")
    recipe, encoder = read_recipe(config_path, steps)
    directory = resume or output or recipe.run_directory
    if resume is None and (directory / "checkpoint.pt").exists():
        raise click.UsageError(f"{directory} holds a run already: go on with --resume {directory}, or name another")
    total = recipe.training.steps

    def show(line: dict[str, Any]) -> None:
        text = " ".join(f"{key}={json.dumps(value)}" for key, value in line.items() if key != "step")
        click.echo(f"step {line['step']}/{total} {text}", err=True)

    trained = train_recipe(recipe, encoder, directory, resume=resume is not None, report=show)
    result = {"weights": str(trained.weights), "fingerprint": trained.fingerprint, "scores": trained.scores}
    click.echo(json.dumps(result))
