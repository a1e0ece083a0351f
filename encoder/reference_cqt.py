"""nnAudio's CQT1992v2 behind the interface of `encoder.cqt.ConstantQ`: the slow reference.

It exists for tests, benchmarks and doubt, needs the optional package nnAudio, and pins every parameter that nnAudio
leaves to defaults. It knows nothing of blocks or chunks.
"""

import warnings
from typing import cast

import torch
from torch import Tensor, nn

from encoder.cqt import BINS_PER_OCTAVE, F_MIN, check_window
from encoder.errors import MissingPackageError
from encoder.grid import BINS, HOP, SAMPLE_RATE


class ReferenceConstantQ(nn.Module):
    """nnAudio CQT1992v2: Hann kernels of L1 norm 1, fmin 32.703 Hz, "convolutional" scaling, zero padding.

    Frame t of the result is centred on sample `support_samples + 512 t` of the input, as in `ConstantQ`.

    Args:
        support_samples: samples of the window on either side of the outer frames' centres; what lies beyond is zeros.

    Raises:
        MissingPackageError: nnAudio is not installed.
    """

    def __init__(self, support_samples: int) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # nnAudio warns about its own optional parts and deprecated calls; none concerns this class.
            warnings.simplefilter("ignore")
            try:
                from nnAudio.features.cqt import CQT1992v2
            except ImportError as error:
                raise MissingPackageError(
                    "the reference CQT needs nnAudio: pip install 'stream-monitor[train]'"
                ) from error
            self._transform = CQT1992v2(
                sr=SAMPLE_RATE,
                hop_length=HOP,
                fmin=F_MIN,
                fmax=None,
                n_bins=BINS,
                bins_per_octave=BINS_PER_OCTAVE,
                filter_scale=1,
                norm=1,
                window="hann",
                center=False,
                pad_mode="constant",
                trainable=False,
                output_format="Magnitude",
                verbose=False,
            )
        self.support_samples = support_samples

    @torch.no_grad()
    def forward(self, wave_BS: Tensor) -> Tensor:
        """Magnitudes [B, 84, T] of float32 samples [B, (T - 1) * 512 + 1 + 2 * support_samples].

        Raises:
            AudioShapeError: not float32, not two-dimensional, or shorter than one frame's support.
        """
        frames = check_window(wave_BS, self.support_samples)
        # nnAudio centres its first frame on half its kernel's width, which is larger than the support.
        half = int(self._transform.kernel_width) // 2
        padded = nn.functional.pad(wave_BS, (half - self.support_samples, half - self.support_samples))
        return cast(Tensor, self._transform(padded, normalization_type="convolutional"))[:, :, :frames]
