"""A recipe from file to weights: gather the data, train, score, export. Knows nothing of the command line.

What only the caller can do (reading a list, hearing an audio file) comes in as `ListReader`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from encoder.errors import RecipeError
from encoder.model import Encoder
from encoder.network import EmbeddingNetwork, EncoderConfig, build_network
from encoder.training.config import NotesData, RecordingsData, RenderedData, TrainingConfig
from encoder.training.corpus import SOURCES, load_songs
from encoder.training.curves import draw_curves
from encoder.training.export import export
from encoder.training.loop import Report, run, training_device
from encoder.training.material import (
    Failure,
    ListedRecording,
    Material,
    material_of_list,
    material_of_notes,
    material_of_rendered,
)
from encoder.training.rendered import cover_recordings, plain_recordings, score_rendered
from encoder.training.run_folder import CHECKPOINT, CURVES, WEIGHTS, RunFolder, read_metrics
from encoder.weights import load_weights

RANDOM, DEFAULT = "random", "default"


class Recipe(BaseModel):
    """A training file, e.g. configs/training/default.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str = Field(RANDOM, description="random, default (the shipped weights), or a folder of weights")
    encoder: Path | None = Field(None, description="the encoder's configuration, relative to this file; null: start's")
    run_directory: Path = Field(Path("runs/default"), description="checkpoint, metrics, weights")
    validation_sources: tuple[str, ...] = Field(("pop909",), description="whose validation works are scored (notes)")
    rendered_works: int = Field(60, ge=0, description="validation works played at the end; 0: none (notes)")
    distractor_works: int = Field(30, ge=0, description="further works of each other source in that catalogue")
    training: TrainingConfig = TrainingConfig()


class ListReader(Protocol):
    """Reads a list of recordings and hears their files."""

    unheard: tuple[type[Exception], ...]
    """What `hear` raises where one file is at fault."""

    def rows(self, path: Path) -> Sequence[ListedRecording]:
        """The list's recordings."""

    def hear(self, path: Path) -> NDArray[np.float32]:
        """Samples [S] of a file at 22,050 Hz."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What a recipe gave: the folder of weights, their fingerprint, scores by query length, unusable recordings."""

    weights: Path
    fingerprint: str
    scores: dict[str, Any]
    failures: tuple[Failure, ...]


def read_recipe(path: Path, steps: int | None = None) -> tuple[Recipe, EncoderConfig]:
    """A training file and the encoder configuration that it names; its relative paths are taken from its folder.

    Args:
        path: The YAML file.
        steps: Overrides the number of steps of every stage.

    Raises:
        RecipeError: A file is missing, no YAML, or has a wrong or unknown key.
        WeightsError: `start` names weights that cannot be read.
    """
    try:
        recipe = Recipe.model_validate(_read_yaml(path))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_first(error)}") from error
    training = recipe.training
    if isinstance(training.data, RecordingsData):
        data = training.data.model_copy(update={"csv": path.parent / training.data.csv})
        training = training.model_copy(update={"data": data})
    if steps is not None:
        stages = tuple(stage.model_copy(update={"steps": steps}) for stage in training.stages)
        training = training.model_copy(update={"stages": stages})
    start = recipe.start if recipe.start in (RANDOM, DEFAULT) else str(path.parent / recipe.start)
    recipe = recipe.model_copy(update={"training": training, "start": start})
    return recipe, _encoder(recipe, path)


