"""ResNet50-IBN, the backbone that ByteCover3 publishes. Knows nothing of audio, pooling or embeddings.

IBN-a in stages 1 to 3, the last stage not strided. The stem's stride is (2, 1), which makes H = 6 and W = T / 8, as the
paper states: pitch goes 84 → 42 (stem) → 21 (max pool) → 21, 11, 6, 6 (stages), time T → T → T/2 → T/2, T/4, T/8, T/8.

Shapes: B batch, F pitch bins (84), T averaged frames, C channels (2048), H pitch (6), W time (T / 8).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from encoder.folded import InstanceBatchNorm

EXPANSION = 4
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 1))
"""Width, blocks and stride of each stage."""


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3, 1 × 1 with a shortcut; IBN-a replaces the first norm where asked."""

    def __init__(self, channels_in: int, width: int, stride: int, ibn: bool) -> None:
        super().__init__()
        channels_out = width * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.norm1: nn.Module = InstanceBatchNorm(width) if ibn else nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels_out)
        nn.init.zeros_(self.norm3.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Maps [B, C, H, W] to [B, 4 width, H / stride, W / stride]."""
        y = torch.relu(self.norm1(self.conv1(x_BCHW)))
        y = torch.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        return torch.relu(y + self.shortcut(x_BCHW))


class ResNet50IBNTrunk(nn.Module):
    """[B, 84, T] to [B, 2048, 6, T / 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 64, 7, stride=(2, 1), padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        layers: list[nn.Module] = []
        channels = 64
        for stage, (width, blocks, stride) in enumerate(STAGES):
            for index in range(blocks):
                # IBN-a: instance norm in the early stages only, where style lives.
                layers.append(Bottleneck(channels, width, stride if index == 0 else 1, ibn=stage < 3))
                channels = width * EXPANSION
        self.blocks = nn.Sequential(*layers)
        self.channels = channels

    def forward(self, x_BFT: Tensor) -> Tensor:
        """Maps normalised spectra to the feature map that GeM pools."""
        y: Tensor = self.blocks(self.stem(x_BFT.unsqueeze(1)))
        return y
