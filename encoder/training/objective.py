"""The loss of a stage: the weighted sum of what its configuration names. Knows no networks and no batches.

Shapes: B sets, N embeddings of a set, D embedding.
"""

from __future__ import annotations

from torch import Tensor, nn

from encoder.training.config import LossConfig
from encoder.training.local_losses import ProxyClassifier, clews_loss, contrastive_loss, triplet_loss


class Objective(nn.Module):
    """Losses on sets of embeddings; its parameters are the proxies, which only training needs."""

    def __init__(self, config: LossConfig, classes: int, dimensions: int) -> None:
        super().__init__()
        self._config = config
        own = config.classification
        self.classifier = (
            ProxyClassifier(
                classes,
                dimensions,
                proxies=own.proxies,
                label_smoothing=own.label_smoothing,
                learnt_scale=own.learnt_scale,
            )
            if own is not None
            else None
        )

    def forward(self, emb_BND: Tensor, mask_BN: Tensor, clique_B: Tensor) -> dict[str, Tensor]:
        """Each loss by name, weighted; their sum is the objective.

        Args:
            emb_BND: Unit vectors, anything where masked.
            mask_BN: True where a set has an embedding.
            clique_B: Class of each set.
        """
        terms: dict[str, Tensor] = {}
        config = self._config
        if config.classification is not None and self.classifier is not None:
            terms["classification"] = config.classification.weight * self.classifier(emb_BND, mask_BN, clique_B)
        if config.triplet is not None:
            triplet = triplet_loss(
                emb_BND, mask_BN, clique_B, factor=config.triplet.factor, mining=config.triplet.mining
            )
            terms["triplet"] = config.triplet.weight * triplet
        if config.clews is not None:
            terms["clews"] = config.clews.weight * clews_loss(emb_BND, mask_BN, clique_B, gamma=config.clews.gamma)
        if config.contrastive is not None:
            contrastive = contrastive_loss(emb_BND, mask_BN, clique_B, temperature=config.contrastive.temperature)
            terms["contrastive"] = config.contrastive.weight * contrastive
        return terms
