"""Makes a trained network quick to run: batch norms are folded into the layers in front of them.

Exact but for rounding. Knows nothing of audio or of training; the result runs in evaluation only.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from encoder.folded import CircularConv, FoldedBlock, FoldedTrunk, InstanceBatchNorm
from encoder.head import EmbeddingHead
from encoder.network import EmbeddingNetwork
from encoder.resnet import Bottleneck, ResNet50IBNTrunk


class InstanceFirstHalf(nn.Module):
    """What is left of an IBN once its batch norm is folded: instance norm of the first channels, in place."""

    def __init__(self, instance: nn.InstanceNorm2d) -> None:
        super().__init__()
        self.instance = instance
        self.normed = instance.num_features

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalises the first half of the channels of [B, C, H, W] in place."""
        x_BCHW[:, : self.normed] = self.instance(x_BCHW[:, : self.normed])
        return x_BCHW


class FoldedHead(nn.Module):
    """BNNeck, linear map and last norm as one affine map, then unit length."""

    def __init__(self, affine: nn.Linear) -> None:
        super().__init__()
        self.affine = affine

    def forward(self, pooled_BC: Tensor) -> Tensor:
        """Maps [B, C] to unit vectors [B, D], in float32."""
        with torch.autocast(pooled_BC.device.type, enabled=False):
            return nn.functional.normalize(self.affine(pooled_BC.float()), dim=1)


def fuse(network: EmbeddingNetwork) -> nn.Module:
    """A copy of a network for inference, [B, 84, T] to [B, D], with every batch norm folded."""
    quick = copy.deepcopy(network).eval().requires_grad_(False)
    trunk = quick.trunk
    if isinstance(trunk, FoldedTrunk):
        trunk.stem_conv, trunk.stem_norm = _fold(trunk.stem_conv, trunk.stem_norm), _nothing()
    elif isinstance(trunk, ResNet50IBNTrunk):
        trunk.stem[0] = _fold(cast(nn.Conv2d, trunk.stem[0]), cast(nn.BatchNorm2d, trunk.stem[1]))
        trunk.stem[1] = nn.Identity()
    for module in list(quick.modules()):
        if isinstance(module, FoldedBlock | Bottleneck):
            for index in ("1", "2", "3") if isinstance(module, Bottleneck) else ("1", "2"):
                _fold_pair(module, f"conv{index}", f"norm{index}")
            if isinstance(module.shortcut, nn.Sequential):
                shortcut = module.shortcut
                module.shortcut = _fold(cast(nn.Conv2d, shortcut[0]), cast(nn.BatchNorm2d, shortcut[1]))
    quick.head = cast(EmbeddingHead, FoldedHead(_fold_head(quick.head)))
    return quick


def _nothing() -> nn.BatchNorm2d:
    # A batch norm's slot is filled by the identity; the type is the slot's.
    return cast(nn.BatchNorm2d, nn.Identity())


def _scale_and_shift(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = 1 / torch.sqrt(variance + norm.eps)
    if norm.affine:
        scale = scale * norm.weight.double()
        return scale, norm.bias.double() - mean * scale
    return scale, -mean * scale


def _with_bias(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> nn.Conv2d:
    fused = copy.deepcopy(conv)
    bias = torch.zeros_like(scale) if conv.bias is None else conv.bias.double()
    fused.weight = nn.Parameter((conv.weight.double() * scale[:, None, None, None]).float(), requires_grad=False)
    fused.bias = nn.Parameter((bias * scale + shift).float(), requires_grad=False)
    return fused


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    return _with_bias(conv, *_scale_and_shift(norm))


def _fold_pair(block: nn.Module, conv_name: str, norm_name: str) -> None:
    holder, norm = getattr(block, conv_name), getattr(block, norm_name)
    conv: nn.Conv2d = holder.conv if isinstance(holder, CircularConv) else holder
    if isinstance(norm, InstanceBatchNorm):
        scale, shift = _scale_and_shift(norm.batch)
        ones, zeros = torch.ones(norm.normed, dtype=torch.double), torch.zeros(norm.normed, dtype=torch.double)
        fused = _with_bias(conv, torch.cat((ones, scale)), torch.cat((zeros, shift)))
        setattr(block, norm_name, InstanceFirstHalf(norm.instance))
    else:
        fused = _fold(conv, norm)
        setattr(block, norm_name, nn.Identity())
    if isinstance(holder, CircularConv):
        holder.conv = fused
    else:
        setattr(block, conv_name, fused)


def _fold_head(head: EmbeddingHead) -> nn.Linear:
    scale_C, shift_C = _scale_and_shift(head.neck)
    scale_D, shift_D = _scale_and_shift(head.whiten)
    weight_DC = head.project.weight.double()
    affine = nn.Linear(head.project.in_features, head.project.out_features)
    affine.weight = nn.Parameter((weight_DC * scale_C * scale_D[:, None]).float(), requires_grad=False)
    affine.bias = nn.Parameter(((weight_DC @ shift_C) * scale_D + shift_D).float(), requires_grad=False)
    return affine
