"""From a trained network to a folder of weights with cohort and model card. Knows nothing of how it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from encoder.network import EmbeddingNetwork, EncoderConfig
from encoder.training.batches import TrainingSet
from encoder.training.cohort import build_cohort
from encoder.training.config import TrainingConfig
from encoder.training.loop import embed_means
from encoder.weights import round_kernels, save_weights

LICENCE = "MIT"


def model_card(config: TrainingConfig, data: TrainingSet, scores: dict[str, Any]) -> dict[str, Any]:
    """What a user must know of the weights: data, split, recipe, scores, licence."""
    return {
        "licence": LICENCE,
        "data": {
            "works_by_source": {source: len(songs) for source, songs in sorted(data.songs.items())},
            "origin": "notes of POP909 (MIT), of public-domain tune books, and of tunes composed by rule, drawn as "
            "constant-Q spectra; talk by espeak-ng; no recorded music",
            "split": "encoder/training/data/split.csv, part train; validation chose, test was not looked at",
        },
        "recipe": config.model_dump(mode="json"),
        "scores": scores,
        "limits": "never heard a recorded cover, nor singing; queries under 10 s and talk over music are weak",
    }


def export(
    path: Path,
    encoder: EncoderConfig,
    network: EmbeddingNetwork,
    config: TrainingConfig,
    data: TrainingSet,
    *,
    scores: dict[str, Any],
) -> str:
    """Writes the weights, their cohort and their card to `path`; returns the fingerprint.

    The network's kernels are rounded to what the file holds, so that the cohort fits what a load gives.
    """
    round_kernels(network)
    cohort_CD = build_cohort(
        data.songs, lambda mean_VFT: embed_means(network, mean_VFT), average_frames=encoder.average_frames
    )
    return save_weights(path, encoder, network, cohort_CD, model_card(config, data, scores))
