"""The two networks, their pooling and their head."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from encoder.features import normalise
from encoder.folded import FoldedTrunk, register_weights
from encoder.fuse import fuse
from encoder.head import EmbeddingHead
from encoder.network import EmbeddingNetwork, EncoderConfig, FoldedConfig, ResNet50IBNConfig, build_network
from encoder.pooling import GeM
from encoder.resnet import ResNet50IBNTrunk


def _trained_like(network: EmbeddingNetwork, frames: int) -> EmbeddingNetwork:
    """Norms with statistics and gains as training leaves them, so that nothing is the identity by chance."""
    generator = torch.Generator().manual_seed(3)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1 and "norm" in name:
            parameter.data = 0.5 + torch.rand(parameter.shape, generator=generator)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(normalise(torch.rand((8, 84, frames), generator=generator) ** 4))
    return network.eval()


def test_gem_is_the_mean_at_one_and_near_the_maximum_at_large_p() -> None:
    """The exponent goes from the mean to the maximum."""
    x_BCHW = torch.rand((2, 3, 6, 5), generator=torch.Generator().manual_seed(0)) + 0.1
    torch.testing.assert_close(GeM(1.0)(x_BCHW), x_BCHW.mean(dim=(2, 3)))
    assert torch.all(GeM(8.0)(x_BCHW) > 0.75 * x_BCHW.amax(dim=(2, 3)))


def test_gem_learns_its_exponent() -> None:
    """The exponent starts at 3 and has a gradient."""
    pool = GeM()
    pool(torch.rand((2, 3, 6, 5), generator=torch.Generator().manual_seed(0))).sum().backward()
    assert float(pool.p.detach()) == 3.0
    assert pool.p.grad is not None
    assert float(pool.p.grad) != 0.0


def test_head_gives_unit_vectors() -> None:
    """Whatever the pooled values, an embedding has length 1."""
    head = EmbeddingHead(16, 512).eval()
    emb_BD = head(100 * torch.rand((4, 16), generator=torch.Generator().manual_seed(0)))
    assert emb_BD.shape == (4, 512)
    torch.testing.assert_close(emb_BD.norm(dim=1), torch.ones(4))


def test_registers_share_out_every_octave() -> None:
    """Each register is a weighted mean, and each octave counts in one of them."""
    weights_RO = register_weights()
    torch.testing.assert_close(weights_RO.sum(dim=1), torch.ones(3))
    assert torch.all(weights_RO.sum(dim=0) > 0)


def test_folded_trunk_never_strides_pitch() -> None:
    """84 bins become 12 pitch classes and stay 12; time is halved twice."""
    trunk = FoldedTrunk(16, (48, 64, 96, 128), (1, 1, 1, 1), (1, 2, 2, 1)).eval()
    assert trunk(torch.rand((2, 84, 43))).shape == (2, 128, 12, 11)


def test_folded_network_is_nearly_blind_to_transposition() -> None:
    """Music in the middle of the range, a semitone up, has nearly the same embedding; other music has not."""
    torch.manual_seed(0)
    network = _trained_like(build_network(EncoderConfig()), 43)
    generator = torch.Generator().manual_seed(5)
    low = torch.zeros((2, 84, 43))
    low[:, 20:60] = torch.rand((2, 40, 43), generator=generator) ** 6
    high = torch.zeros_like(low)
    high[:, 21:61] = low[:, 20:60]
    with torch.inference_mode():
        first, second = network(normalise(low)), network(normalise(high))
    own = (first * second).sum(dim=1).min()
    other = (first[0] * first[1]).sum()
    assert own > 0.95
    assert own > other


def test_paper_backbone_has_the_papers_shapes() -> None:
    """C = 2048, H = 6, W = T / 8."""
    trunk = ResNet50IBNTrunk().eval()
    with torch.inference_mode():
        assert trunk(torch.rand((1, 84, 8))).shape == (1, 2048, 6, 1)
        assert trunk(torch.rand((1, 84, 32))).shape == (1, 2048, 6, 4)


def test_paper_backbone_has_instance_norm_in_stages_one_to_three_only() -> None:
    """IBN-a: 3 + 4 + 6 blocks with instance norm, none in the last stage."""
    names = [name for name, _ in ResNet50IBNTrunk().named_modules() if name.endswith("instance")]
    assert len(names) == 3 + 4 + 6
    assert all(int(name.split(".")[1]) < 13 for name in names)


@pytest.mark.parametrize(
    ("config", "frames"),
    [
        (EncoderConfig(network=FoldedConfig(stem=4, widths=(8, 12), blocks=(1, 2), time_strides=(1, 2))), 43),
        (EncoderConfig(network=ResNet50IBNConfig(), average_frames=100), 8),
    ],
    ids=["folded", "paper"],
)
def test_fusing_changes_only_rounding(config: EncoderConfig, frames: int) -> None:
    """The network for inference gives what the trained one gives."""
    torch.manual_seed(1)
    network = _trained_like(build_network(config), frames)
    x_BFT = normalise(torch.rand((3, 84, frames), generator=torch.Generator().manual_seed(9)) ** 4)
    with torch.inference_mode():
        torch.testing.assert_close(fuse(network)(x_BFT), network(x_BFT), atol=2e-5, rtol=0)


def test_stages_of_different_number_are_refused() -> None:
    """Widths, blocks and strides describe the same stages."""
    with pytest.raises(ValidationError, match="one entry for each stage"):
        FoldedConfig(widths=(8, 12), blocks=(1,), time_strides=(1, 2))
