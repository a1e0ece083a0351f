"""The local alignment loss and its kin against loops and hand-worked cases."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from encoder.training.local_losses import (
    BatchError,
    ProxyClassifier,
    best_pairs,
    clews_loss,
    contrastive_loss,
    triplet_loss,
)
from encoder.training.max_mean import cosines, max_mean
from index.maxmean import max_mean as of_the_matcher

D = 6
COUNTS = [1, 3, 2, 4, 2, 3]
CLIQUE_B = torch.tensor([0, 0, 1, 1, 2, 2])


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    emb_BND = normalize(torch.randn(len(COUNTS), max(COUNTS), D, generator=generator), dim=2)
    return emb_BND, torch.arange(max(COUNTS))[None] < torch.tensor(COUNTS)[:, None]


def similarity(emb_BND: Tensor, a: int, b: int) -> float:
    return of_the_matcher(emb_BND[a, : COUNTS[a]].numpy(), emb_BND[b, : COUNTS[b]].numpy())


def test_logits_are_max_mean_to_proxies() -> None:
    """Equation 4, one set and one class at a time; the scale starts at e, proxies are small."""
    torch.manual_seed(1)
    classifier, (emb_BND, mask_BN) = ProxyClassifier(5, D, proxies=3), batch()
    assert classifier.proxy_KLD.abs().max().item() <= 0.076
    logits_BK = classifier.logits(emb_BND, mask_BN).detach()
    proxies = normalize(classifier.proxy_KLD.detach(), dim=2).numpy()
    for b, k in itertools.product(range(len(COUNTS)), range(5)):
        expected = math.e * of_the_matcher(emb_BND[b, : COUNTS[b]].numpy(), proxies[k])
        assert logits_BK[b, k].item() == pytest.approx(expected, abs=1e-5)


def test_classification_learns_its_classes() -> None:
    """A few steps on the proxies alone make the right class the likeliest."""
    torch.manual_seed(2)
    classifier, (emb_BND, mask_BN) = ProxyClassifier(3, D, label_smoothing=0.1), batch()
    optimiser = torch.optim.Adam(classifier.parameters(), lr=0.05)
    first = classifier(emb_BND, mask_BN, CLIQUE_B).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = classifier(emb_BND, mask_BN, CLIQUE_B)
        loss.backward()
        optimiser.step()
    assert loss.item() < first
    assert classifier.logits(emb_BND, mask_BN).argmax(1).tolist() == CLIQUE_B.tolist()


@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_the_triplet_is_the_papers(factor: float) -> None:
    """Equation 5 over every anchor, positive and negative; 1.1 is the variant."""
    emb_BND, mask_BN = batch(3)
    terms = [
        max(0.0, factor * similarity(emb_BND, a, n) - similarity(emb_BND, a, p))
        for a, p, n in itertools.permutations(range(len(COUNTS)), 3)
        if CLIQUE_B[a] == CLIQUE_B[p] != CLIQUE_B[n]
    ]
    found = triplet_loss(emb_BND, mask_BN, CLIQUE_B, factor=factor).item()
    assert found == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_the_hardest_of_a_batch() -> None:
    """Of each anchor the least positive and the greatest negative."""
    emb_BND, mask_BN = batch(4)
    terms = []
    for a in range(len(COUNTS)):
        others = [b for b in range(len(COUNTS)) if b != a]
        least = min(similarity(emb_BND, a, p) for p in others if CLIQUE_B[p] == CLIQUE_B[a])
        most = max(similarity(emb_BND, a, n) for n in others if CLIQUE_B[n] != CLIQUE_B[a])
        terms.append(max(0.0, 1.1 * most - least))
    found = triplet_loss(emb_BND, mask_BN, CLIQUE_B, factor=1.1, mining="hardest").item()
    assert found == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_an_anchor_without_a_positive_is_left_out() -> None:
    """A work that came once gives negatives to the others and no triplet of its own."""
    emb_BND, mask_BN = batch(5)
    alone = torch.tensor([0, 0, 1, 1, 2, 3])
    for mining in ("all", "hardest"):
        loss = triplet_loss(emb_BND, mask_BN, alone, mining=mining)  # type: ignore[arg-type]
        assert bool(torch.isfinite(loss))


def test_best_pairs_without_replacement() -> None:
    """The nearest pair leaves first; then the nearest of what is left, though its row has a better one."""
    distance = torch.tensor([[0.1, 0.2, 0.9], [0.15, 0.8, 0.7], [9.0, 9.0, 9.0]])
    mask_BN = torch.tensor([[True, True, False], [True, True, True]])
    pairs_BB = best_pairs(distance.expand(2, 2, 3, 3), mask_BN)
    assert pairs_BB[0, 1].item() == pytest.approx((0.1 + 0.7) / 2)
    assert pairs_BB[0, 0].item() == pytest.approx((0.1 + 0.8) / 2)


def test_clews_by_hand() -> None:
    """Alignment and uniformity, pair by pair."""
    emb_BND, mask_BN = batch(6)
    distance = (2 - 2 * cosines(emb_BND, emb_BND)).numpy()
    positive, negative = [], []
    for a, b in itertools.permutations(range(len(COUNTS)), 2):
        block = distance[a, b, : COUNTS[a], : COUNTS[b]]
        if CLIQUE_B[a] == CLIQUE_B[b]:
            rest = {(i, j): float(block[i, j]) for i, j in itertools.product(*map(range, block.shape))}
            taken = []
            while rest:
                i, j = min(rest, key=lambda key: rest[key])
                taken.append(rest[i, j])
                rest = {key: value for key, value in rest.items() if key[0] != i and key[1] != j}
            positive.append(sum(taken) / len(taken))
        else:
            negative.append(math.exp(-5.0 * block.min()))
    expected = sum(positive) / len(positive) + math.log(1e-6 + sum(negative) / len(negative))
    assert clews_loss(emb_BND, mask_BN, CLIQUE_B).item() == pytest.approx(expected, abs=1e-5)


def test_every_loss_has_finite_gradients() -> None:
    """Masked places get none."""
    torch.manual_seed(7)
    emb_BND, mask_BN = batch(7)
    emb_BND.requires_grad_()
    loss = ProxyClassifier(3, D)(emb_BND, mask_BN, CLIQUE_B)
    loss = loss + triplet_loss(emb_BND, mask_BN, CLIQUE_B) + clews_loss(emb_BND, mask_BN, CLIQUE_B)
    loss.backward()
    assert emb_BND.grad is not None
    assert bool(torch.isfinite(emb_BND.grad).all())
    assert bool((emb_BND.grad[~mask_BN] == 0).all())


def test_a_batch_of_strangers_is_refused() -> None:
    """Without a second version of any work there is nothing to learn."""
    emb_BND, mask_BN = batch(8)
    with pytest.raises(BatchError, match="two recordings of one work"):
        triplet_loss(emb_BND, mask_BN, torch.arange(len(COUNTS)))
    with pytest.raises(BatchError, match="two recordings of one work"):
        clews_loss(emb_BND, mask_BN, torch.zeros(len(COUNTS), dtype=torch.long))


def test_contrastive_loss_is_its_formula() -> None:
    """Each positive pair against all recordings of other works, by MaxMean; a work's others take no part."""
    generator = torch.Generator().manual_seed(0)
    emb_BND = torch.nn.functional.normalize(torch.randn((6, 3, 8), generator=generator), dim=2)
    mask_BN = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]], dtype=torch.bool)
    clique_B = torch.tensor([0, 0, 1, 1, 2, 2])
    similarity_BB = max_mean(cosines(emb_BND, emb_BND), mask_BN, mask_BN).tolist()
    total = 0.0
    for anchor in range(6):
        top = math.exp(similarity_BB[anchor][anchor ^ 1] / 0.1)
        others = [math.exp(similarity_BB[anchor][k] / 0.1) for k in range(6) if k // 2 != anchor // 2]
        total -= math.log(top / (top + sum(others)))
    assert float(contrastive_loss(emb_BND, mask_BN, clique_B)) == pytest.approx(total / 6, rel=1e-4)


def test_contrastive_loss_is_low_where_works_are_told_apart() -> None:
    """Equal views and orthogonal works cost nearly nothing; equal works cost the logarithm of their number."""
    clique_B = torch.arange(4).repeat_interleave(3)
    mask_BN = torch.ones((12, 1), dtype=torch.bool)
    assert float(contrastive_loss(torch.eye(4)[clique_B][:, None], mask_BN, clique_B)) < 1e-3
    alike = torch.ones((12, 1, 4)) / 2
    assert float(contrastive_loss(alike, mask_BN, clique_B)) == pytest.approx(math.log(10), rel=1e-4)
