"""Trains the small network of tonal features (`encoder/tonal.py`) on rendered covers; a command of its own.

    python -m encoder.training.tonal --output encoder/weights/tonal --cache runs/tonal

Rows of a cover and of its original that play the same moment are drawn together, all other rows of the batch are pushed
apart (InfoNCE): other moments of the song and other songs in any key. Half of the covers have speech over them. Only
works of the training part are used. It knows nothing of alignment. Reasons: docs/decisions/0009-alignment.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from encoder.tonal import PITCH_CLASSES, REGISTERS
from encoder.training.tonal_pairs import Pair, load_pairs


class TonalTrainingConfig(BaseModel):
    """The recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    works: dict[str, int] = {"pop909": 200, "oneill": 60, "ryan": 60, "aird": 60, "composed": 100}
    """Works of the training part by source, evenly spread over each."""
    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=16, ge=2)
    """Pairs of stretches in a step."""
    cover_rows: int = Field(default=48, ge=8)
    original_rows: int = Field(default=128, ge=16)
    """A cover twice as fast as its original still lies within this many."""
    learning_rate: float = Field(default=5e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    temperature: float = Field(default=0.1, gt=0)
    near_rows: int = 3
    """Rows this close to the true one are neither right nor wrong."""
    width: int = 32
    mixes: tuple[int, ...] = (1, 3)
    """Dilations, in rows, of the residual layers."""
    channels: int = 8
    taps: int = 5
    seed: int = 0


class TonalNetwork(nn.Module):
    """What `encoder.tonal` runs with NumPy: registers [B, N, 6, 12] to rows [B, N, 8, 12] of unit norm."""

    def __init__(self, width: int, channels: int, taps: int, mixes: Sequence[int]) -> None:
        super().__init__()
        self._half = taps // 2
        self._dilations = tuple(mixes)
        self.enter = nn.Conv2d(REGISTERS, width, (taps, PITCH_CLASSES))
        self.mixes = nn.ModuleList(nn.Conv2d(width, width, (taps, 1), dilation=(each, 1)) for each in mixes)
        self.leave = nn.Conv2d(width, channels, (taps, PITCH_CLASSES))
        self.skip = nn.Conv2d(REGISTERS, channels, (1, 1), bias=False)

    def forward(self, registers_BNRP: Tensor) -> Tensor:
        rows = registers_BNRP.permute(0, 2, 1, 3)
        hidden = functional.relu(self.enter(self._padded(rows)))
        for mix, dilation in zip(self.mixes, self._dilations, strict=True):
            reach = self._half * dilation
            hidden = hidden + functional.relu(mix(functional.pad(hidden, (0, 0, reach, reach))))
        out = self.leave(self._padded(hidden)) + self.skip(rows)
        out = (out - out.mean(dim=3, keepdim=True)).permute(0, 2, 1, 3)
        unit: Tensor = out / (out.flatten(2).norm(dim=2)[..., None, None] + 1e-2)
        return unit

    def _padded(self, rows: Tensor) -> Tensor:
        circular = functional.pad(rows, (0, PITCH_CLASSES - 1, 0, 0), mode="circular")
        return functional.pad(circular, (0, 0, self._half, self._half))


def fits(pair: Pair, config: TonalTrainingConfig) -> bool:
    """Whether a stretch of the cover's length can be drawn from the pair; of very short tunes it cannot."""
    return len(pair.starts(config.cover_rows, config.original_rows)) > 0


def train_tonal(pairs: Sequence[Pair], config: TonalTrainingConfig) -> tuple[TonalNetwork, list[float]]:
    """Trains on pairs of cover and original; returns the network and the loss of each step."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    network = TonalNetwork(config.width, config.channels, config.taps, config.mixes)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=config.steps)
    losses = []
    for _ in range(config.steps):
        chosen = rng.choice(len(pairs), min(config.batch, len(pairs)), replace=False)
        drawn = [_stretch(pairs[int(index)], config, rng) for index in chosen]
        cover_BNRP, original_BMRP, place_BN = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
        loss = _loss(network(cover_BNRP).flatten(2), network(original_BMRP).flatten(2), place_BN, config)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return network, losses


def _stretch(
    pair: Pair, config: TonalTrainingConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """A stretch of the cover, one of the original that holds it, and where in it each of the cover's rows lies."""
    start = int(rng.choice(pair.starts(config.cover_rows, config.original_rows)))
    place_N = pair.place_N[start : start + config.cover_rows]
    key = int(rng.integers(PITCH_CLASSES))
    latest = max(0, len(pair.original_NRP) - config.original_rows)
    low = int(np.clip(int(place_N[0]) - int(rng.integers(2, 20)), 0, latest))
    original = pair.original_NRP[low : low + config.original_rows]
    original = np.pad(original, ((0, config.original_rows - len(original)), (0, 0), (0, 0)))
    equaliser = np.exp(rng.normal(0.0, 0.15, REGISTERS)).astype(np.float32)[None, :, None]
    cover = np.roll(pair.cover_NRP[start : start + config.cover_rows], key - pair.transposition, axis=2) * equaliser
    place = np.clip(np.rint(place_N - low), 0, config.original_rows - 1).astype(np.int64)
    return cover, np.roll(original, key, axis=2), place


def _loss(cover_BND: Tensor, original_BMD: Tensor, place_BN: Tensor, config: TonalTrainingConfig) -> Tensor:
    logit_BNCM = torch.einsum("bnd,cmd->bncm", cover_BND, original_BMD) / config.temperature
    own = torch.arange(len(cover_BND))
    own_BNM = logit_BNCM[own, :, own]
    right_BN = own_BNM.gather(2, place_BN[..., None])[..., 0]
    distance_BNM = (torch.arange(original_BMD.shape[1]) - place_BN[..., None]).abs()
    others_BNCM = logit_BNCM.clone()
    others_BNCM[own, :, own] = own_BNM.masked_fill(distance_BNM <= config.near_rows, -1e4)
    wrong_BN = torch.logsumexp(others_BNCM.flatten(2), dim=2)
    return (torch.logaddexp(wrong_BN, right_BN) - right_BN).mean()


def main(arguments: Sequence[str] | None = None) -> None:
    """Renders what is not in the cache, trains, and writes weights.safetensors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for weights.safetensors")
    parser.add_argument("--cache", type=Path, required=True, help="folder for rendered covers, kept between runs")
    parser.add_argument("--works", type=float, default=1.0, help="share of the recipe's works")
    parser.add_argument("--steps", type=int, default=TonalTrainingConfig().steps)
    parser.add_argument("--processes", type=int, default=1, help="how many render at once")
    options = parser.parse_args(arguments)
    works = {source: max(1, round(options.works * count)) for source, count in TonalTrainingConfig().works.items()}
    config = TonalTrainingConfig(works=works, steps=options.steps)
    pairs = [pair for pair in load_pairs(config.works, options.cache, options.processes) if fits(pair, config)]
    network, losses = train_tonal(pairs, config)
    options.output.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()},
        options.output / "weights.safetensors",
        metadata={"recipe": config.model_dump_json(), "loss": f"{np.mean(losses[-200:]):.4f}"},
    )
    sys.stderr.write(f"{len(pairs)} pairs, loss {np.mean(losses[:200]):.3f} to {np.mean(losses[-200:]):.3f}\n")


if __name__ == "__main__":
    main()
