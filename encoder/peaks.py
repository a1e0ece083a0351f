"""Spectral peaks of CQT frames: the points of a recording that survive codecs, equalisers and speech.

A peak is the loudest cell of its neighbourhood (± 8 frames, ± 2 bins) that stands out of what the same bin held
just before. Each second of the stream's own grid (43 frames) gives at most three peaks in each of three pitch bands,
so that no band, and no voice over the music, takes all places. A peak depends on the frames within a fixed
distance only: pieces join to the same array however the audio was cut, but for the ends of a stream, where the
missing frames count as absent. Gain does not matter. It knows nothing of catalogues or of how peaks are matched.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from encoder.errors import AudioShapeError
from encoder.grid import BINS

INTERVAL_FRAMES: Final = 43
"""Frames of the stream's grid that share one quota of peaks: interval j is frames 43 j to 43 j + 42."""

PEAKS_PER_BAND: Final = 3
FIRST_BIN: Final = 12
BAND_BINS: Final = 24
REACH_FRAMES: Final = 8
REACH_BINS: Final = 2
BEFORE_FRAMES: Final = 12
"""A peak is compared with the mean of this many frames before its neighbourhood's rise."""
HELD_FRAMES: Final = 12
"""… and so many frames from it on are the level it is compared by: notes stay in their bin, voices glide out of it."""
CONTEXT_FRAMES: Final = max(REACH_FRAMES, BEFORE_FRAMES, HELD_FRAMES)
FLOOR_MAGNITUDE: Final = 1e-5
"""Quieter cells (about 94 dB below full scale) are no peaks."""


@njit(cache=True, nogil=True)
def _pick(
    magnitude_TF: NDArray[np.float32], first_frame: int, start: int, end: int, packed_n: NDArray[np.uint32]
) -> int:
    """Writes the peaks of whole intervals within frames [start, end) into `packed_n`; returns how many."""
    frames = magnitude_TF.shape[0]
    count = 0
    best_value = np.zeros(PEAKS_PER_BAND, np.float32)
    best_code = np.zeros(PEAKS_PER_BAND, np.int64)
    interval_start = start
    while interval_start < end:
        interval_end = min(end, (interval_start // INTERVAL_FRAMES + 1) * INTERVAL_FRAMES)
        for band in range(FIRST_BIN, BINS, BAND_BINS):
            best_value[:] = 0.0
            best_code[:] = -1
            for frame in range(interval_start, interval_end):
                t = frame - first_frame
                for b in range(band, min(band + BAND_BINS, BINS)):
                    level = magnitude_TF[t, b]
                    if level < FLOOR_MAGNITUDE:
                        continue
                    if t > 0 and magnitude_TF[t - 1, b] >= level:
                        continue
                    if t + 1 < frames and magnitude_TF[t + 1, b] > level:
                        continue
                    if magnitude_TF[t, b - 1] >= level or (b + 1 < BINS and magnitude_TF[t, b + 1] > level):
                        continue
                    top = True
                    for u in range(max(0, t - REACH_FRAMES), min(frames, t + REACH_FRAMES + 1)):
                        for c in range(b - REACH_BINS, min(BINS, b + REACH_BINS + 1)):
                            if magnitude_TF[u, c] > level:
                                top = False
                                break
                        if not top:
                            break
                    if not top:
                        continue
                    before = np.float32(0.0)
                    for u in range(max(0, t - BEFORE_FRAMES), t):
                        before += magnitude_TF[u, b]
                    held = np.float32(0.0)
                    for u in range(t, min(frames, t + HELD_FRAMES)):
                        held += magnitude_TF[u, b]
                    value = held / (before / np.float32(BEFORE_FRAMES) + np.float32(FLOOR_MAGNITUDE))
                    for place in range(PEAKS_PER_BAND):
                        if value > best_value[place]:
                            for later in range(PEAKS_PER_BAND - 1, place, -1):
                                best_value[later] = best_value[later - 1]
                                best_code[later] = best_code[later - 1]
                            best_value[place] = value
                            best_code[place] = (frame << 8) | b
                            break
            for place in range(PEAKS_PER_BAND):
                if best_code[place] >= 0:
                    packed_n[count] = best_code[place]
                    count += 1
        interval_start = interval_end
    return count


def _picked(magnitude_FT: NDArray[np.float32], first_frame: int, start: int, end: int) -> NDArray[np.uint32]:
    if end <= start:
        return np.empty(0, np.uint32)
    bands = -(-(BINS - FIRST_BIN) // BAND_BINS)
    intervals = (end - 1) // INTERVAL_FRAMES - start // INTERVAL_FRAMES + 1
    packed_n = np.empty(intervals * bands * PEAKS_PER_BAND, np.uint32)
    count = _pick(np.ascontiguousarray(magnitude_FT.T), first_frame, start, end, packed_n)
    return np.sort(packed_n[:count])


def peaks(magnitude_FT: NDArray[np.float32], first_frame: int = 0) -> NDArray[np.uint32]:
    """All peaks of the frames that start at `first_frame` of a stream.

    Args:
        magnitude_FT: CQT magnitudes [84, T].
        first_frame: place of the first frame on the stream's grid, 0 to 2^24 - 1 (108 hours).

    Returns:
        Peaks [n], ascending, each `(frame << 8) | bin`; at most nine a second.

    Raises:
        AudioShapeError: the frames are not [84, T].
    """
    if magnitude_FT.ndim != 2 or magnitude_FT.shape[0] != BINS:
        raise AudioShapeError(f"peaks are picked from frames [{BINS}, T], not {list(magnitude_FT.shape)}")
    return _picked(magnitude_FT, first_frame, first_frame, first_frame + magnitude_FT.shape[1])


class PeakBuilder:
    """Picks the peaks of one stream while its frames arrive; pieces and `flush` join to what `peaks` gives at once.

    Peaks come an interval (1 s) and the context (0.3 s) late. Frames that were pushed before are ignored. A hole in
    the frames ends the peaks before it, as the end of a stream does.
    """

    def __init__(self) -> None:
        self._held_FT: NDArray[np.float32] = np.empty((BINS, 0), np.float32)
        self._held_first = 0
        self._done = 0
        """Peaks of the frames before this one were given out."""

    def push(self, magnitude_FT: NDArray[np.float32], first_frame: int) -> NDArray[np.uint32]:
        """Takes frames [84, T] from `first_frame` on; returns the peaks that became certain, ascending."""
        earlier = np.empty(0, np.uint32)
        following = self._held_first + self._held_FT.shape[1]
        if first_frame > following:
            earlier = self.flush()
            self._held_first = self._done = following = first_frame
        self._held_FT = np.concatenate((self._held_FT, magnitude_FT[:, following - first_frame :]), axis=1)
        known = self._held_first + self._held_FT.shape[1]
        end = max(self._done, (known - CONTEXT_FRAMES) // INTERVAL_FRAMES * INTERVAL_FRAMES)
        found = _picked(self._held_FT, self._held_first, self._done, end)
        self._done = end
        drop = max(0, end - CONTEXT_FRAMES - self._held_first)
        self._held_FT = self._held_FT[:, drop:].copy()
        self._held_first += drop
        return np.concatenate((earlier, found))

    def flush(self) -> NDArray[np.uint32]:
        """The peaks of the last frames; afterwards the builder expects a new stretch."""
        known = self._held_first + self._held_FT.shape[1]
        found = _picked(self._held_FT, self._held_first, self._done, known)
        self._held_FT = np.empty((BINS, 0), np.float32)
        self._held_first = self._done = known
        return found
