"""The training run: AdamW over drawn views, with checkpoints from which it goes on as if never interrupted.

Knows nothing of the command line or of where songs come from; `run` is given a recipe and songs. Files of a run
directory: `checkpoint.pt` (network, optimiser, step), `metrics.jsonl` (a line per report).

Shapes: G songs of a step, V views of each, F pitch bins, T averaged frames, D embedding.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder.errors import EncoderError
from encoder.features import normalise
from encoder.network import EmbeddingNetwork, EncoderConfig, build_network
from encoder.training.augment import DrawnSong
from encoder.training.batches import StepViews, TrainingSet, draw_step
from encoder.training.config import TrainingConfig
from encoder.training.evaluation import score_drawn
from encoder.training.losses import contrastive_loss

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"
CHECKPOINT_FORMAT = 1
_REPORT_EVERY = 50

Report = Callable[[dict[str, Any]], None]


class CheckpointError(EncoderError):
    """A checkpoint is missing, torn, of another format, or of another recipe."""


class DivergedError(EncoderError):
    """The loss or an embedding is no longer finite."""


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then a cosine from the peak to the final rate."""
    warm = max(1.0, config.warmup * config.steps)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1.0, config.steps - warm)
    half = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * half


def embed_views(network: EmbeddingNetwork, views: StepViews, precision: str) -> Tensor:
    """Unit vectors [G, V, D] of the views of a step; cropped first views go through the network on their own."""
    mean_GVFT = torch.from_numpy(views.mean_GVFT)
    songs, count, bins, frames = mean_GVFT.shape
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        if views.crop_frames >= frames:
            emb_VD: Tensor = network(normalise(mean_GVFT.reshape(songs * count, bins, frames)))
            return emb_VD.reshape(songs, count, -1)
        first_GD: Tensor = network(normalise(mean_GVFT[:, 0, :, : views.crop_frames]))
        rest_VD: Tensor = network(normalise(mean_GVFT[:, 1:].reshape(songs * (count - 1), bins, frames)))
    return torch.cat((first_GD[:, None], rest_VD.reshape(songs, count - 1, -1)), dim=1)


@contextmanager
def _evaluating(network: EmbeddingNetwork) -> Iterator[None]:
    network.eval()
    try:
        yield
    finally:
        network.train()