def train(
    recipe: Recipe,
    encoder: EncoderConfig,
    directory: Path,
    *,
    lists: ListReader | None = None,
    resume: bool = False,
    report: Report = lambda _: None,
    gathered: Callable[[int, int], None] = lambda _done, _total: None,
) -> Trained:
    """Carries out a recipe.

    Args:
        recipe: What to do.
        encoder: The network and its features.
        directory: The run's folder.
        lists: Reads the list of recordings; needed where the data is one.
        resume: Go on from the directory's checkpoint.
        report: Called with each line of metrics.
        gathered: Called with recordings heard and their number.

    Raises:
        EncoderError: If data, a program or the checkpoint is missing, or training diverges.
        RecipeError: There is a run in the directory already and `resume` is false.
    """
    if not resume and (directory / CHECKPOINT).exists():
        raise RecipeError(f"{directory} holds a run already: go on with --resume {directory}, or name another")
    config = recipe.training
    material = _material(recipe, encoder, lists, gathered)
    decided = {"start": recipe.start, "encoder": encoder.model_dump(mode="json")}
    with RunFolder(directory, {**decided, **config.decisive()}) as folder:
        device = str(training_device(config.device))
        folder.describe({**recipe.model_dump(mode="json"), **decided}, config.seed, device)

        def keep(stage: str, network: EmbeddingNetwork) -> None:
            """What a stage has learnt, to be compared with what the next one makes of it."""
            kept = copy.deepcopy(network).cpu().eval()
            export(directory / f"{WEIGHTS}-{stage}", encoder, kept, config, material.versions, scores={})

        network = run(
            encoder, config, _network(recipe, encoder, config.seed), material.versions, folder,
            score=material.score, resume=resume, report=report, staged=keep,
        )  # fmt: skip
        weights = directory / WEIGHTS
        lines = read_metrics(directory)
        scores: dict[str, Any] = next((line["scores"] for line in reversed(lines) if "scores" in line), {})
        mark = export(weights, encoder, network, config, material.versions, scores=scores)
        if recipe.rendered_works and not isinstance(config.data, RecordingsData):
            # Scored as users will run them: from the stored weights.
            scores = rendered_scores(recipe, Encoder.load(weights), directory / "frames")
            report({"step": sum(stage.steps for stage in config.stages), "rendered": scores})
            mark = export(weights, encoder, network, config, material.versions, scores=scores)
    draw_curves(lines, directory / CURVES)
    return Trained(weights=weights, fingerprint=mark, scores=scores, failures=material.failures)


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


def _encoder(recipe: Recipe, path: Path) -> EncoderConfig:
    """The encoder's configuration: its own file's, else that of the weights to start from."""
    started = None if recipe.start == RANDOM else load_weights(_start_folder(recipe)).config
    if recipe.encoder is None:
        if started is None:
            raise RecipeError(f"{path}: encoder: is needed where start is random")
        return started
    encoder_path = path.parent / recipe.encoder
    try:
        encoder = EncoderConfig.model_validate(_read_yaml(encoder_path))
    except ValidationError as error:
        raise RecipeError(f"{encoder_path}: {_first(error)}") from error
    if started is not None and started != encoder:
        raise RecipeError(
            f"{path}: the weights {recipe.start} belong to another encoder than {encoder_path}; leave encoder out"
        )
    return encoder


def _start_folder(recipe: Recipe) -> Path | None:
    return None if recipe.start == DEFAULT else Path(recipe.start)


def _network(recipe: Recipe, encoder: EncoderConfig, seed: int) -> EmbeddingNetwork:
    torch.manual_seed(seed)
    return build_network(encoder) if recipe.start == RANDOM else load_weights(_start_folder(recipe)).network


def _material(
    recipe: Recipe, encoder: EncoderConfig, lists: ListReader | None, gathered: Callable[[int, int], None]
) -> Material:
    data = recipe.training.data
    if isinstance(data, NotesData):
        device = training_device(recipe.training.device)
        return material_of_notes(data, recipe.validation_sources, encoder.average_frames, recipe.training.seed, device)
    if isinstance(data, RenderedData):
        return material_of_rendered(
            data, recipe.validation_sources, encoder.average_frames, recipe.training.seed,
            threads=recipe.training.threads, progress=gathered,
        )  # fmt: skip
    if lists is None:
        raise RecipeError(f"{data.csv}: nobody is there to read it")
    rows = lists.rows(data.csv)
    return material_of_list(
        rows, data, lists.hear, unheard=lists.unheard, average_frames=encoder.average_frames,
        seed=recipe.training.seed, progress=lambda done: gathered(done, len(rows)),
    )  # fmt: skip


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
