"""Weights on disk: a folder with network, cohort, calibration and model card. Knows nothing of how they are used.

weights.safetensors   the network's state; kernels may be float16, all is float32 in memory
cohort.safetensors    `cohort_CD`, embeddings of training chunks that normalise similarities (float16)
card.json             format version, configuration, fingerprint, data, recipe, scores, licence
calibration.json      thresholds and confidence, made after training; may be absent
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from encoder.cqt import F_MIN
from encoder.errors import WeightsError
from encoder.features import COMPRESSION, SILENCE
from encoder.grid import BINS, CHUNK_SAMPLES, HOP, SAMPLE_RATE
from encoder.network import EmbeddingNetwork, EncoderConfig, build_network

FORMAT_VERSION: Final = 1
FRONT_END_VERSION: Final = 1
"""Raised when the front end's numbers change by more than rounding."""
DEFAULT: Final = Path(__file__).parent / "weights" / "default"
NETWORK_FILE, COHORT_FILE = "weights.safetensors", "cohort.safetensors"
CARD_FILE, CALIBRATION_FILE = "card.json", "calibration.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One folder of weights, read and checked.

    Attributes:
        config: Features and network.
        network: In evaluation mode, float32, on the CPU.
        cohort_CD: float32 unit rows.
        calibration: As in its file; empty where there is none.
        card: The model card.
        fingerprint: Of front end, configuration and weights.
    """

    config: EncoderConfig
    network: EmbeddingNetwork
    cohort_CD: NDArray[np.float32]
    calibration: Mapping[str, Any]
    card: Mapping[str, Any]
    fingerprint: str


def front_end() -> dict[str, float]:
    """What decides the frames that a network sees, for fingerprints and caches."""
    return {
        "version": FRONT_END_VERSION,
        "sample_rate": SAMPLE_RATE,
        "hop": HOP,
        "bins": BINS,
        "f_min": F_MIN,
        "chunk_samples": CHUNK_SAMPLES,
        "compression": COMPRESSION,
        "silence": SILENCE,
    }


def fingerprint(config: EncoderConfig, network: EmbeddingNetwork) -> str:
    """16 hexadecimal digits that differ when an embedding would: front end, configuration, weights; not the precision.

    Tensors are hashed as float32, in the order of their names.
    """
    encoder = config.model_dump(mode="json")
    if not config.tuned:
        # Weights of before there was tuning keep their fingerprint.
        del encoder["tuned"]
    text = json.dumps({"front_end": front_end(), "encoder": encoder}, sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(_stored(network).items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def round_kernels(network: EmbeddingNetwork) -> None:
    """Rounds convolution and projection kernels to float16 values, in place: what `save_weights` stores."""
    with torch.no_grad():
        for name, tensor in _stored(network).items():
            if _is_kernel(name, tensor):
                tensor.copy_(tensor.half().float())


def save_weights(
    path: Path,
    config: EncoderConfig,
    network: EmbeddingNetwork,
    cohort_CD: NDArray[np.float32],
    card: Mapping[str, Any],
) -> str:
    """Writes a folder of weights, each file atomically, the card last; returns the fingerprint.

    Convolution and projection kernels are stored as float16, and rounded so in `network` too.
    """
    round_kernels(network)
    small = {name: t.half() if _is_kernel(name, t) else t.float() for name, t in _stored(network).items()}
    mark = fingerprint(config, network)
    path.mkdir(parents=True, exist_ok=True)
    metadata = {"format": str(FORMAT_VERSION), "fingerprint": mark}
    _write(path / NETWORK_FILE, save({name: t.contiguous() for name, t in small.items()}, metadata))
    cohort = torch.from_numpy(cohort_CD).half()
    _write(path / COHORT_FILE, save({"cohort_CD": cohort.contiguous()}, metadata))
    full = {"format": FORMAT_VERSION, "fingerprint": mark, "encoder": config.model_dump(mode="json"), **card}
    _write(path / CARD_FILE, (json.dumps(full, indent=2, ensure_ascii=False) + "\n").encode())
    return mark


def load_weights(path: Path | None = None) -> Weights:
    """Reads a folder of weights; None is the shipped default.

    Raises:
        WeightsError: If a file is missing, torn, of another format version, or does not fit the others.
    """
    folder = DEFAULT if path is None else path
    card = _read_json(folder / CARD_FILE)
    if card.get("format") != FORMAT_VERSION:
        raise WeightsError(
            f"weights in {folder} have format {card.get('format')}, this version reads {FORMAT_VERSION}: train again "
            "or install the version that made them"
        )
    try:
        config = EncoderConfig.model_validate(card["encoder"])
    except (KeyError, ValidationError) as error:
        raise WeightsError(f"{folder / CARD_FILE} has no usable encoder configuration: {_line(error)}") from error
    network = build_network(config)
    state = {name: tensor.float() for name, tensor in _read_tensors(folder / NETWORK_FILE).items()}
    expected = _stored(network)
    if wrong := sorted(expected.keys() ^ state.keys()):
        raise WeightsError(f"{folder / NETWORK_FILE} does not fit its configuration: tensor {wrong[0]}")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise WeightsError(f"{folder / NETWORK_FILE} does not fit its configuration: shape of {name}")
    network.load_state_dict(state, strict=False)
    network.eval()
    mark = fingerprint(config, network)
    if mark != card.get("fingerprint"):
        raise WeightsError(f"{folder / NETWORK_FILE} is not what its card says: {mark}, not {card.get('fingerprint')}")
    cohort_CD = _read_tensors(folder / COHORT_FILE).get("cohort_CD")
    if cohort_CD is None or cohort_CD.ndim != 2 or cohort_CD.shape[1] != config.dimensions:
        raise WeightsError(f"{folder / COHORT_FILE} holds no cohort of {config.dimensions} dimensions")
    calibration_file = folder / CALIBRATION_FILE
    return Weights(
        config=config,
        network=network,
        cohort_CD=torch.nn.functional.normalize(cohort_CD.float(), dim=1).numpy(),
        calibration=_read_json(calibration_file) if calibration_file.exists() else {},
        card=card,
        fingerprint=mark,
    )


def _stored(network: EmbeddingNetwork) -> dict[str, Tensor]:
    """State without the counters of batch norm, which no embedding depends on."""
    return {name: t for name, t in network.state_dict().items() if not name.endswith("num_batches_tracked")}


def _is_kernel(name: str, tensor: Tensor) -> bool:
    return tensor.ndim > 1 and name.endswith("weight")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"no encoder weights: {path} is missing") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {path}: {_line(error)}") from error
    if not isinstance(value, dict):
        raise WeightsError(f"cannot read {path}: it is not a JSON object")
    return value


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"no encoder weights: {path} is missing") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read {path}: {_line(error)}") from error
    return tensors


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(path)
