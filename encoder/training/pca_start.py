"""PCA-FC starts as ByteCover2 starts it: from the principal axes of pooled channels. Knows no losses and no files.

Shapes: n chunks, C channels, D embedding, F pitch bins (84), T averaged frames.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from encoder.features import prepare
from encoder.network import EmbeddingNetwork
from encoder.training.batches import Batch
from encoder.training.stage import DivergedError
from encoder.training.versions import Array


def pooled_means(network: EmbeddingNetwork, batches: Iterable[Batch]) -> Array:
    """Pooled channels [n, C] of all chunks of some batches, after the neck: what PCA-FC is a PCA of."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [
            network.pool(network.trunk(prepare(group.mean_nFT, tuned=network.tuned).to(device)))
            for batch in batches
            for group in batch.groups
        ]
        neck_nC: Array = network.head.neck(torch.cat(parts).float()).cpu().numpy()
    return neck_nC


def start_from_pca(network: EmbeddingNetwork, neck_nC: Array) -> None:
    """Sets PCA-FC to the principal axes of pooled channels (ByteCover2), in place.

    Where there are more dimensions than channels, the remaining rows stay as they are.

    Raises:
        DivergedError: The channels are not finite.
    """
    if not np.isfinite(neck_nC).all():
        raise DivergedError("pooled channels are not finite; PCA-FC cannot start from them")
    centred_nC = neck_nC - neck_nC.mean(axis=0)
    _, _, axes_CC = np.linalg.svd(centred_nC, full_matrices=False)
    weight_DC = network.head.project.weight
    rows = min(len(weight_DC), len(axes_CC))
    with torch.no_grad():
        weight_DC[:rows] = torch.from_numpy(axes_CC[:rows].astype(np.float32)).to(weight_DC.device)
