"""Builds the two networks behind one interface from their configuration. Knows nothing of audio, files or training.

A network maps normalised spectra [B, 84, T] to unit vectors [B, 512]: a trunk (`folded.py`, `resnet.py`), GeM
(`pooling.py`), and a head (`head.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from encoder.folded import FoldedTrunk
from encoder.head import EmbeddingHead
from encoder.pooling import GeM
from encoder.resnet import ResNet50IBNTrunk


class FoldedConfig(BaseModel):
    """The pitch-class-folded residual IBN network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folded"] = "folded"
    stem: int = Field(16, ge=1, description="channels of the stem, before the fold into 3 registers")
    widths: tuple[int, ...] = Field((48, 64, 96, 128), min_length=1, description="channels of each stage")
    blocks: tuple[int, ...] = Field((1, 1, 1, 1), description="residual blocks of each stage")
    time_strides: tuple[int, ...] = Field((1, 2, 2, 1), description="time stride of each stage's first block")

    @model_validator(mode="after")
    def _stages_agree(self) -> FoldedConfig:
        if not len(self.widths) == len(self.blocks) == len(self.time_strides):
            raise ValueError("widths, blocks and time_strides need one entry for each stage")
        return self


class ResNet50IBNConfig(BaseModel):
    """The paper's backbone; it has no choices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["resnet50_ibn"] = "resnet50_ibn"


class EncoderConfig(BaseModel):
    """All that decides what embedding a chunk gets, but for the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    front_end: Literal["constant_q", "nnaudio"] = Field(
        "constant_q", description="constant_q: encoder/cqt.py; nnaudio: the reference, slow"
    )
    average_frames: int = Field(20, ge=1, description="CQT frames averaged into one; 861 // average_frames = T")
    gem_p: float = Field(3.0, gt=0, description="where the learnable exponent of GeM starts")
    dimensions: int = Field(512, ge=1, description="length of an embedding")
    tuned: bool = Field(False, description="chunks are moved to concert pitch first (encoder/tuning.py)")
    network: Annotated[FoldedConfig | ResNet50IBNConfig, Field(discriminator="kind")] = FoldedConfig()


class EmbeddingNetwork(nn.Module):
    """Trunk, GeM and head: normalised spectra [B, 84, T] to unit vectors [B, D].

    Attributes:
        tuned: Whether it wants its spectra at concert pitch (`features.prepare`).
    """

    def __init__(self, trunk: nn.Module, channels: int, gem_p: float, dimensions: int, tuned: bool) -> None:
        super().__init__()
        self.tuned = tuned
        self.trunk = trunk
        self.pool = GeM(gem_p)
        self.head = EmbeddingHead(channels, dimensions)

    def forward(self, x_BFT: Tensor) -> Tensor:
        """Maps [B, 84, T] to unit vectors [B, D]."""
        emb_BD: Tensor = self.head(self.pool(self.trunk(x_BFT)))
        return emb_BD


def build_network(config: EncoderConfig) -> EmbeddingNetwork:
    """A network with random weights, in training mode."""
    trunk: FoldedTrunk | ResNet50IBNTrunk
    match config.network:
        case FoldedConfig() as folded:
            trunk = FoldedTrunk(folded.stem, folded.widths, folded.blocks, folded.time_strides)
        case ResNet50IBNConfig():
            trunk = ResNet50IBNTrunk()
    return EmbeddingNetwork(trunk, trunk.channels, config.gem_p, config.dimensions, config.tuned)
