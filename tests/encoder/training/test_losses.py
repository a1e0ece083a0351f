"""The contrastive loss against its formula, written out."""

from __future__ import annotations

import math

import pytest
import torch

from encoder.training.losses import contrastive_loss


def test_loss_is_its_formula() -> None:
    """Each positive pair against all views of other songs; the song's other views take no part."""
    emb_GVD = torch.nn.functional.normalize(torch.randn((3, 2, 8), generator=torch.Generator().manual_seed(0)), dim=2)
    total = 0.0
    for g in range(3):
        for v in range(2):
            anchor, positive = emb_GVD[g, v], emb_GVD[g, 1 - v]
            others = [emb_GVD[h, w] for h in range(3) for w in range(2) if h != g]
            top = math.exp(float(anchor @ positive) / 0.1)
            total -= math.log(top / (top + sum(math.exp(float(anchor @ other) / 0.1) for other in others)))
    assert float(contrastive_loss(emb_GVD, 0.1)) == pytest.approx(total / 6, rel=1e-4)


def test_loss_is_low_where_songs_are_told_apart() -> None:
    """Equal views and orthogonal songs cost nearly nothing; equal songs cost the logarithm of their number."""
    apart = torch.eye(4)[:, None].expand(4, 3, 4)
    alike = torch.ones((4, 3, 4)) / 2
    assert float(contrastive_loss(apart)) < 1e-3
    assert float(contrastive_loss(alike)) == pytest.approx(math.log(10), rel=1e-4)
