"""Tonal features: what an alignment compares, made from a sketch; five rows a second of 8 × 12 numbers.

A sketch is moved to concert pitch (`tuning.py`), whitened along pitch (only what stands out of its neighbouring
semitones counts, so drums, an equaliser and gain fade away), gathered into six registers of twelve pitch classes, and
passed through a small network, circular in pitch, that was trained to give equal rows for equal places of a work and
its covers. Moving the music by a semitone moves the rows' last axis by one. It knows nothing of alignment or of
catalogues, and needs no torch.
Training: encoder/training/tonal.py; reasons and measurements: docs/decisions/0009-alignment.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from scipy.ndimage import convolve1d, uniform_filter1d

from encoder.errors import AudioShapeError
from encoder.grid import BINS, HOP
from encoder.sketch import FULL_SCALE_MAGNITUDE, SKETCH_FRAMES, SKETCH_STEP_DB
from encoder.tuning import deviation, moved

PITCH_CLASSES: Final = 12
REGISTERS: Final = 6
FEATURE_ROWS: Final = 2
"""Rows of the sketch per feature row; feature i sits on the stream's row 2i, whatever row a sketch begins with."""
FEATURE_HOP_SAMPLES: Final = FEATURE_ROWS * SKETCH_FRAMES * HOP
WEIGHTS: Final = Path(__file__).parent / "weights" / "tonal" / "weights.safetensors"

_WHITENING_BINS: Final = 19
_RANGE_DB: Final = 50.0
_FADE_DB: Final = 20.0
_QUIET_DB: Final = 30.0
"""A row that is more than this below the loud rows of its sketch counts as if it were that loud."""
_SCALE_DB: Final = 15.0
_NORM_FLOOR: Final = 1e-2
_MAGNITUDES: Final = (FULL_SCALE_MAGNITUDE * 10.0 ** ((np.arange(256) - 255) * SKETCH_STEP_DB / 20)).astype(np.float32)
"""Of each level of a sketch."""

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """The features of one sketch.

    Attributes:
        first: Place of the first row on the feature grid; `sample_of(first + n)` is where row n sits.
        tonal_NCP: float32 [n, 8 channels, 12 pitch classes], each row of unit norm, or zeros where nothing sounds.
    """

    first: int
    tonal_NCP: Float


def sample_of(feature: float) -> int:
    """Sample at the middle of row `feature` of the feature grid (may be fractional)."""
    return round(feature * FEATURE_HOP_SAMPLES + (SKETCH_FRAMES - 1) * HOP / 2)


def feature_of(sample: int) -> float:
    """Place on the feature grid of `sample`; the inverse of `sample_of`."""
    return (sample - (SKETCH_FRAMES - 1) * HOP / 2) / FEATURE_HOP_SAMPLES


