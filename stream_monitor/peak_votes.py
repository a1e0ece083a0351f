"""Votes of peaks for lines track = ratio × stream + offset, and the peaks that lie on one; compiled.

Peaks are frames and bins; those of the track are sorted by bin, then frame, and `bin_start_B` says where each bin
begins. A shift of s semitones lets stream bin b meet track bin b - s. It knows nothing of samples or limits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _vote(
    stream_frame_n: NDArray[np.int64],
    stream_bin_n: NDArray[np.int64],
    track_frame_n: NDArray[np.int32],
    bin_start_B: NDArray[np.int64],
    ratio: float,
    low_shift: int,
    high_shift: int,
    vote_O: NDArray[np.int16],
) -> None:
    """Counts the pairs of peaks that share a bin by their offset, `lowest_offset` at 0."""
    vote_O[:] = 0
    lowest = lowest_offset(stream_frame_n, ratio)
    for n in range(len(stream_frame_n)):
        vote = vote_O[-lowest - int(np.floor(stream_frame_n[n] * ratio + 0.5)) :]
        for shift in range(low_shift, high_shift + 1):
            b = stream_bin_n[n] - shift
            if 0 <= b < len(bin_start_B) - 1:
                for k in range(bin_start_B[b], bin_start_B[b + 1]):
                    vote[np.uint32(track_frame_n[k])] += np.int16(1)


@njit(cache=True, nogil=True)
def lowest_offset(stream_frame_n: NDArray[np.int64], ratio: float) -> int:
    """Of all offsets at which peaks can meet."""
    return -int(stream_frame_n[-1] * ratio) - 2


@njit(cache=True, nogil=True)
def near_votes(
    stream_frame_n: NDArray[np.int64],
    stream_bin_n: NDArray[np.int64],
    track_frame_n: NDArray[np.int32],
    bin_start_B: NDArray[np.int64],
    ratio: float,
    low_shift: int,
    high_shift: int,
    last_frame: int,
) -> NDArray[np.int16]:
    """Per offset from `lowest_offset` on, the pairs of peaks that share a bin and lie within one frame of it.

    Track peaks are sorted by bin, then frame.
    """
    vote_O = np.zeros(last_frame - lowest_offset(stream_frame_n, ratio) + 4, np.int16)
    _vote(stream_frame_n, stream_bin_n, track_frame_n, bin_start_B, ratio, low_shift, high_shift, vote_O)
    near_O = vote_O.copy()
    near_O[1:] += vote_O[:-1]
    near_O[:-1] += vote_O[1:]
    return near_O


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
    """Line, offset and votes (as of `near_votes`) of the best line; the first of equals, and -1 where there is none."""
    best, best_offset, best_votes = -1, 0, -1
    all_O = np.zeros(last_frame - lowest_offset(stream_frame_n, ratio_L.max()) + 4, np.int16)
    for line in range(len(ratio_L)):
        lowest = lowest_offset(stream_frame_n, ratio_L[line])
        vote_O = all_O[: last_frame - lowest + 4]
        _vote(
            stream_frame_n, stream_bin_n, track_frame_n, bin_start_B,
            ratio_L[line], shift_L2[line, 0], shift_L2[line, 1], vote_O,
        )  # fmt: skip
        # Offsets at both ends get no votes: three slices are three neighbours, in a loop without branches.
        before_O, here_O, after_O = vote_O[:-2], vote_O[1:-1], vote_O[2:]
        most = np.int16(0)
        for place in range(len(here_O)):
            most = max(most, np.int16(before_O[place] + here_O[place] + after_O[place]))
        if most > best_votes:
            for place in range(len(here_O)):
                if before_O[place] + here_O[place] + after_O[place] == most:
                    best, best_offset, best_votes = line, place + 1 + lowest, int(most)
                    break
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
