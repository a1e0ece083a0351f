"""A recipe from file to weights: train, score on played validation works, export. Knows nothing of the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from encoder.errors import RecipeError
from encoder.model import Encoder
from encoder.network import EncoderConfig
from encoder.training.augment import drawn_song
from encoder.training.config import TrainingConfig
from encoder.training.corpus import SOURCES, load_songs
from encoder.training.export import export
from encoder.training.loop import run
from encoder.training.prepare import training_set
from encoder.training.rendered import cover_recordings, plain_recordings, score_rendered

WEIGHTS_FOLDER = "weights"


class Recipe(BaseModel):
    """A training file, e.g. configs/training/bootstrap.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: Path = Field(description="configuration of the encoder, relative to the training file")
    run_directory: Path = Field(Path("runs/bootstrap"), description="checkpoint, metrics, weights")
    validation_sources: tuple[str, ...] = Field(("pop909",), description="whose validation works are scored")
    rendered_works: int = Field(60, ge=0, description="validation works played at the end; 0: none")
    distractor_works: int = Field(30, ge=0, description="further works of each other source in that catalogue")
    training: TrainingConfig = TrainingConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a recipe gave: the folder of weights, their fingerprint, and scores by query length."""

    weights: Path
    fingerprint: str
    scores: dict[str, Any]


def read_recipe(path: Path, steps: int | None = None) -> tuple[Recipe, EncoderConfig]:
    """A training file and the encoder configuration that it names.

    Args:
        path: The YAML file.
        steps: Overrides the number of steps.

    Raises:
        RecipeError: If a file is missing, no YAML, or has a wrong or unknown key.
    """
    content = _read_yaml(path)
    if steps is not None:
        content = {**content, "training": {**(content.get("training") or {}), "steps": steps}}
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_first(error)}") from error
    encoder_path = path.parent / recipe.encoder
    try:
        encoder = EncoderConfig.model_validate(_read_yaml(encoder_path))
    except ValidationError as error:
        raise RecipeError(f"{encoder_path}: {_first(error)}") from error
    return recipe, encoder


def train(
    recipe: Recipe,
    encoder: EncoderConfig,
    directory: Path,
    *,
    resume: bool = False,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Trained:
    """Carries out a recipe.

    Args:
        recipe: What to do.
        encoder: The network and its features.
        directory: Where checkpoint, metrics and the folder `weights` go.
        resume: Go on from the directory's checkpoint.
        report: Called with each line of metrics.

    Raises:
        EncoderError: If data, a program or the checkpoint is missing, or training diverges.
    """
    config = recipe.training
    data = training_set(config)
    validation = load_songs(recipe.validation_sources, part="validation")
    drawn = [drawn_song(song) for song in validation]
    network = run(encoder, config, data, drawn, directory, resume=resume, report=report)
    folder = directory / WEIGHTS_FOLDER
    scores: dict[str, Any] = {}
    mark = export(folder, encoder, network, config, data, scores=scores)
    if recipe.rendered_works:
        # Scored as users will run them: from the stored weights.
        scores = rendered_scores(recipe, Encoder.load(folder), directory / "frames")
        report({"step": config.steps, "rendered": scores})
        mark = export(folder, encoder, network, config, data, scores=scores)
    return Trained(weights=folder, fingerprint=mark, scores=scores)


def rendered_scores(recipe: Recipe, encoder: Encoder, keep: Path) -> dict[str, Any]:
    """Scores of covers of validation works, played, against plain recordings of them and of other works."""
    works = load_songs(recipe.validation_sources, part="validation", limit=recipe.rendered_works)
    others = tuple(source for source in SOURCES if source not in recipe.validation_sources)
    distractors = (
        load_songs(others, part="validation", limit=recipe.distractor_works) if recipe.distractor_works else []
    )

    def embed(chunks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        found = encoder.embed(chunks)
        return found.embedding_BD[found.sounding_B]

    catalogue = plain_recordings([*works, *distractors], keep)
    covers = cover_recordings(works, seed=1000, keep=keep)
    scores = score_rendered(embed, catalogue, covers)
    return {name: score.rounded() for name, score in scores.items()}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds no keys")
    return content


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
