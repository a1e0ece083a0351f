"""The recipe of a training run, as one validated value. Knows nothing of how it is carried out."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingConfig(BaseModel):
    """A training run; reasons and measurements of the defaults: docs/decisions/0004-first-weights.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(5000, ge=1, description="optimiser steps")
    seed: int = Field(1, ge=0, description="all randomness of the run")
    mixture: dict[str, float] = Field(
        {"pop909": 0.55, "oneill": 0.12, "ryan": 0.09, "aird": 0.09, "composed": 0.15},
        description="share of each source of songs in a step; sources are those of the corpus",
    )
    works_per_source: int | None = Field(1500, description="at most this many training works of a source")
    songs_per_step: int = Field(32, ge=2, description="different works in a step")
    views_per_song: int = Field(4, ge=2, description="versions of each")
    temperature: float = Field(0.1, gt=0, description="of the contrastive loss")
    learning_rate: float = Field(2e-2, gt=0, description="peak of the schedule")
    final_learning_rate: float = Field(4e-4, ge=0, description="end of the cosine")
    warmup: float = Field(0.15, ge=0, lt=1, description="share of the steps with a rising learning rate")
    betas: tuple[float, float] = Field((0.9, 0.98), description="of AdamW")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW")
    clip: float = Field(5.0, gt=0, description="largest norm of the gradient")
    difficulty_start: float = Field(0.1, ge=0, le=1, description="strength of the augmentation in the first step")
    difficulty_full_at: float = Field(0.5, gt=0, le=1, description="share of the steps after which it is 1")
    crop_share: float = Field(0.5, ge=0, le=1, description="share of the steps whose first view is cropped")
    crop_frames: tuple[int, int] = Field((12, 35), description="least and most averaged frames of a crop")
    speech_minutes: float = Field(10.0, ge=0, description="talk made by espeak-ng for the views; 0 for none")
    precision: str = Field("bf16", pattern="^(bf16|fp32)$", description="of the forward and backward pass")
    threads: int = Field(2, ge=1, description="of torch and of drawing")
    checkpoint_every: int = Field(250, ge=1, description="steps between checkpoints")
    evaluate_every: int = Field(1000, ge=0, description="steps between evaluations on drawn validation works; 0: never")

    @model_validator(mode="after")
    def _ranges(self) -> TrainingConfig:
        if not self.mixture or min(self.mixture.values()) <= 0:
            raise ValueError("mixture needs at least one source, each with a share above 0")
        if not 8 <= self.crop_frames[0] <= self.crop_frames[1]:
            raise ValueError(f"crop_frames is {self.crop_frames}; needs 8 <= least <= most")
        return self
