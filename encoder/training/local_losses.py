"""The local alignment loss of ByteCover3 and what others found since, on sets of embeddings. Knows no networks.

A set is one recording: its chunks' embeddings and a mask. A set's clique is the number of its work.

Shapes: B sets, N embeddings of a set (the batch's longest), D embedding, K classes, L proxies of a class.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, relu, softplus

from encoder.errors import EncoderError
from encoder.training.max_mean import cosines, max_mean

PROXY_RANGE = 0.076
"""Proxies start uniform in ± this, as the published code of ByteCover does."""
Mining = Literal["all", "hardest"]


class BatchError(EncoderError):
    """A batch from which a loss cannot be made."""


class ProxyClassifier(nn.Module):
    """Classification by MaxMean to the proxies of each class (eq. 3, 4)."""

    def __init__(
        self,
        classes: int,
        dimensions: int,
        *,
        proxies: int = 9,
        label_smoothing: float = 0.0,
        learnt_scale: bool = True,
    ) -> None:
        """Proxies start at random.

        Args:
            classes: K, training works.
            dimensions: D.
            proxies: L of each class.
            label_smoothing: Of the cross entropy; 0 is the paper.
            learnt_scale: Logits are multiplied by a learnt number that starts at e; else by 1, as eq. 3 is printed.
        """
        super().__init__()
        self.proxy_KLD = nn.Parameter(torch.empty(classes, proxies, dimensions).uniform_(-PROXY_RANGE, PROXY_RANGE))
        self.log_scale = nn.Parameter(torch.ones(()) if learnt_scale else torch.zeros(()), requires_grad=learnt_scale)
        self.label_smoothing = label_smoothing

    def logits(self, emb_BND: Tensor, mask_BN: Tensor) -> Tensor:
        """Scaled MaxMean of each set to each class, [B, K]; the set is the query."""
        classes, proxies, _ = self.proxy_KLD.shape
        similarity_BKNL = cosines(emb_BND, normalize(self.proxy_KLD, dim=2))
        every_KL = torch.ones(classes, proxies, dtype=torch.bool, device=emb_BND.device)
        return self.log_scale.exp() * max_mean(similarity_BKNL, mask_BN, every_KL)

    def forward(self, emb_BND: Tensor, mask_BN: Tensor, clique_B: Tensor) -> Tensor:
        """Mean cross entropy, a scalar.

        Args:
            emb_BND: Unit vectors.
            mask_BN: True where a set has an embedding.
            clique_B: Class of each set, 0 to K - 1.
        """
        return cross_entropy(self.logits(emb_BND, mask_BN), clique_B, label_smoothing=self.label_smoothing)


def triplet_loss(
    emb_BND: Tensor, mask_BN: Tensor, clique_B: Tensor, *, factor: float = 1.0, mining: Mining = "all"
) -> Tensor:
    """[factor · negative − positive]₊ of MaxMean similarities (eq. 5: factor 1, no margin).

    Args:
        emb_BND: Unit vectors.
        mask_BN: True where a set has an embedding.
        clique_B: Work of each set.
        factor: 1 is the paper; 1.1 asks positives to be ahead by a tenth.
        mining: `all` is the mean over all triplets; `hardest` takes the least positive and the greatest negative of
            each anchor.

    Raises:
        BatchError: No set has both a positive and a negative.
    """
    similarity_BB = max_mean(cosines(emb_BND, emb_BND), mask_BN, mask_BN)
    positive_BB, negative_BB = _pairs(clique_B)
    if mining == "hardest":
        whole_B = positive_BB.any(1) & negative_BB.any(1)
        least_B = similarity_BB.masked_fill(~positive_BB, float("inf")).amin(1)
        most_B = similarity_BB.masked_fill(~negative_BB, float("-inf")).amax(1)
        return relu(factor * most_B[whole_B] - least_B[whole_B]).mean()
    triplet_BBB = positive_BB[:, :, None] & negative_BB[:, None, :]
    excess_BBB = factor * similarity_BB[:, None, :] - similarity_BB[:, :, None]
    return relu(excess_BBB[triplet_BBB]).mean()


def clews_loss(
    emb_BND: Tensor, mask_BN: Tensor, clique_B: Tensor, *, gamma: float = 5.0, epsilon: float = 1e-6
) -> Tensor:
    """Contrastive loss of segments by Serrà et al. (2025): alignment of best pairs, uniformity of all others.

    The distance of two sets is, for positives, the mean of squared distances of best pairs taken without
    replacement (the nearest pair first, as many as the smaller set has); for negatives the least squared distance.
    The published code divides squared distances by D and does not bring vectors to unit norm; here they have it, so
    distances are 0 to 4 and γ means something else.
    Loss = mean of positive distances + log(ε + mean of e^(−γ · negative distance)).

    Args:
        emb_BND: Unit vectors.
        mask_BN: True where a set has an embedding.
        clique_B: Work of each set.
        gamma: γ, how far negatives are pushed.
        epsilon: ε.

    Raises:
        BatchError: There is no positive pair or no negative one.
    """
    positive_BB, negative_BB = _pairs(clique_B)
    distance_BBNN = 2.0 - 2.0 * cosines(emb_BND, emb_BND)
    outside_BBNN = ~(mask_BN[:, None, :, None] & mask_BN[None, :, None, :])
    nearest_BB = distance_BBNN.masked_fill(outside_BBNN, float("inf")).amin((2, 3))
    spread = torch.log(epsilon + torch.exp(-gamma * nearest_BB[negative_BB]).mean())
    return best_pairs(distance_BBNN, mask_BN)[positive_BB].mean() + spread


def contrastive_loss(emb_BND: Tensor, mask_BN: Tensor, clique_B: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Each pair of recordings of one work against all recordings of others, by softmax of MaxMean.

    For anchor i and positive j the loss is −log(e^{s_ij/τ} / (e^{s_ij/τ} + Σ_k e^{s_ik/τ})), k over the recordings of
    other works; the other positives of i are left out, so that they do not push each other away.

    Args:
        emb_BND: Unit vectors.
        mask_BN: True where a set has an embedding.
        clique_B: Work of each set.
        temperature: τ.

    Returns:
        The mean over all pairs, a scalar.

    Raises:
        BatchError: There is no positive pair or no negative one.
    """
    positive_BB, negative_BB = _pairs(clique_B)
    logit_BB = max_mean(cosines(emb_BND, emb_BND), mask_BN, mask_BN) / temperature
    others_B = torch.logsumexp(logit_BB.masked_fill(~negative_BB, float("-inf")), dim=1)
    return softplus(others_B[:, None] - logit_BB)[positive_BB].mean()


