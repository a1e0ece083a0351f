"""Losses on unit embeddings. Knows nothing of networks, songs or optimisers.

Shapes: G songs, V views of each, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive_loss(emb_GVD: Tensor, temperature: float = 0.1) -> Tensor:
    """Each pair of views of one song against all views of other songs, by softmax of the cosine.

    For anchor i and positive j the loss is −log(e^{s_ij/τ} / (e^{s_ij/τ} + Σ_k e^{s_ik/τ})), k over the views of
    other songs; the other positives of i are left out, so that they do not push each other away.

    Args:
        emb_GVD: Unit vectors, [songs, views, D], at least 2 songs and 2 views.
        temperature: τ.

    Returns:
        The mean over all pairs, a scalar.
    """
    songs, views, dimensions = emb_GVD.shape
    flat = emb_GVD.reshape(songs * views, dimensions).float()
    logits = flat @ flat.T / temperature
    song = torch.arange(songs, device=flat.device).repeat_interleave(views)
    same = song[:, None] == song[None, :]
    negatives = torch.logsumexp(logits.masked_fill(same, float("-inf")), dim=1)
    off_diagonal = ~torch.eye(len(flat), dtype=torch.bool, device=flat.device)
    positives = logits[same & off_diagonal].reshape(len(flat), views - 1)
    return torch.nn.functional.softplus(negatives[:, None] - positives).mean()
