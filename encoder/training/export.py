"""From a trained network to a folder of weights with cohort and model card. Knows nothing of how it was trained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from encoder.network import EmbeddingNetwork, EncoderConfig
from encoder.training.cohort import build_cohort
from encoder.training.config import RecordingsData, TrainingConfig
from encoder.training.stage import embed_means
from encoder.training.versions import Versions
from encoder.weights import round_kernels, save_weights

LICENCE = "MIT"
NOTES = (
    "notes of POP909 (MIT), of public-domain tune books, and of tunes composed by rule, drawn as constant-Q spectra or "
    "played by FluidSynth; talk by espeak-ng; no recorded music"
)


def model_card(config: TrainingConfig, versions: Versions, scores: dict[str, Any]) -> dict[str, Any]:
    """What a user must know of the weights: data, split, recipe, scores, licence."""
    works = Counter(clique.source for clique in versions.cliques)
    drawn = not isinstance(config.data, RecordingsData)
    return {
        "licence": LICENCE if drawn else "that of the recordings it was trained on; whoever trained it has to say",
        "data": {
            "works_by_source": dict(sorted(works.items())),
            "origin": NOTES if drawn else "recordings of the user's own list",
            "split": "encoder/training/data/split.csv, part train; validation chose, test was not looked at"
            if drawn
            else "a share of the works, by a hash of their names, was held out and scored",
        },
        "recipe": config.model_dump(mode="json"),
        "scores": scores,
        "limits": "never heard a recorded cover, nor singing; queries under 10 s and talk over music are weak"
        if drawn
        else "not calibrated: confidence needs `stream-monitor calibrate`",
    }


def export(
    path: Path,
    encoder: EncoderConfig,
    network: EmbeddingNetwork,
    config: TrainingConfig,
    versions: Versions,
    *,
    scores: dict[str, Any],
) -> str:
    """Writes the weights, their cohort and their card to `path`; returns the fingerprint.

    The network's kernels are rounded to what the file holds, so that the cohort fits what a load gives.
    """
    round_kernels(network)
    cohort_CD = build_cohort(
        versions, lambda mean_VFT: embed_means(network, mean_VFT), average_frames=encoder.average_frames
    )
    return save_weights(path, encoder, network.eval(), cohort_CD, model_card(config, versions, scores))
