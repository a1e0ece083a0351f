"""The training run on a tiny network: resuming, stages, divergence, and the recipe around it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.errors import DeviceError, RecipeError
from encoder.model import Encoder
from encoder.network import EmbeddingNetwork, EncoderConfig, FoldedConfig, build_network
from encoder.training.augment import EMPTY_SPEECH, drawn_song
from encoder.training.batches import Batch, BatchPlan
from encoder.training.config import (
    BatchConfig,
    ClassificationConfig,
    ContrastiveConfig,
    LossConfig,
    NotesData,
    OptimiserConfig,
    StageConfig,
    TrainingConfig,
    TripletConfig,
)
from encoder.training.corpus import load_songs
from encoder.training.drawn_versions import DrawnVersions
from encoder.training.loop import run, training_device
from encoder.training.recipe import read_recipe, train
from encoder.training.run_folder import CHECKPOINT, CURVES, RECIPE, RUN, CheckpointError, RunFolder, read_metrics
from encoder.training.stage import DivergedError, OutOfMemoryError, StageRun, learning_rate

CONFIGS = Path(__file__).parents[3] / "configs"
ENCODER = EncoderConfig(network=FoldedConfig(stem=2, widths=(8,), blocks=(1,), time_strides=(2,)), dimensions=16)
GLOBAL = StageConfig(
    name="global",
    steps=3,
    batch=BatchConfig(cliques=3, versions=2, clip_share=0.0, whole_s=40.0, chunked=False),
    losses=LossConfig(classification=ClassificationConfig(proxies=1), triplet=TripletConfig()),
    pca=True,
)
LOCAL = StageConfig(
    name="local",
    steps=4,
    batch=BatchConfig(cliques=3, versions=2, clip_s=(6.0, 30.0), whole_s=40.0),
    losses=LossConfig(classification=ClassificationConfig(proxies=2), contrastive=ContrastiveConfig()),
)
TRAINING = TrainingConfig(
    data=NotesData(mixture={"pop909": 2, "aird": 1}, works_per_source=6, speech_minutes=0),
    stages=(GLOBAL, LOCAL),
    device="cpu",
    precision="fp32",
    threads=1,
    evaluate_every=0,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def versions() -> DrawnVersions:
    """Six works of each of two sources, without talk."""
    songs = load_songs(("pop909", "aird"), part="train", limit=6)
    named = {source: [drawn_song(song) for song in songs if song.source == source] for source in ("pop909", "aird")}
    return DrawnVersions(named, {"pop909": 2, "aird": 1}, EMPTY_SPEECH)


def fresh(seed: int = 1) -> EmbeddingNetwork:
    """A tiny network, always the same for a seed."""
    torch.manual_seed(seed)
    return build_network(ENCODER)


def folder(path: Path, config: TrainingConfig = TRAINING) -> RunFolder:
    """A run's folder."""
    return RunFolder(path, config.decisive())


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks are the same to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


class KilledError(Exception):
    """Stands for a kill between two steps."""


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_resumed_run_equals_an_uninterrupted_one(versions: DrawnVersions, tmp_path: Path, steps: int) -> None:
    """Killed after any step, in either stage: the same weights and the same log as the run that was not."""
    with folder(tmp_path / "whole") as whole_folder:
        whole = run(ENCODER, TRAINING, fresh(), versions, whole_folder)

    def clock() -> Iterator[float]:
        # A checkpoint is due after every step; the clock is read once more at the start of each stage.
        yield from (1e4 * reading for reading in range(steps + 1))
        raise KilledError

    readings = clock()
    with pytest.raises((KilledError, RuntimeError)), folder(tmp_path / "cut") as cut:  # both are one block
        run(ENCODER, TRAINING, fresh(), versions, cut, clock=lambda: next(readings))
    assert (tmp_path / "cut" / CHECKPOINT).exists()
    with folder(tmp_path / "cut") as cut:
        resumed = run(ENCODER, TRAINING, fresh(seed=7), versions, cut, resume=True)
    assert equal(whole, resumed)
    lines, again = (read_metrics(tmp_path / name) for name in ("whole", "cut"))
    assert [line["step"] for line in lines] == [line["step"] for line in again] == [3, 7]
    assert again[-1]["loss"] == pytest.approx(lines[-1]["loss"]) or steps > 3


def test_a_stage_takes_over_the_weights_of_the_one_before(versions: DrawnVersions, tmp_path: Path) -> None:
    """With a first stage the second ends elsewhere than without."""
    alone = TRAINING.model_copy(update={"stages": (LOCAL,)})
    with folder(tmp_path / "both") as both, folder(tmp_path / "one", alone) as one:
        assert not equal(run(ENCODER, TRAINING, fresh(), versions, both), run(ENCODER, alone, fresh(), versions, one))


