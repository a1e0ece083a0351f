"""Tonal features as a catalogue keeps them: a byte a value, so that a track's features are computed once.

Rows have unit norm, so one step for all values serves: their similarities change by about 0.002, a tenth of what two
encodings of one recording differ by. It knows nothing of catalogues or of alignment.

N feature rows, V values of a row (channels × pitch classes), F bins.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from encoder.errors import AudioShapeError, WeightsError
from encoder.tonal import PITCH_CLASSES, WEIGHTS, Features, features

STEPS: Final = 127
"""Steps between 0 and 1."""


def tonal_print(sketch_NF: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Quantised tonal features [n, V] of a whole track's sketch.

    Raises:
        AudioShapeError: the sketch is not [n, 84].
    """
    tonal_NCP = features(sketch_NF).tonal_NCP
    count, channels, pitches = tonal_NCP.shape
    steps_NCP = np.rint(tonal_NCP * np.float32(STEPS)).clip(-STEPS, STEPS)
    print_NV: NDArray[np.int8] = steps_NCP.astype(np.int8).reshape(count, channels * pitches)
    return print_NV


def features_of(tonal_NV: NDArray[np.int8]) -> Features:
    """The features that a print was made of, but for the quantisation.

    Raises:
        AudioShapeError: It is not [n, V] with whole pitch classes.
    """
    if tonal_NV.ndim != 2 or tonal_NV.shape[1] % PITCH_CLASSES:
        raise AudioShapeError(f"a tonal print is [n, a multiple of {PITCH_CLASSES}], not {list(tonal_NV.shape)}")
    count, width = tonal_NV.shape
    value_NV = tonal_NV * np.float32(1.0 / STEPS)
    return Features(first=0, tonal_NCP=value_NV.reshape(count, width // PITCH_CLASSES, PITCH_CLASSES))


@cache
def tonal_fingerprint() -> str:
    """8 hexadecimal digits of the tonal network's weights file: prints made with other weights do not compare.

    Raises:
        WeightsError: The file is missing or cannot be read.
    """
    try:
        return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:8]
    except OSError as error:
        raise WeightsError(f"no weights of tonal features: {WEIGHTS} cannot be read: {error}") from error
