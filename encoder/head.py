"""From pooled channels to a unit vector: BNNeck, then PCA-FC. Knows nothing of how the channels were made.

Shapes: B batch, C channels, D embedding (512).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EmbeddingHead(nn.Module):
    """BNNeck (a batch norm), a linear map to D (PCA-FC), a batch norm without scale and shift, and unit length.

    The linear map stands where ByteCover2 and 3 put PCA-FC: it may start from a PCA of the pooled channels or, as
    here, from random numbers. The last norm gives each dimension the same weight in the cosine.
    """

    def __init__(self, channels: int, dimensions: int = 512) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(channels)
        self.project = nn.Linear(channels, dimensions, bias=False)
        self.whiten = nn.BatchNorm1d(dimensions, affine=False)

    def forward(self, pooled_BC: Tensor) -> Tensor:
        """Maps [B, C] to unit vectors [B, D], in float32 whatever the autocast, so that near ties stay apart."""
        with torch.autocast(pooled_BC.device.type, enabled=False):
            emb_BD = self.whiten(self.project(self.neck(pooled_BC.float())))
            return nn.functional.normalize(emb_BD, dim=1)