def test_what_a_stage_has_learnt_is_told_where_another_follows(versions: DrawnVersions, tmp_path: Path) -> None:
    """By its name, with the network as it is then; the last stage's is the result itself."""
    told: list[tuple[str, dict[str, torch.Tensor]]] = []

    def staged(name: str, network: EmbeddingNetwork) -> None:
        told.append((name, {key: tensor.clone() for key, tensor in network.state_dict().items()}))

    with folder(tmp_path / "run") as where:
        last = run(ENCODER, TRAINING, fresh(), versions, where, staged=staged)
    assert [name for name, _ in told] == [stage.name for stage in TRAINING.stages[:-1]]
    assert any(not torch.equal(tensor, told[0][1][key]) for key, tensor in last.state_dict().items())


def test_training_lowers_the_loss(versions: DrawnVersions) -> None:
    """A few dozen steps on the same views learn them."""
    stage = LOCAL.model_copy(
        update={"steps": 30, "losses": LossConfig(contrastive=ContrastiveConfig()), "optimiser": OptimiserConfig()}
    )
    state = StageRun(stage, fresh().train(), len(versions.cliques), 16, CPU, "fp32")
    batch = BatchPlan(versions, stage, 1, ENCODER.average_frames).draw(0)
    losses = [state.train_step(batch).loss for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_another_recipe_is_not_resumed(versions: DrawnVersions, tmp_path: Path) -> None:
    """A checkpoint knows its recipe, but not the number of threads."""
    with folder(tmp_path) as first:
        run(ENCODER, TRAINING, fresh(), versions, first)
    other = TRAINING.model_copy(update={"seed": 5})
    with folder(tmp_path, other) as second, pytest.raises(CheckpointError, match="another recipe"):
        run(ENCODER, other, fresh(), versions, second, resume=True)
    same = TRAINING.model_copy(update={"threads": 2, "checkpoint_minutes": 1.0})
    with folder(tmp_path, same) as third:
        run(ENCODER, same, fresh(), versions, third, resume=True)


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_missing_and_torn_checkpoints_are_refused(
    versions: DrawnVersions, tmp_path: Path, content: bytes | None
) -> None:
    """Resuming needs a checkpoint that can be read."""
    if content is not None:
        (tmp_path / CHECKPOINT).write_bytes(content)
    with folder(tmp_path) as torn, pytest.raises(CheckpointError, match="checkpoint"):
        run(ENCODER, TRAINING, fresh(), versions, torn, resume=True)


def test_a_loss_that_is_not_finite_ends_the_run(versions: DrawnVersions) -> None:
    """Divergence is an error, not a set of useless weights."""
    network = fresh().train()
    with torch.no_grad():
        network.head.project.weight.fill_(float("nan"))
    state = StageRun(LOCAL, network, len(versions.cliques), 16, CPU, "fp32")
    with pytest.raises(DivergedError, match="step 0"):
        state.train_step(BatchPlan(versions, LOCAL, 1, ENCODER.average_frames).draw(0))


def test_out_of_memory_names_a_batch_that_fits(versions: DrawnVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six works do not fit, three do; the trial of them changes no weight."""
    stage = LOCAL.model_copy(update={"batch": LOCAL.batch.model_copy(update={"cliques": 6})})
    network = fresh().train()
    state = StageRun(stage, network, len(versions.cliques), 16, CPU, "fp32")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    forward = StageRun._terms

    def scarce(self: StageRun, batch: Batch) -> dict[str, torch.Tensor]:
        if len(batch.clique_B) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return forward(self, batch)

    monkeypatch.setattr(StageRun, "_terms", scarce)
    with pytest.raises(OutOfMemoryError, match=r"6 cliques x 2 versions.*3 x 2 would: set batch.cliques to 3"):
        state.train_step(BatchPlan(versions, stage, 1, ENCODER.average_frames).draw(0))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_schedules() -> None:
    """The learning rate rises, peaks and falls to its end, or stays."""
    config = OptimiserConfig()
    rates = [learning_rate(config, 1000, step) for step in range(1000)]
    assert max(rates) == pytest.approx(config.learning_rate, rel=1e-3)
    assert np.argmax(rates) == pytest.approx(150, abs=2)
    assert rates[-1] == pytest.approx(config.final_learning_rate, rel=0.05)
    constant = OptimiserConfig(schedule="constant", learning_rate=0.001)
    assert {learning_rate(constant, 10, step) for step in range(10)} == {0.001}


@pytest.mark.parametrize(("name", "said"), [("nonsense", "use cpu, cuda or auto"), ("cuda", "no GPU")])
def test_a_device_that_is_not_there_is_refused(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never quietly the CPU where a GPU was asked for."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=said):
        training_device(name)
    assert training_device("auto") == CPU


def test_a_recipe_gives_weights_that_load(tmp_path: Path) -> None:
    """From a training file to a folder that the encoder takes, with scores, settings, metrics and a picture."""
    (tmp_path / "encoder.yaml").write_text(json.dumps(ENCODER.model_dump(mode="json")))
    content = {
        "encoder": "encoder.yaml",
        "rendered_works": 0,
        "validation_sources": ["aird"],
        "training": TRAINING.model_dump(mode="json"),
    }
    (tmp_path / "train.yaml").write_text(json.dumps(content))
    recipe, encoder = read_recipe(tmp_path / "train.yaml", steps=2)
    lines: list[dict[str, object]] = []
    trained = train(recipe, encoder, tmp_path / "run", report=lines.append)
    loaded = Encoder.load(trained.weights)
    assert loaded.fingerprint.startswith(trained.fingerprint)
    assert loaded.card["licence"] == "MIT"
    assert [stage["steps"] for stage in loaded.card["recipe"]["stages"]] == [2, 2]
    assert [line["step"] for line in lines] == [2, 2, 4, 4]
    assert "20s" in trained.scores
    assert all((tmp_path / "run" / name).stat().st_size for name in (CURVES, RECIPE, RUN))
    assert json.loads((tmp_path / "run" / RUN).read_text())["seed"] == 1
    with pytest.raises(RecipeError, match="--resume"):
        train(recipe, encoder, tmp_path / "run")


def test_the_shipped_recipes_are_whole() -> None:
    """Both files are read; the paper's has its own loss, batch and optimiser and nothing else."""
    default, _ = read_recipe(CONFIGS / "training" / "default.yaml")
    assert isinstance(default.training.data, NotesData)
    paper, encoder = read_recipe(CONFIGS / "training" / "paper.yaml")
    assert encoder.network.kind == "resnet50_ibn"
    assert [stage.name for stage in paper.training.stages] == ["global", "local"]
    for stage in paper.training.stages:
        assert stage.batch.cliques * stage.batch.versions == 128
        assert stage.optimiser.learning_rate == 0.001
        assert stage.losses.triplet == TripletConfig(factor=1.0, mining="all")
        assert stage.losses.contrastive is None
        assert stage.losses.clews is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start": "nowhere"}, "nowhere"),
        ({"training": {"stages": []}}, "stages"),
        ({"training": {"stages": [{"name": "a", "losses": {}}]}}, "losses is empty"),
        ({"training": {"stages": [{"name": "a"}, {"name": "a"}]}}, "a name of its own"),
        ({"training": {"data": {"kind": "recordings"}}}, "csv"),
        ({"encoder": None}, "encoder"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, change: dict[str, object], said: str) -> None:
    """Each fault names its key."""
    content = {"encoder": str(CONFIGS / "encoder" / "default.yaml"), **change}
    (tmp_path / "train.yaml").write_text(json.dumps(content))
    with pytest.raises(Exception, match=said) as caught:
        read_recipe(tmp_path / "train.yaml")
    assert type(caught.value).__module__ == "encoder.errors"


def test_batches_follow_their_configuration(versions: DrawnVersions) -> None:
    """Sources by their shares, clips first, one clip length a step, another in the next."""
    plan = BatchPlan(versions, LOCAL, 1, ENCODER.average_frames)
    lengths = []
    for step in range(20):
        requests = plan.requests(step)
        assert requests == plan.requests(step)
        assert len(requests) == 6
        sources = [versions.cliques[request.clique].source for request in requests[::2]]
        assert sorted(sources) == ["aird", "pop909", "pop909"]
        clips, wholes = (
            {request.length_s for request in requests[::2]},
            {request.length_s for request in requests[1::2]},
        )
        assert len(clips) == 1
        assert wholes == {40.0}
        lengths += clips
    assert 6 <= min(lengths) < 15 < 21 < max(lengths) <= 30


def test_works_of_one_melody_never_meet_in_a_step() -> None:
    """Two works of one group would be each other's negatives."""
    songs = [drawn_song(song, "one") for song in load_songs(("pop909",), part="train", limit=4)]
    songs += [drawn_song(song) for song in load_songs(("pop909",), part="train", limit=6)[4:]]
    versions = DrawnVersions({"pop909": songs}, {"pop909": 1.0}, EMPTY_SPEECH)
    plan = BatchPlan(versions, LOCAL, 1, 20)
    for step in range(5):
        groups = [versions.cliques[request.clique].group for request in plan.requests(step)[::2]]
        assert len(groups) == len(set(groups)) == 3


def test_all_chunks_of_a_batch_reach_the_loss_once(versions: DrawnVersions) -> None:
    """Each view has the chunks that the grid gives it, in the places that the mask shows."""
    batch = BatchPlan(versions, LOCAL, 1, ENCODER.average_frames).draw(3)
    places = [
        (int(view), int(slot)) for group in batch.groups for view, slot in zip(group.view_n, group.slot_n, strict=True)
    ]
    assert len(set(places)) == len(places) == batch.chunks
    for view in range(6):
        slots = sorted(slot for own, slot in places if own == view)
        assert slots == list(range(len(slots)))
    # A whole view of 40 s: 0, 10 and 20 s.
    assert [len(list(group)) for _, group in itertools.groupby(sorted(view for view, _ in places))][1::2] == [3, 3, 3]
