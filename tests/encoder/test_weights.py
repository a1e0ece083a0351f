"""Folders of weights: what is written is read back, what is damaged is refused in one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.errors import WeightsError
from encoder.network import EmbeddingNetwork, EncoderConfig, FoldedConfig, build_network
from encoder.weights import CALIBRATION_FILE, CARD_FILE, NETWORK_FILE, fingerprint, load_weights, save_weights

CONFIG = EncoderConfig(network=FoldedConfig(stem=2, widths=(4,), blocks=(1,), time_strides=(1,)))


def _network(seed: int = 0) -> EmbeddingNetwork:
    torch.manual_seed(seed)
    return build_network(CONFIG).eval()


def _saved(path: Path) -> str:
    cohort_CD = np.eye(3, 512, dtype=np.float32)
    return save_weights(path, CONFIG, _network(), cohort_CD, {"licence": "MIT"})


def test_round_trip(tmp_path: Path) -> None:
    """A load gives the configuration, the fingerprint, the cohort and a network with the same output."""
    network = _network()
    cohort_CD = np.eye(3, 512, dtype=np.float32)
    mark = save_weights(tmp_path, CONFIG, network, cohort_CD, {"licence": "MIT"})
    loaded = load_weights(tmp_path)
    assert (loaded.fingerprint, loaded.config, loaded.card["licence"]) == (mark, CONFIG, "MIT")
    np.testing.assert_array_equal(loaded.cohort_CD, cohort_CD)
    assert loaded.calibration == {}
    x_BFT = torch.rand((2, 84, 12), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(loaded.network(x_BFT), network(x_BFT))


def test_calibration_is_read_where_it_is_there(tmp_path: Path) -> None:
    """calibration.json is passed on as it is."""
    _saved(tmp_path)
    (tmp_path / CALIBRATION_FILE).write_text('{"threshold": 0.5}')
    assert load_weights(tmp_path).calibration == {"threshold": 0.5}


def test_fingerprint_tells_weights_and_configurations_apart() -> None:
    """Another tensor or another configuration is another fingerprint; the same is the same."""
    network = _network()
    mark = fingerprint(CONFIG, network)
    assert mark == fingerprint(CONFIG, _network())
    assert mark != fingerprint(CONFIG, _network(1))
    assert mark != fingerprint(CONFIG.model_copy(update={"average_frames": 10}), network)


def test_missing_folder_is_an_error_with_its_name(tmp_path: Path) -> None:
    """The message names the file that is not there."""
    with pytest.raises(WeightsError, match=r"card\.json is missing"):
        load_weights(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 7, 200])
def test_torn_weights_are_refused(tmp_path: Path, keep: int) -> None:
    """A file cut short is an error, not a crash."""
    _saved(tmp_path)
    path = tmp_path / NETWORK_FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="cannot read"):
        load_weights(tmp_path)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    """A flipped bit in the tensors does not fit the card's fingerprint."""
    _saved(tmp_path)
    path = tmp_path / NETWORK_FILE
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="not what its card says"):
        load_weights(tmp_path)


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    """The message says which version was found and which is read."""
    _saved(tmp_path)
    card = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(WeightsError, match="format 99, this version reads 1"):
        load_weights(tmp_path)


def test_weights_of_another_configuration_are_refused(tmp_path: Path) -> None:
    """Tensors that the configured network does not have are named."""
    _saved(tmp_path)
    card = json.loads((tmp_path / CARD_FILE).read_text())
    card["encoder"]["network"]["widths"] = [6]
    (tmp_path / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="does not fit its configuration"):
        load_weights(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_damaged_card_is_refused(tmp_path: Path, text: str) -> None:
    """A card that is no JSON object is an error."""
    _saved(tmp_path)
    (tmp_path / CARD_FILE).write_text(text)
    with pytest.raises(WeightsError, match="cannot read"):
        load_weights(tmp_path)
