"""The training loop and the recipe around it, on a tiny network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.errors import RecipeError
from encoder.model import Encoder
from encoder.network import EncoderConfig, FoldedConfig
from encoder.training.augment import drawn_song
from encoder.training.batches import TrainingSet, difficulty, draw_step, drawn_by_source, requests_of_step, song_counts
from encoder.training.config import TrainingConfig
from encoder.training.corpus import load_songs
from encoder.training.loop import CHECKPOINT, METRICS, CheckpointError, DivergedError, Run, learning_rate, run
from encoder.training.recipe import read_recipe, train

CONFIGS = Path(__file__).parents[3] / "configs"
ENCODER = EncoderConfig(network=FoldedConfig(stem=2, widths=(8,), blocks=(1,), time_strides=(2,)))
TRAINING = TrainingConfig(
    steps=6,
    mixture={"pop909": 2, "aird": 1},
    works_per_source=6,
    songs_per_step=4,
    views_per_song=3,
    speech_minutes=0,
    precision="fp32",
    threads=1,
    checkpoint_every=2,
    evaluate_every=3,
)


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    """Six works of each of two sources, without talk."""
    songs = load_songs(("pop909", "aird"), part="train", limit=6)
    return TrainingSet(
        songs=drawn_by_source([(song.source, drawn_song(song)) for song in songs]),
        speech_FN=np.zeros((84, 0), np.float32),
    )


def _equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_resumed_run_equals_an_uninterrupted_one(data: TrainingSet, tmp_path: Path) -> None:
    """Killed in step 5, resumed from the checkpoint of step 4: the same weights and the same log to the last bit."""
    whole = run(ENCODER, TRAINING, data, (), tmp_path / "whole")

    state = Run(ENCODER, TRAINING, tmp_path / "cut")
    state.network.train()
    for step in range(4):
        state.train_step(draw_step(TRAINING, data, step, ENCODER.average_frames, None))
    state.save()
    state.train_step(draw_step(TRAINING, data, 4, ENCODER.average_frames, None))
    (tmp_path / "cut" / METRICS).write_text('{"step": 4}\n{"step": 5}\n')
    resumed = run(ENCODER, TRAINING, data, (), tmp_path / "cut", resume=True)
    assert _equal(whole, resumed)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / METRICS).read_text().splitlines()]
    assert steps == [4, 6]


def test_training_lowers_the_loss(data: TrainingSet, tmp_path: Path) -> None:
    """A few dozen steps on the same views learn them."""
    config = TRAINING.model_copy(update={"steps": 30, "difficulty_full_at": 1.0, "learning_rate": 0.02})
    state = Run(ENCODER, config, tmp_path)
    state.network.train()
    losses = [state.train_step(draw_step(config, data, 0, ENCODER.average_frames, None))[0] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_another_recipe_is_not_resumed(data: TrainingSet, tmp_path: Path) -> None:
    """A checkpoint knows its recipe."""
    Run(ENCODER, TRAINING, tmp_path).save()
    with pytest.raises(CheckpointError, match="another recipe"):
        run(ENCODER, TRAINING.model_copy(update={"seed": 5}), data, (), tmp_path, resume=True)


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_missing_and_torn_checkpoints_are_refused(data: TrainingSet, tmp_path: Path, content: bytes | None) -> None:
    """Resuming needs a checkpoint that can be read."""
    if content is not None:
        (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(CheckpointError, match="checkpoint"):
        run(ENCODER, TRAINING, data, (), tmp_path, resume=True)


def test_a_loss_that_is_not_finite_ends_the_run(data: TrainingSet, tmp_path: Path) -> None:
    """Divergence is an error, not a set of useless weights."""
    state = Run(ENCODER, TRAINING, tmp_path)
    with torch.no_grad():
        state.network.head.project.weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match="step 0"):
        state.train_step(draw_step(TRAINING, data, 0, ENCODER.average_frames, None))


def test_works_of_one_melody_never_meet_in_a_step(data: TrainingSet) -> None:
    """Two works of one group would be each other's negatives."""
    twin = {
        source: tuple(drawn_song(song, "one") for song in load_songs((source,), part="train", limit=4))
        for source in ("pop909", "aird")
    }
    twin["pop909"] += data.songs["pop909"][:2]
    for step in range(5):
        groups = [request.song.group for request in requests_of_step(TRAINING, twin, step)][::3]
        assert len(groups) == len(set(groups))


def test_the_mixture_decides_how_many_songs_of_each_source() -> None:
    """Shares are rounded to whole songs that fill the step, and never more than a source has."""
    config = TRAINING.model_copy(update={"songs_per_step": 10, "mixture": {"a": 0.55, "b": 0.25, "c": 0.2}})
    counts = song_counts(config, {"a": 100, "b": 100, "c": 1})
    assert sum(counts.values()) >= 9
    assert counts["c"] == 1
    assert counts["a"] >= 5


def test_schedules() -> None:
    """The learning rate rises, peaks and falls to its end; the difficulty rises to 1 and stays."""
    config = TRAINING.model_copy(update={"steps": 1000})
    rates = [learning_rate(config, step) for step in range(1000)]
    assert max(rates) == pytest.approx(config.learning_rate, rel=1e-3)
    assert np.argmax(rates) == pytest.approx(150, abs=2)
    assert rates[-1] == pytest.approx(config.final_learning_rate, rel=0.05)
    assert difficulty(config, 0) == pytest.approx(0.1)
    assert difficulty(config, 500) == difficulty(config, 999) == 1.0


def test_a_recipe_gives_weights_that_load(tmp_path: Path) -> None:
    """From a training file to a folder that the encoder takes, with scores in its log and licence in its card."""
    (tmp_path / "encoder.yaml").write_text(json.dumps(ENCODER.model_dump(mode="json")))
    training = {**TRAINING.model_dump(mode="json"), "steps": 100}
    content = {"encoder": "encoder.yaml", "rendered_works": 0, "validation_sources": ["aird"], "training": training}
    (tmp_path / "train.yaml").write_text(json.dumps(content))
    recipe, encoder = read_recipe(tmp_path / "train.yaml", steps=3)
    lines: list[dict[str, object]] = []
    trained = train(recipe, encoder, tmp_path / "run", report=lines.append)
    loaded = Encoder.load(trained.weights)
    assert loaded.fingerprint.startswith(trained.fingerprint)
    assert loaded.card["licence"] == "MIT"
    assert loaded.card["recipe"]["steps"] == 3
    assert [line["step"] for line in lines] == [3, 3]
    assert "20s" in lines[-1]["drawn"]  # type: ignore[operator]  # a dict of scores


def test_shipped_recipes_are_valid() -> None:
    """The default recipe and both encoder files hold known keys only; paper and default differ in their network."""
    recipe, encoder = read_recipe(CONFIGS / "training" / "bootstrap.yaml")
    assert recipe.training == TrainingConfig()
    assert encoder == EncoderConfig()
    assert Encoder.load().card["encoder"] == encoder.model_dump(mode="json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [", "no YAML"),
        ("", "holds no keys"),
        ("encoder: nowhere.yaml", "cannot read"),
        ("encoder: x.yaml\nstpes: 3", "stpes"),
        ("encoder: x.yaml\ntraining: {songs_per_step: 1}", "songs_per_step"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake is one line that names it."""
    (tmp_path / "train.yaml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / "train.yaml")


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(RecipeError, match=r"nothing\.yaml"):
        read_recipe(tmp_path / "nothing.yaml")
