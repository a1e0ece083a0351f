"""A track's spectral peaks in the order in which a recording is looked for: by bin, then by frame.

Sorted once, when the track is first asked for. It knows nothing of streams, votes or catalogues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

BINS: Final = 256
_FRAME_BITS: Final = 24


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrackPeaks:
    """Peaks of a whole track."""

    frame_n: NDArray[np.int32]
    """Frames, sorted by bin, then by frame."""
    bin_start_B: NDArray[np.int64]
    """Where each of the 256 bins begins among them, and where the last one ends."""
    last_frame: int
    """-1 where there is no peak."""

    @classmethod
    def of(cls, peaks_n: NDArray[np.uint32]) -> Self:
        """Sorts peaks as `encoder.peaks` packs them (frame × 256 + bin)."""
        code_n = np.sort((peaks_n << np.uint32(_FRAME_BITS)) | (peaks_n >> np.uint32(8)))
        frame_n = (code_n & np.uint32((1 << _FRAME_BITS) - 1)).astype(np.int32)
        return cls(
            frame_n=frame_n,
            bin_start_B=np.searchsorted(code_n >> np.uint32(_FRAME_BITS), np.arange(BINS + 1)),
            last_frame=int(frame_n.max(initial=-1)),
        )
