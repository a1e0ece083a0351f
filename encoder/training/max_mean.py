"""MaxMean of sets of embeddings, differentiable and for all pairs of a batch at once. Knows nothing of losses.

`index.maxmean` is the same function for one query and the catalogue (NumPy, no gradients); a test compares the two.

Shapes: A and B sets, M and N embeddings of a set (the batch's longest), D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from encoder.errors import EncoderError


class EmptySetError(EncoderError):
    """A set without embeddings has no MaxMean."""


def max_mean(similarity_ABMN: Tensor, mask_AM: Tensor, mask_BN: Tensor) -> Tensor:
    """MaxMean of every pair of sets (ByteCover3, eq. 1 and 2).

    For each embedding of the side with fewer, the best similarity on the other side; then the mean of these. The first
    sets (A) are the queries: on a tie the mean is over them.

    Args:
        similarity_ABMN: Similarities of all embeddings of all pairs; what is masked may hold anything finite.
        mask_AM: True where the first sets have an embedding.
        mask_BN: True where the second sets have one.

    Returns:
        [A, B].

    Raises:
        EmptySetError: A set has no embedding.
    """
    count_A, count_B = mask_AM.sum(1), mask_BN.sum(1)
    if bool((count_A == 0).any()) or bool((count_B == 0).any()):
        raise EmptySetError("a set without embeddings has no MaxMean; leave silent tracks out of the batch")
    lowest = torch.finfo(similarity_ABMN.dtype).min
    # Only what is searched is masked out; of what is averaged, masked places are left out of the sum.
    best_ABM = similarity_ABMN.masked_fill(~mask_BN[None, :, None, :], lowest).amax(3)
    best_ABN = similarity_ABMN.masked_fill(~mask_AM[:, None, :, None], lowest).amax(2)
    over_queries_AB = best_ABM.masked_fill(~mask_AM[:, None, :], 0.0).sum(2) / count_A[:, None]
    over_tracks_AB = best_ABN.masked_fill(~mask_BN[None], 0.0).sum(2) / count_B[None]
    return torch.where(count_A[:, None] <= count_B[None], over_queries_AB, over_tracks_AB)


def cosines(first_AMD: Tensor, second_BND: Tensor) -> Tensor:
    """Similarities [A, B, M, N] of unit vectors, in float32 whatever the precision of the passes."""
    return torch.einsum("amd,bnd->abmn", first_AMD.float(), second_BND.float())