def best_pairs(distance_BBNN: Tensor, mask_BN: Tensor) -> Tensor:
    """Mean distance [B, B] of best pairs without replacement: the nearest pair leaves, then the nearest of the rest."""
    sets, longest = mask_BN.shape
    count_BB = torch.minimum(mask_BN.sum(1)[:, None], mask_BN.sum(1)[None])
    taken = ~(mask_BN[:, None, :, None] & mask_BN[None, :, None, :])
    total_BB = torch.zeros(sets, sets, dtype=distance_BBNN.dtype, device=distance_BBNN.device)
    for turn in range(longest):
        flat = distance_BBNN.masked_fill(taken, float("inf")).reshape(sets, sets, -1)
        least_BB, place_BB = flat.min(2)
        there_BB = turn < count_BB
        total_BB = total_BB + torch.where(there_BB, least_BB, 0.0)
        row_BBN = torch.arange(longest, device=place_BB.device) == (place_BB // longest)[..., None]
        column_BBN = torch.arange(longest, device=place_BB.device) == (place_BB % longest)[..., None]
        taken = taken | row_BBN[..., :, None] | column_BBN[..., None, :]
    return total_BB / count_BB


def _pairs(clique_B: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of different sets are of one work, and which are not."""
    same_BB = clique_B[:, None] == clique_B[None]
    positive_BB = same_BB & ~torch.eye(len(clique_B), dtype=torch.bool, device=clique_B.device)
    if not bool((positive_BB.any(1) & (~same_BB).any(1)).any()):
        raise BatchError("a batch needs two recordings of one work and one of another")
    return positive_BB, ~same_BB
