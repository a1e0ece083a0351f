"""A training run as one validated value: data, stages, losses, machine. Knows nothing of how it is carried out.

A run goes through its stages in order; each takes over the weights of the one before and has losses, batches and a
schedule of its own. The fields' defaults are the default recipe's; reasons and measurements:
docs/decisions/0011-bytecover3-training.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NotesData(_Part):
    """Works of the corpus, drawn from their notes anew for every batch."""

    kind: Literal["notes"] = "notes"
    mixture: dict[str, float] = Field(
        {"pop909": 0.55, "oneill": 0.12, "ryan": 0.09, "aird": 0.09, "composed": 0.15},
        description="share of each source in a step; sources are those of the corpus",
    )
    works_per_source: int | None = Field(1500, ge=1, description="at most this many training works of a source")
    speech_minutes: float = Field(10.0, ge=0, description="talk made by espeak-ng for the views; 0 for none")
    bulk: bool = Field(False, description="draw all views of a step at once on the training device; for GPUs")

    @model_validator(mode="after")
    def _shares(self) -> NotesData:
        if not self.mixture or min(self.mixture.values()) <= 0:
            raise ValueError("mixture needs at least one source, each with a share above 0")
        return self


class RecordingsData(_Part):
    """A CSV of recordings (clique_id, recording_id, path), heard once and kept as CQTs; of MIDI, drawn."""

    kind: Literal["recordings"] = "recordings"
    csv: Path = Field(description="the list, of audio and MIDI files; relative to the training file")
    cache: Path = Field(Path("runs/cqt"), description="folder of the CQTs, about 3.6 kB a second of music")
    validation_share: float = Field(0.1, gt=0, lt=1, description="share of the cliques that are held out and scored")
    speech_minutes: float = Field(0.0, ge=0, description="talk made by espeak-ng for the views; 0 for none")


class RenderedData(_Part):
    """Works of the corpus, played by FluidSynth in several versions each and kept as CQTs."""

    kind: Literal["rendered"] = "rendered"
    sources: tuple[str, ...] = Field(("pop909", "oneill", "ryan", "aird", "composed"), min_length=1)
    works_per_source: int = Field(200, ge=2, description="at most this many training works of a source")
    versions: int = Field(3, ge=2, description="of each work: one as it is written, the others covers")
    soundfonts: tuple[str, ...] = Field(("FluidR3_GM.sf2", "TimGM6mb.sf2"), min_length=1)
    codec_share: float = Field(0.3, ge=0, le=1, description="share that goes through MP3 64k, AAC 64k or Opus 32k")
    cache: Path = Field(Path("runs/cqt"), description="folder of the CQTs, about 3.6 kB a second of music")
    speech_minutes: float = Field(10.0, ge=0, description="talk made by espeak-ng for the views; 0 for none")


class BatchConfig(_Part):
    """What a step is made of: P cliques x V views, of which some are clips and the others whole recordings."""

    cliques: int = Field(32, ge=2, description="P: works of a step")
    versions: int = Field(4, ge=2, description="V: views of each")
    clip_share: float = Field(0.5, ge=0, le=1, description="share of the views that are clips; the paper: 1:1")
    clip_s: tuple[float, float] = Field((6.0, 60.0), description="length of the clips of a step, uniform")
    whole_s: float = Field(300.0, ge=20.0, description="longer recordings are cut to this length at a random place")
    clips_meet: bool = Field(True, description="clips of a clique lie at one place; false: anywhere, the paper")
    chunked: bool = Field(True, description="views in chunks of 20 s (local); else each as one (global)")

    @model_validator(mode="after")
    def _lengths(self) -> BatchConfig:
        if not 6.0 <= self.clip_s[0] <= self.clip_s[1]:
            raise ValueError(f"clip_s is {list(self.clip_s)}; needs 6 <= shortest <= longest")
        return self


class ClassificationConfig(_Part):
    """Cross entropy of MaxMean to the proxies of each work (eq. 3, 4)."""

    weight: float = Field(1.0, gt=0)
    proxies: int = Field(9, ge=1, description="L of each class")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="0 is the paper")
    learnt_scale: bool = Field(True, description="logits times a learnt number that starts at e; false: the paper")


class TripletConfig(_Part):
    """[factor x negative - positive]+ of MaxMean (eq. 5)."""

    weight: float = Field(1.0, gt=0)
    factor: float = Field(1.1, gt=0, description="1 is the paper")
    mining: Literal["all", "hardest"] = Field("hardest", description="all is the mean over all triplets")


class ClewsConfig(_Part):
    """The contrastive loss of Serra et al. (2025)."""

    weight: float = Field(1.0, gt=0)
    gamma: float = Field(5.0, gt=0)


class ContrastiveConfig(_Part):
    """Softmax of MaxMean, each positive against all views of other works."""

    weight: float = Field(1.0, gt=0)
    temperature: float = Field(0.1, gt=0, description="0.05 is much worse")


class LossConfig(_Part):
    """The sum of those that are there."""

    classification: ClassificationConfig | None = None
    triplet: TripletConfig | None = None
    clews: ClewsConfig | None = None
    contrastive: ContrastiveConfig | None = None

    @model_validator(mode="after")
    def _some(self) -> LossConfig:
        if not any((self.classification, self.triplet, self.clews, self.contrastive)):
            raise ValueError("losses is empty; name classification, triplet, clews or contrastive")
        return self


class OptimiserConfig(_Part):
    """Adam (the paper) or AdamW, at a constant rate (the paper) or with warm-up and cosine."""

    kind: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(2e-2, gt=0, description="peak; ten times less learns far more slowly")
    schedule: Literal["constant", "cosine"] = "cosine"
    final_learning_rate: float = Field(4e-4, ge=0, description="end of the cosine")
    warmup: float = Field(0.15, ge=0, lt=1, description="share of the steps with a rising rate, cosine only")
    betas: tuple[float, float] = Field((0.9, 0.98))
    weight_decay: float = Field(1e-4, ge=0)
    clip: float | None = Field(5.0, gt=0, description="largest norm of the gradient; null: none")


class AugmentConfig(_Part):
    """How far views differ. Notes: all of it by `difficulty`; recordings: what is done to their CQTs."""

    difficulty_start: float = Field(0.1, ge=0, le=1, description="strength in the first step; at 1 nothing is learnt")
    difficulty_full_at: float = Field(0.5, gt=0, le=1, description="share of the steps after which it is 1")
    transposition: int = Field(6, ge=0, le=12, description="semitones up or down, filled with zeros")
    stretch: tuple[float, float] = Field((0.8, 1.25), description="speed, pitch as it was")
    mask_share: float = Field(0.0, ge=0, le=1, description="share of the views with SpecAugment's masks")
    equaliser_db: float = Field(6.0, ge=0, description="spread of a smooth gain over pitch")
    noise_share: float = Field(0.5, ge=0, le=1, description="share of the views with noise, 10 to 40 dB below")
    speech_share: float = Field(0.4, ge=0, le=1, description="share of the views with talk over them, if there is any")


class StageConfig(_Part):
    """One stage: so many steps of one kind of batch and loss."""

    name: str = Field(pattern="^[a-z0-9_-]+$")
    steps: int = Field(5000, ge=1)
    batch: BatchConfig = BatchConfig()
    losses: LossConfig = LossConfig(contrastive=ContrastiveConfig())
    optimiser: OptimiserConfig = OptimiserConfig()
    augment: AugmentConfig = AugmentConfig()
    pca: bool = Field(False, description="PCA-FC starts from a PCA of pooled features of drawn views")


class TrainingConfig(_Part):
    """A run."""

    seed: int = Field(1, ge=0, description="all randomness: order, views, initial weights")
    data: NotesData | RenderedData | RecordingsData = Field(NotesData(), discriminator="kind")
    stages: tuple[StageConfig, ...] = Field((StageConfig(name="contrastive"),), min_length=1)
    device: str = Field("auto", description="cpu, cuda, or auto: cuda where there is one")
    precision: Literal["bf16", "fp32"] = Field("bf16", description="of the passes; fp32 takes twice as long on a CPU")
    compile: bool = Field(False, description="torch.compile of the network; pays on a GPU")
    threads: int = Field(2, ge=1, description="of torch and of drawing; float sums differ with their number")
    checkpoint_minutes: float = Field(5.0, gt=0, description="the most that a kill loses")
    evaluate_every: int = Field(1000, ge=0, description="steps between scores of validation works; 0: at the end only")

    @model_validator(mode="after")
    def _names(self) -> TrainingConfig:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages are named {', '.join(names)}; each needs a name of its own")
        return self

    def decisive(self) -> dict[str, object]:
        """What must be equal for a run to be resumed: all but what changes no result."""
        return self.model_dump(mode="json", exclude={"threads", "checkpoint_minutes", "evaluate_every", "device"})