def features(sketch_NF: NDArray[np.uint8], first_row: int = 0) -> Features:
    """Tonal features of a sketch by the shipped network.

    Args:
        sketch_NF: Levels [n, 84] as `encoder.sketch` makes them.
        first_row: Place of the first row on the stream's row grid.

    Returns:
        One feature row for every second row of the sketch.

    Raises:
        AudioShapeError: the sketch is not [n, 84].
    """
    registers_NRP = registers(sketch_NF, first_row)
    return Features(first=-(-first_row // FEATURE_ROWS), tonal_NCP=network(registers_NRP))


def registers(sketch_NF: NDArray[np.uint8], first_row: int = 0) -> Float:
    """What the network sees of a sketch: whitened levels [n, 6 registers, 12 pitch classes], one row in two."""
    if sketch_NF.ndim != 2 or sketch_NF.shape[1] != BINS:
        raise AudioShapeError(f"features are made of a sketch [n, {BINS}], not {list(sketch_NF.shape)}")
    skip = -first_row % FEATURE_ROWS
    if len(sketch_NF) <= skip:
        return np.zeros((0, REGISTERS, PITCH_CLASSES), np.float32)
    level_NF = _tuned_levels(sketch_NF)
    top_N1 = level_NF.max(axis=1, keepdims=True)
    top_N1 = np.maximum(top_N1, np.quantile(top_N1, 0.9) - np.float32(_QUIET_DB)).astype(np.float32)
    level_NF = np.maximum(level_NF, top_N1 - np.float32(_RANGE_DB + _FADE_DB))
    salience_NF = np.maximum(0.0, level_NF - uniform_filter1d(level_NF, _WHITENING_BINS, axis=1, mode="nearest"))
    salience_NF *= np.clip((level_NF - (top_N1 - np.float32(_RANGE_DB))) / np.float32(_FADE_DB), 0.0, 1.0)
    smooth_NF = convolve1d(salience_NF, np.array([0.25, 0.5, 0.25], np.float32), axis=0, mode="nearest")
    rows_NF = smooth_NF[skip::FEATURE_ROWS] / np.float32(_SCALE_DB)
    octave_F = np.arange(BINS) / PITCH_CLASSES
    found = [
        (rows_NF * np.maximum(0.0, 1.0 - np.abs(octave_F - (r + 0.75))).astype(np.float32))
        .reshape(len(rows_NF), -1, PITCH_CLASSES)
        .sum(axis=1)
        for r in range(REGISTERS)
    ]
    return np.stack(found, axis=1).astype(np.float32)


def deviation_of(sketch_NF: NDArray[np.uint8]) -> float:
    """How many semitones (−½ to ½) a sketch's pitches lie above the nearest ones; `registers` moves it down by that."""
    return deviation(_magnitudes(sketch_NF))


def _magnitudes(sketch_NF: NDArray[np.uint8]) -> Float:
    return np.ascontiguousarray(_MAGNITUDES[sketch_NF.T])


def _tuned_levels(sketch_NF: NDArray[np.uint8]) -> Float:
    """Levels [n, 84] in dB at concert pitch, 0 for the lowest that a sketch knows; one tuning for all its rows."""
    magnitude_FN = _magnitudes(sketch_NF)
    tuned_FN = moved(magnitude_FN, deviation(magnitude_FN))
    if tuned_FN is magnitude_FN:
        return sketch_NF.astype(np.float32) * np.float32(SKETCH_STEP_DB)
    level_NF: Float = np.float32(20.0) * np.log10(np.maximum(tuned_FN.T / _MAGNITUDES[0], np.float32(1.0)))
    return np.ascontiguousarray(level_NF)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Layers:
    """The network as products: [taps, in × 12, out × 12] where pitches meet (circular), [taps, in, out] elsewhere."""

    enter: Float
    enter_bias: Float
    mixes: tuple[tuple[int, Float, Float], ...]
    """Dilation, matrices and bias of each residual layer."""
    leave: Float
    leave_bias: Float
    skip: Float


def _circulant(kernel_OIKJ: Float) -> Float:
    """Kernel [out, in, taps, j ≤ 12] as matrices [taps, in × 12, out × 12] that convolve circularly in pitch."""
    out, into, taps, width = kernel_OIKJ.shape
    matrix = np.zeros((taps, into, PITCH_CLASSES, out, PITCH_CLASSES), np.float32)
    for p in range(PITCH_CLASSES):
        for j in range(width):
            matrix[:, :, (p + j) % PITCH_CLASSES, :, p] += kernel_OIKJ[:, :, :, j].transpose(2, 1, 0)
    return matrix.reshape(taps, into * PITCH_CLASSES, out * PITCH_CLASSES)


@cache
def _layers(path: Path = WEIGHTS) -> _Layers:
    with safe_open(path, framework="numpy") as kept:
        tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 - not a dictionary
        dilations = json.loads(kept.metadata()["recipe"])["mixes"]
    return _Layers(
        enter=_circulant(tensors["enter.weight"]),
        enter_bias=np.repeat(tensors["enter.bias"], PITCH_CLASSES),
        mixes=tuple(
            (
                dilation,
                np.ascontiguousarray(tensors[f"mixes.{n}.weight"][..., 0].transpose(2, 1, 0)),
                tensors[f"mixes.{n}.bias"],
            )
            for n, dilation in enumerate(dilations)
        ),
        leave=_circulant(tensors["leave.weight"]),
        leave_bias=np.repeat(tensors["leave.bias"], PITCH_CLASSES),
        skip=_circulant(tensors["skip.weight"]),
    )


def reach() -> int:
    """How many rows on either side have a share in a row that the network gives."""
    layers = _layers()
    mixed = sum(dilation * (len(matrix_KCC) // 2) for dilation, matrix_KCC, _ in layers.mixes)
    return max(len(layers.enter) // 2 + mixed + len(layers.leave) // 2, len(layers.skip) // 2)


def _convolved(rows_NX: Float, matrix_KXY: Float) -> Float:
    """Convolution over rows, zeros beyond both ends."""
    taps, count = len(matrix_KXY), len(rows_NX)
    half = taps // 2
    padded = np.pad(rows_NX, ((half, half), (0, 0)))
    total: Float = padded[:count] @ matrix_KXY[0]
    for tap in range(1, taps):
        total += padded[tap : tap + count] @ matrix_KXY[tap]
    return total


def network(registers_NRP: Float) -> Float:
    """The rows [n, 8, 12] of registers [n, 6, 12]; nothing sounds before the first of them and after the last."""
    layers = _layers()
    count = len(registers_NRP)
    rows_NX = registers_NRP.reshape(count, REGISTERS * PITCH_CLASSES)
    hidden_NX = np.maximum(_convolved(rows_NX, layers.enter) + layers.enter_bias, 0.0)
    width = hidden_NX.shape[1] // PITCH_CLASSES
    if layers.mixes:
        hidden_NPC = np.ascontiguousarray(hidden_NX.reshape(count, width, PITCH_CLASSES).transpose(0, 2, 1))
        for dilation, matrix_KCC, bias_C in layers.mixes:
            hidden_NPC = hidden_NPC + np.maximum(_mixed(hidden_NPC, matrix_KCC, dilation) + bias_C, 0.0)
        hidden_NX = hidden_NPC.transpose(0, 2, 1).reshape(count, width * PITCH_CLASSES)
    out_NX = _convolved(hidden_NX, layers.leave) + layers.leave_bias + _convolved(rows_NX, layers.skip)
    out_NCP = out_NX.reshape(count, out_NX.shape[1] // PITCH_CLASSES, PITCH_CLASSES)
    out_NCP -= out_NCP.mean(axis=2, keepdims=True)
    silent_N = rows_NX.max(axis=1, initial=0.0) <= 0.0
    norm_N = np.sqrt(np.square(out_NCP).sum(axis=(1, 2)))
    out_NCP /= (norm_N + np.float32(_NORM_FLOOR))[:, None, None]
    out_NCP[silent_N] = 0.0
    return np.ascontiguousarray(out_NCP, np.float32)


def _mixed(hidden_NPC: Float, matrix_KCC: Float, dilation: int) -> Float:
    """Convolution over rows of every pitch class by itself, as one product a tap."""
    count, pitches, width = hidden_NPC.shape
    half = dilation * (len(matrix_KCC) // 2)
    padded = np.pad(hidden_NPC, ((half, half), (0, 0), (0, 0))).reshape(-1, width)
    total = np.zeros((count * pitches, width), np.float32)
    for tap, matrix_CC in enumerate(matrix_KCC):
        first = tap * dilation * pitches
        total += padded[first : first + count * pitches] @ matrix_CC
    return total.reshape(count, pitches, width)
