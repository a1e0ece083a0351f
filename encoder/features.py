"""What stands between CQT frames and the network: averaging over time, the silence rule, tuning, and normalisation.

Knows nothing of networks, audio or streams. Every step looks at one chunk alone, so a chunk gives the same features
in any batch.

Shapes: B batch, F pitch bins (84), N CQT frames of a chunk, T averaged frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder.tuning import at_concert_pitch

COMPRESSION: Final = 100.0
SILENCE: Final = 5e-5
"""A chunk whose largest averaged magnitude is below this is silence and has no embedding.

A steady sine at −80 dBFS has this magnitude (amplitude 1e-4, magnitude half of it). It is an absolute floor on purpose:
dither of 16 bits (about −98 dBFS in all, less in one bin) and a codec's residue stay below, a fade-out stays above.
"""


def average_time(magnitude_FN: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Means over `factor` frames, starting anew in each chunk, the remainder dropped: [F, N] to [F, N // factor]."""
    bins, frames = magnitude_FN.shape
    kept = frames // factor
    mean_FT: NDArray[np.float32] = magnitude_FN[:, : kept * factor].reshape(bins, kept, factor).mean(axis=2)
    return mean_FT


def is_sounding(mean_FT: NDArray[np.float32]) -> bool:
    """False for silence, see `SILENCE`."""
    return bool(mean_FT.size and mean_FT.max() >= SILENCE)


def normalise(mean_BFT: Tensor) -> Tensor:
    """Log-compressed spectra of mean 0 and standard deviation 1 per chunk, independent of gain: [B, F, T], same shape.

    x / max, then log(1 + 100 x), then standardised over pitch and time together.
    """
    peak = mean_BFT.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    logged = torch.log1p(COMPRESSION * (mean_BFT / peak))
    mean = logged.mean(dim=(1, 2), keepdim=True)
    deviation = logged.std(dim=(1, 2), keepdim=True, correction=0).clamp(min=1e-4)
    return (logged - mean) / deviation


def prepare(mean_BFT: NDArray[np.float32], *, tuned: bool) -> Tensor:
    """What a network takes of averaged magnitudes: tuned to concert pitch chunk by chunk (or not), then normalised.

    Args:
        mean_BFT: Averaged magnitudes [B, 84, T].
        tuned: `EncoderConfig.tuned`.
    """
    if tuned:
        mean_BFT = np.stack([at_concert_pitch(mean_FT) for mean_FT in mean_BFT])
    return normalise(torch.from_numpy(mean_BFT))
