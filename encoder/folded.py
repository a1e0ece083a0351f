"""The default network: full pitch resolution first, then octaves folded to 12 circular pitch classes. Knows no audio.

The fold makes every later layer equivariant to transposition (a key change is a roll of the pitch circle, and circular
padding has no edge), and the pooling over pitch makes the embedding nearly invariant to it.

Shapes: B batch, F pitch bins (84), T averaged frames, C channels, P pitch classes (12), O octaves (7), R registers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PITCH_CLASSES = 12
OCTAVES = 7
# Registers: triangles over the octaves, (centre, half-width) in octaves: bass, middle, treble.
REGISTERS = ((0.5, 2.5), (3.0, 2.5), (5.5, 2.5))


class InstanceBatchNorm(nn.Module):
    """IBN-a: instance norm on the first half of the channels (drops timbre and level), batch norm on the rest.

    Source: Pan et al., "Two at once: enhancing learning and generalization capacities via IBN-Net" (ECCV 2018).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normed = channels // 2
        self.instance = nn.InstanceNorm2d(self.normed, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.normed)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalises [B, C, H, W], same shape."""
        first, second = x_BCHW[:, : self.normed], x_BCHW[:, self.normed :]
        return torch.cat((self.instance(first), self.batch(second)), dim=1)


class CircularConv(nn.Module):
    """A 3 × 3 convolution, circular in pitch, zero-padded in time; strides only time."""

    def __init__(self, channels_in: int, channels_out: int, time_stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride=(1, time_stride), padding=(0, 1), bias=False)

    def forward(self, x_BCPT: Tensor) -> Tensor:
        """Maps [B, C, 12, T] to [B, C', 12, ceil(T / stride)]."""
        wrapped = torch.cat((x_BCPT[:, :, -1:], x_BCPT, x_BCPT[:, :, :1]), dim=2)
        out: Tensor = self.conv(wrapped)
        return out


class FoldedBlock(nn.Module):
    """A basic residual block on the pitch circle; the last norm starts at zero, so a new block is the identity."""

    def __init__(self, channels_in: int, channels_out: int, time_stride: int, ibn: bool) -> None:
        super().__init__()
        self.conv1 = CircularConv(channels_in, channels_out, time_stride)
        self.norm1: nn.Module = InstanceBatchNorm(channels_out) if ibn else nn.BatchNorm2d(channels_out)
        self.conv2 = CircularConv(channels_out, channels_out)
        self.norm2 = nn.BatchNorm2d(channels_out)
        nn.init.zeros_(self.norm2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if time_stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride=(1, time_stride), bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x_BCPT: Tensor) -> Tensor:
        """Maps [B, C, 12, T] to [B, C', 12, ceil(T / stride)]."""
        y = torch.relu(self.norm1(self.conv1(x_BCPT)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x_BCPT))


def register_weights() -> Tensor:
    """Weights [R, O] of each octave in each register, each row summing to 1."""
    octave = torch.arange(OCTAVES, dtype=torch.float32) + 0.5
    rows = [torch.clamp(1 - (octave - 0.5 - centre).abs() / width, min=0) for centre, width in REGISTERS]
    weights_RO = torch.stack(rows)
    return weights_RO / weights_RO.sum(dim=1, keepdim=True)


class FoldedTrunk(nn.Module):
    """Stem at full pitch resolution, the fold, and residual blocks on the circle: [B, F, T] to [B, C, 12, W]."""

    def __init__(self, stem: int, widths: tuple[int, ...], blocks: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(1, stem, (5, 3), padding=(2, 1), bias=False)
        self.stem_norm = nn.BatchNorm2d(stem)
        self.register_buffer("fold_RO", register_weights(), persistent=False)
        self.fold_RO: Tensor
        layers: list[nn.Module] = []
        channels = stem * len(REGISTERS)
        for stage, (width, count, stride) in enumerate(zip(widths, blocks, strides, strict=True)):
            for index in range(count):
                # IBN in all stages but the last, as IBN-a does.
                layers.append(FoldedBlock(channels, width, stride if index == 0 else 1, ibn=stage < len(widths) - 1))
                channels = width
        self.blocks = nn.Sequential(*layers)
        self.channels = channels

    def forward(self, x_BFT: Tensor) -> Tensor:
        """Maps normalised spectra [B, 84, T] to [B, C, 12, W]; T of 8 and more."""
        x_BCFT = torch.relu(self.stem_norm(self.stem_conv(x_BFT.unsqueeze(1))))
        batch, channels, _, frames = x_BCFT.shape
        x_BCOPT = x_BCFT.reshape(batch, channels, OCTAVES, PITCH_CLASSES, frames)
        x_BCRPT = torch.einsum("ro,bcopt->bcrpt", self.fold_RO.to(x_BCOPT.dtype), x_BCOPT)
        y: Tensor = self.blocks(x_BCRPT.reshape(batch, -1, PITCH_CLASSES, frames))
        return y
