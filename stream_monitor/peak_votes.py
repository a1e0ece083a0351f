"""Votes of peaks for lines track = ratio × stream + offset, and the peaks that lie on one; compiled.

Peaks are frames and bins; those of the track are sorted by bin, then frame, and `bin_start_B` says where each bin
begins. A shift of s semitones lets stream bin b meet track bin b - s. It knows nothing of samples or limits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def near_votes(
    stream_frame_n: NDArray[np.int64],
    stream_bin_n: NDArray[np.int64],
    track_frame_n: NDArray[np.int32],
    bin_start_B: NDArray[np.int64],
    ratio: float,
    low_shift: int,
    high_shift: int,
    lowest: int,
    vote_O: NDArray[np.int32],
) -> None:
    """Counts, per offset from `lowest` on, the pairs of peaks that share a bin and lie within one frame of it.

    Track peaks are sorted by bin, then frame.
    """
    vote_O[:] = 0
    for n in range(len(stream_frame_n)):
        place = stream_frame_n[n] * ratio
        for shift in range(low_shift, high_shift + 1):
            b = stream_bin_n[n] - shift
            if b < 0 or b >= len(bin_start_B) - 1:
                continue
            for k in range(bin_start_B[b], bin_start_B[b + 1]):
                offset = round(track_frame_n[k] - place) - lowest
                if 0 <= offset < len(vote_O):
                    vote_O[offset] += 1
    before = np.int32(0)
    for offset in range(len(vote_O)):
        here = vote_O[offset]
        after = vote_O[offset + 1] if offset + 1 < len(vote_O) else np.int32(0)
        vote_O[offset] = before + here + after
        before = here


@njit(cache=True, nogil=True)
def most_votes(
    stream_frame_n: NDArray[np.int64],
    stream_bin_n: NDArray[np.int64],
    track_frame_n: NDArray[np.int32],
    bin_start_B: NDArray[np.int64],
    ratio_L: NDArray[np.float64],
    shift_L2: NDArray[np.int64],
    last_frame: int,
) -> tuple[int, int, int]:
    """Line, offset and votes of the best line; the first of equals, and -1 where there is none."""
    best, best_offset, best_votes = -1, 0, -1
    vote_O = np.zeros(last_frame + int(stream_frame_n[-1] * ratio_L.max()) + 6, np.int32)
    for line in range(len(ratio_L)):
        lowest = -int(stream_frame_n[-1] * ratio_L[line]) - 2
        near_O = vote_O[: last_frame - lowest + 4]
        near_votes(
            stream_frame_n, stream_bin_n, track_frame_n, bin_start_B,
            ratio_L[line], shift_L2[line, 0], shift_L2[line, 1], lowest, near_O,
        )  # fmt: skip
        offset = int(np.argmax(near_O))
        if near_O[offset] > best_votes:
            best, best_offset, best_votes = line, offset + lowest, near_O[offset]
    return best, best_offset, best_votes


@njit(cache=True, nogil=True)
def on_line(
    stream_frame_n: NDArray[np.int64],
    stream_bin_n: NDArray[np.int64],
    track_frame_n: NDArray[np.int32],
    bin_start_B: NDArray[np.int64],
    ratio: float,
    offset: float,
    low_shift: int,
    high_shift: int,
    tolerance: float,
    met_n: NDArray[np.float64],
) -> None:
    """For each stream peak the track frame that it meets on the line, or NaN."""
    for n in range(len(stream_frame_n)):
        met_n[n] = np.nan
        place = stream_frame_n[n] * ratio + offset
        nearest = tolerance + 1e-6
        for shift in range(low_shift, high_shift + 1):
            b = stream_bin_n[n] - shift
            if b < 0 or b >= len(bin_start_B) - 1:
                continue
            for k in range(bin_start_B[b], bin_start_B[b + 1]):
                distance = abs(track_frame_n[k] - place)
                if distance <= nearest:
                    nearest = distance
                    met_n[n] = track_frame_n[k]