def embed_means(network: EmbeddingNetwork, mean_VFT: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
    """Averaged magnitudes [V, 84, T] to unit vectors [V, D], in evaluation mode and float32."""
    with _evaluating(network), torch.inference_mode():
        parts = [network(normalise(part)) for part in torch.split(torch.from_numpy(mean_VFT), batch)]
    emb_VD: NDArray[np.float32] = torch.cat(parts).numpy()
    return emb_VD


class Run:
    """State of a training run: network, optimiser, next step."""

    def __init__(self, encoder: EncoderConfig, config: TrainingConfig, directory: Path) -> None:
        torch.manual_seed(config.seed)
        self.encoder = encoder
        self.config = config
        self.directory = directory
        self.network = build_network(encoder)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)
        self.step = 0

    def train_step(self, views: StepViews) -> tuple[float, float]:
        """One optimiser step; returns the loss and the norm of the gradient.

        Raises:
            DivergedError: If the loss is not finite.
        """
        rate = learning_rate(self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = contrastive_loss(embed_views(self.network, views, self.config.precision), self.config.temperature)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(f"the loss is {value} in step {self.step}; lower learning_rate")
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip))
        self.optimiser.step()
        self.step += 1
        return value, norm

    def save(self) -> None:
        """Writes the checkpoint atomically."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / (CHECKPOINT + ".tmp")
        state = {
            "format": CHECKPOINT_FORMAT,
            "recipe": self.recipe(),
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with temporary.open("wb") as sink:
            torch.save(state, sink)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(self.directory / CHECKPOINT)

    def recipe(self) -> str:
        """Canonical text of what must be equal for a run to be resumed."""
        training = self.config.model_dump(mode="json", exclude={"threads", "checkpoint_every", "evaluate_every"})
        return json.dumps({"encoder": self.encoder.model_dump(mode="json"), "training": training}, sort_keys=True)

    def restore(self) -> None:
        """Takes up the checkpoint of the directory.

        Raises:
            CheckpointError: If there is none, or it is torn or of another format or recipe.
        """
        path = self.directory / CHECKPOINT
        if not path.exists():
            raise CheckpointError(f"no checkpoint at {path}")
        try:
            state = torch.load(path, weights_only=True)
        except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"cannot read the checkpoint {path}: {reason}") from error
        if state.get("format") != CHECKPOINT_FORMAT:
            raise CheckpointError(f"{path} has format {state.get('format')}, this program reads {CHECKPOINT_FORMAT}")
        if state["recipe"] != self.recipe():
            raise CheckpointError(f"{path} belongs to another recipe; resume with the configuration that it began with")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


def run(
    encoder: EncoderConfig,
    config: TrainingConfig,
    data: TrainingSet,
    validation: Sequence[DrawnSong],
    directory: Path,
    *,
    resume: bool = False,
    report: Report = lambda _: None,
) -> EmbeddingNetwork:
    """Trains to the end of the recipe and returns the network in evaluation mode.

    Args:
        encoder: The network and its features.
        config: The recipe.
        data: Songs to train on.
        validation: Works for the scores in the log.
        directory: Where checkpoint and metrics go.
        resume: Go on from the directory's checkpoint.
        report: Called with each line of metrics.

    Raises:
        CheckpointError: If `resume` finds no usable checkpoint.
        DivergedError: If the loss is no longer finite.
    """
    torch.set_num_threads(config.threads)
    state = Run(encoder, config, directory)
    if resume:
        state.restore()
    state.directory.mkdir(parents=True, exist_ok=True)
    state.network.train()
    metrics = directory / METRICS
    _drop_lines_after(metrics, state.step)
    started, first_step, losses = time.monotonic(), state.step, list[float]()
    with ThreadPoolExecutor(config.threads) as pool, metrics.open("a") as log:

        def write(line: dict[str, Any]) -> None:
            log.write(json.dumps(line) + "\n")
            log.flush()
            report(line)

        while state.step < config.steps:
            views = draw_step(config, data, state.step, encoder.average_frames, pool)
            loss, norm = state.train_step(views)
            losses.append(loss)
            done = state.step == config.steps
            if state.step % _REPORT_EVERY == 0 or done:
                write(
                    {
                        "step": state.step,
                        "loss": round(float(np.mean(losses)), 4),
                        "gradient": round(norm, 3),
                        "learning_rate": round(learning_rate(config, state.step - 1), 6),
                        "difficulty": round(views.difficulty, 3),
                        "gem_p": round(float(state.network.pool.p.detach()), 3),
                        "step_ms": round(1e3 * (time.monotonic() - started) / (state.step - first_step)),
                    }
                )
                losses.clear()
            if state.step % config.checkpoint_every == 0 or done:
                state.save()
            if validation and config.evaluate_every and (state.step % config.evaluate_every == 0 or done):
                scores = score_drawn(
                    validation,
                    lambda mean_VFT: embed_means(state.network, mean_VFT),
                    average_frames=encoder.average_frames,
                    speech_FN=data.speech_FN,
                )
                write({"step": state.step, "drawn": {name: score.rounded() for name, score in scores.items()}})
    return state.network.eval()


def _drop_lines_after(metrics: Path, step: int) -> None:
    """Leaves out what a killed run wrote after its last checkpoint."""
    if not metrics.exists():
        return
    kept = [line for line in metrics.read_text().splitlines() if line and json.loads(line)["step"] <= step]
    metrics.write_text("".join(line + "\n" for line in kept if step))
