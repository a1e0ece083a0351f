"""Generalised-mean pooling over pitch and time. Knows nothing of the network in front of it or of the embedding behind.

Shapes: B batch, C channels, H pitch, W time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GeM(nn.Module):
    """Generalised mean, (mean x^p)^(1/p), with one learnable exponent.

    Source: Radenović et al., "Fine-tuning CNN image retrieval with no human annotation" (2018); ByteCover2 and 3 use
    it in place of average pooling. p = 1 is the mean, p → ∞ the maximum.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Pools [B, C, H, W] to [B, C]; computed in float32, since powers of bfloat16 lose the small values."""
        with torch.autocast(x_BCHW.device.type, enabled=False):
            # Clamped so that a wild step in training cannot make the exponent zero or the powers overflow.
            p = self.p.float().clamp(1.0, 8.0)
            powered_BC = x_BCHW.float().clamp(min=self.eps).pow(p).mean(dim=(2, 3))
            return powered_BC.pow(1.0 / p)
