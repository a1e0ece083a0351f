"""The training run: stage after stage, with checkpoints from which it goes on as if never interrupted.

Knows nothing of the command line, nor of where versions come from: `run` is given settings and versions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from encoder.errors import DeviceError
from encoder.network import EmbeddingNetwork, EncoderConfig
from encoder.training.batches import Batch, BatchPlan
from encoder.training.config import StageConfig, TrainingConfig
from encoder.training.pca_start import pooled_means, start_from_pca
from encoder.training.run_folder import Line, RunFolder
from encoder.training.stage import StageRun, embed_means, learning_rate
from encoder.training.versions import Array, Versions

REPORT_EVERY = 50
PCA_BATCHES = 16

Report = Callable[[Line], None]
Score = Callable[[Callable[[Array], Array]], dict[str, Any]]
"""From a function that embeds averaged magnitudes to scores by query length."""


def run(
    encoder: EncoderConfig,
    config: TrainingConfig,
    network: EmbeddingNetwork,
    versions: Versions,
    folder: RunFolder,
    *,
    score: Score | None = None,
    resume: bool = False,
    report: Report = lambda _: None,
    staged: Callable[[str, EmbeddingNetwork], None] = lambda _name, _network: None,
    clock: Callable[[], float] = time.monotonic,
) -> EmbeddingNetwork:
    """Trains to the end of the last stage; returns the network on the CPU, in evaluation mode.

    Args:
        encoder: The network and its features.
        config: Stages, device, seed.
        network: Where the first stage begins.
        versions: What to train on.
        folder: Where checkpoint and metrics go.
        score: Scores of works that training does not see.
        resume: Go on from the folder's checkpoint.
        report: Called with each line of metrics.
        staged: Called with the name of each stage that another one follows, and the network as it is then.
        clock: Seconds; decides when checkpoints are written.

    Raises:
        CheckpointError: `resume` finds no usable checkpoint.
        DivergedError: The loss is no longer finite.
        OutOfMemoryError: A batch does not fit.
        DeviceError: There is no such device.
    """
    torch.set_num_threads(config.threads)
    device = training_device(config.device)
    network.to(device).train()
    if config.compile:
        network.trunk.compile()
    kept = folder.load() if resume else None
    first = 0 if kept is None else int(kept["stage"])
    done = sum(stage.steps for stage in config.stages[:first])
    folder.take_back_after(done + (0 if kept is None else int(kept["state"]["step"])))

    def write(line: Line) -> None:
        folder.write(line)
        report(line)

    for number, stage in enumerate(config.stages[first:], first):
        torch.manual_seed(config.seed * 1000 + number)
        state = StageRun(stage, network, len(versions.cliques), encoder.dimensions, device, config.precision)
        plan = BatchPlan(versions, stage, config.seed, encoder.average_frames)
        if kept is not None:
            state.restore(kept["state"])
            kept = None
        elif stage.pca:
            start_from_pca(network, pooled_means(network, (plan.draw(step) for step in range(PCA_BATCHES))))

        def save(number: int = number, state: StageRun = state) -> None:
            folder.save({"stage": number, "state": state.state()})

        _run_stage(state, plan, config, done, save, score, write, clock)
        done += stage.steps
        if number + 1 < len(config.stages):
            staged(stage.name, network)
    return network.cpu().eval()


def training_device(name: str) -> torch.device:
    """The device of that name; `auto` is cuda where there is one.

    Raises:
        DeviceError: There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"device {name!r}: {str(error).partition(':')[0]}; use cpu, cuda or auto") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device cuda: torch finds no GPU; use cpu, or auto")
    return device


def _run_stage(
    state: StageRun,
    plan: BatchPlan,
    config: TrainingConfig,
    done: int,
    save: Callable[[], None],
    score: Score | None,
    write: Report,
    clock: Callable[[], float],
) -> None:
    """The steps of one stage; while one is computed, the next one's batch is drawn."""
    stage = state.config
    saved = started = clock()
    first, results = state.step, []
    with ThreadPoolExecutor(config.threads) as pool, ThreadPoolExecutor(1) as ahead:
        coming: Future[Batch] | None = ahead.submit(plan.draw, state.step, pool) if state.step < stage.steps else None
        while coming is not None:
            batch = coming.result()
            coming = ahead.submit(plan.draw, state.step + 1, pool) if state.step + 1 < stage.steps else None
            results.append(state.train_step(batch))
            last = state.step == stage.steps
            if state.step % REPORT_EVERY == 0 or last:
                write(_line(state, stage, done, results, batch, 1e3 * (clock() - started) / (state.step - first)))
                results = []
            if last or clock() - saved >= 60 * config.checkpoint_minutes:
                save()
                saved = clock()
            if score is not None and (last or (config.evaluate_every and state.step % config.evaluate_every == 0)):
                scores = score(lambda mean_VFT: embed_means(state.network, mean_VFT))
                write({"step": done + state.step, "stage": stage.name, "scores": scores})


def _line(
    state: StageRun, stage: StageConfig, done: int, results: list[Any], batch: Batch, step_ms: float
) -> dict[str, Any]:
    terms = {name: round(float(np.mean([each.terms[name] for each in results])), 4) for name in results[0].terms}
    return {
        "step": done + state.step,
        "stage": stage.name,
        "loss": round(float(np.mean([each.loss for each in results])), 4),
        "terms": terms,
        "gradient": round(results[-1].gradient, 3),
        "learning_rate": round(learning_rate(stage.optimiser, stage.steps, state.step - 1), 6),
        "difficulty": round(batch.difficulty, 3),
        "gem_p": round(float(state.network.pool.p.detach()), 3),
        "chunks": batch.chunks,
        "step_ms": round(step_ms),
    }
