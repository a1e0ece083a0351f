"""MaxMean of a batch against the matcher's own and against a loop; masks, ties, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from encoder.training.max_mean import EmptySetError, cosines, max_mean
from index.maxmean import max_mean as of_the_matcher

D = 8


def sets(counts: list[int], seed: int) -> tuple[Tensor, Tensor]:
    """Unit vectors [B, N, D] and their mask; what is masked is far too good to be true."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(counts)
    emb_BND = normalize(torch.randn(len(counts), longest, D, generator=generator), dim=2)
    mask_BN = torch.arange(longest)[None] < torch.tensor(counts)[:, None]
    emb_BND[~mask_BN] = 10.0
    return emb_BND, mask_BN


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    first=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    second=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_it_is_the_matchers_max_mean(first: list[int], second: list[int], seed: int) -> None:
    """Every pair of sets as `index.maxmean` scores it, whatever else is in the batch and behind the masks."""
    emb_AMD, mask_AM = sets(first, seed)
    emb_BND, mask_BN = sets(second, seed + 1)
    found_AB = max_mean(cosines(emb_AMD, emb_BND), mask_AM, mask_BN)
    for a, m in enumerate(first):
        for b, n in enumerate(second):
            expected = of_the_matcher(emb_AMD[a, :m].numpy(), emb_BND[b, :n].numpy())
            assert found_AB[a, b].item() == pytest.approx(expected, abs=1e-5)


def test_on_a_tie_the_query_is_first() -> None:
    """Two chunks against two: the mean is over the query's best, which differs from the track's."""
    similarity = torch.tensor([[0.9, 0.1], [0.8, 0.2]])
    both = torch.ones(1, 2, dtype=torch.bool)
    assert max_mean(similarity[None, None], both, both).item() == pytest.approx((0.9 + 0.8) / 2)
    assert max_mean(similarity.T[None, None], both, both).item() == pytest.approx((0.9 + 0.2) / 2)


def test_negative_similarities_win_against_masked_places() -> None:
    """Nothing behind a mask counts as 0, which would beat them."""
    similarity = torch.full((1, 1, 2, 3), -0.5)
    mask_AM, mask_BN = torch.tensor([[True, False]]), torch.tensor([[True, True, False]])
    assert max_mean(similarity, mask_AM, mask_BN).item() == pytest.approx(-0.5)


def test_gradients_reach_what_was_best_and_nothing_else() -> None:
    """A masked embedding and one that is best for nobody get no gradient; all is finite."""
    emb_AMD, mask_AM = sets([2], 3)
    emb_BND, mask_BN = sets([3, 1], 4)
    emb_BND.requires_grad_()
    max_mean(cosines(emb_AMD, emb_BND), mask_AM, mask_BN).sum().backward()
    gradient = emb_BND.grad
    assert gradient is not None
    assert bool(torch.isfinite(gradient).all())
    assert bool((gradient[~mask_BN] == 0).all())
    assert int((gradient[0].abs().sum(1) > 0).sum()) <= 2


def test_an_empty_set_is_refused() -> None:
    """Silence has no embedding and no place in a batch."""
    with pytest.raises(EmptySetError, match="silent"):
        max_mean(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, dtype=torch.bool), torch.ones(1, 1, dtype=torch.bool))


def test_half_precision_is_compared_in_full() -> None:
    """bf16 embeddings give float32 similarities."""
    emb_BND, _ = sets([3, 3], 5)
    assert cosines(emb_BND.bfloat16(), emb_BND.bfloat16()).dtype == torch.float32
    assert np.isfinite(cosines(emb_BND, emb_BND).numpy()).all()
