"""One stage while it runs: network, objective, optimiser, next step; and a step of it. Knows nothing of files.

Shapes: B views (sets), N chunks of a view, D embedding, V views of one chunk, F pitch bins (84), T averaged frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoder.errors import EncoderError
from encoder.features import prepare
from encoder.network import EmbeddingNetwork
from encoder.training.batches import Batch
from encoder.training.config import OptimiserConfig, StageConfig
from encoder.training.objective import Objective
from encoder.training.versions import Array


class DivergedError(EncoderError):
    """The loss or an embedding is no longer finite."""


class OutOfMemoryError(EncoderError):
    """A batch does not fit into memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What a step gave: the loss, its terms, the norm of the gradient."""

    loss: float
    terms: dict[str, float]
    gradient: float


def learning_rate(config: OptimiserConfig, steps: int, step: int) -> float:
    """The rate of a step: constant, or a linear warm-up and then a cosine from the peak to the final rate."""
    if config.schedule == "constant":
        return config.learning_rate
    warm = max(1.0, config.warmup * steps)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1.0, steps - warm)
    half = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * half


def embed_batch(network: EmbeddingNetwork, batch: Batch, device: torch.device, precision: str) -> tuple[Tensor, Tensor]:
    """Unit vectors [B, N, D] of a batch and their mask [B, N].

    Trunk and pooling see chunks of one length at a time, the head all of them: its norms are over the whole batch.
    """
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        pooled = [
            network.pool(network.trunk(prepare(group.mean_nFT, tuned=network.tuned).to(device, non_blocking=True)))
            for group in batch.groups
        ]
        emb_nD: Tensor = network.head(torch.cat(pooled))
    view_n = torch.from_numpy(np.concatenate([group.view_n for group in batch.groups])).to(device)
    slot_n = torch.from_numpy(np.concatenate([group.slot_n for group in batch.groups])).to(device)
    shape = (len(batch.clique_B), int(slot_n.max()) + 1)
    emb_BND = torch.zeros(*shape, emb_nD.shape[1], dtype=emb_nD.dtype, device=device)
    mask_BN = torch.zeros(shape, dtype=torch.bool, device=device)
    mask_BN[view_n, slot_n] = True
    return emb_BND.index_put((view_n, slot_n), emb_nD), mask_BN


class StageRun:
    """A stage under way; `state()` and `restore()` copy all of it but the batches, which are functions of the step."""

    def __init__(
        self,
        config: StageConfig,
        network: EmbeddingNetwork,
        classes: int,
        dimensions: int,
        device: torch.device,
        precision: str,
    ) -> None:
        self.config = config
        self.network = network
        self.device = device
        self.precision = precision
        self.objective = Objective(config.losses, classes, dimensions).to(device)
        self.optimiser = _optimiser(config.optimiser, [*network.parameters(), *self.objective.parameters()])
        self.step = 0

    def train_step(self, batch: Batch) -> StepResult:
        """One step of the optimiser.

        Raises:
            DivergedError: The loss is not finite.
            OutOfMemoryError: The batch does not fit; the message names one that would.
        """
        try:
            return self._train_step(batch)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            reason = str(error).partition("\n")[0]
        # Outside the handler, so that its traceback no longer keeps the batch's tensors alive.
        self.optimiser.zero_grad(set_to_none=True)
        raise OutOfMemoryError(self._advice(batch, reason))

    def state(self) -> dict[str, Any]:
        """Everything that a resumed stage needs."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def _train_step(self, batch: Batch) -> StepResult:
        rate = learning_rate(self.config.optimiser, self.config.steps, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms = self._terms(batch)
        loss = torch.stack(list(terms.values())).sum()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(f"stage {self.config.name}, step {self.step}: the loss is {value}; lower learning_rate")
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        limit = self.config.optimiser.clip
        parameters = [*self.network.parameters(), *self.objective.parameters()]
        norm = torch.nn.utils.clip_grad_norm_(parameters, math.inf if limit is None else limit)
        self.optimiser.step()
        self.step += 1
        named = {name: float(term.detach()) for name, term in terms.items()}
        return StepResult(loss=value, terms=named, gradient=float(norm))

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        emb_BND, mask_BN = embed_batch(self.network, batch, self.device, self.precision)
        terms: dict[str, Tensor] = self.objective(emb_BND, mask_BN, torch.from_numpy(batch.clique_B).to(self.device))
        return terms

    def _advice(self, batch: Batch, reason: str) -> str:
        """What was too much, and the largest of half the works, a quarter ... that fits."""
        config = self.config.batch
        said = (
            f"stage {self.config.name}: a batch of {config.cliques} cliques x {config.versions} versions "
            f"({batch.chunks} chunks) does not fit into memory ({reason})"
        )
        cliques = config.cliques // 2
        while cliques >= 2:
            if self._fits(_first_views(batch, cliques * config.versions)):
                return f"{said}; {cliques} x {config.versions} would: set batch.cliques to {cliques}"
            cliques //= 2
        return f"{said}; not even 2 cliques do: set batch.whole_s or batch.clip_s lower"

    def _fits(self, batch: Batch) -> bool:
        frozen = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        try:
            torch.autograd.backward(torch.stack(list(self._terms(batch).values())).sum())
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_memory(error):
                raise
            return False
        finally:
            self.optimiser.zero_grad(set_to_none=True)
            # The trial moved the norms' running means.
            self.network.load_state_dict(frozen)
        return True


@contextmanager
def evaluating(network: EmbeddingNetwork) -> Iterator[None]:
    """Evaluation mode for the time of the block."""
    network.eval()
    try:
        yield
    finally:
        network.train()


def embed_means(network: EmbeddingNetwork, mean_VFT: Array, batch: int = 64) -> Array:
    """Averaged magnitudes [V, 84, T] to unit vectors [V, D], in evaluation mode and float32."""
    device = next(network.parameters()).device
    with evaluating(network), torch.inference_mode():
        parts = [
            network(prepare(mean_VFT[first : first + batch], tuned=network.tuned).to(device)).cpu()
            for first in range(0, len(mean_VFT), batch)
        ]
    emb_VD: Array = torch.cat(parts).numpy()
    return emb_VD


def _optimiser(config: OptimiserConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    learnt = [each for each in parameters if each.requires_grad]
    if config.kind == "adam":
        return torch.optim.Adam(learnt, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay)
    groups = [
        {"params": [each for each in learnt if each.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [each for each in learnt if each.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)


def _is_memory(error: Exception) -> bool:
    """Whether torch ran out of memory: on a GPU by its type, on a CPU only by its words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _first_views(batch: Batch, views: int) -> Batch:
    """The batch without the views from `views` on."""
    groups = []
    for group in batch.groups:
        keep_n = group.view_n < views
        if keep_n.any():
            groups.append(
                type(group)(mean_nFT=group.mean_nFT[keep_n], view_n=group.view_n[keep_n], slot_n=group.slot_n[keep_n])
            )
    return Batch(groups=tuple(groups), clique_B=batch.clique_B[:views], difficulty=batch.difficulty)
