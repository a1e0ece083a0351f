"""Votes and the order of a track's peaks against their slow and obvious definitions."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.peak_votes import lowest_offset, most_votes, near_votes
from stream_monitor.track_peaks import TrackPeaks

peak_lists = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 5)), min_size=1, max_size=40)


def obvious(stream: list[tuple[int, int]], track: list[tuple[int, int]], ratio: float, shifts: range) -> Counter[int]:
    """Offset to the pairs that lie within one frame of it."""
    near: Counter[int] = Counter()
    for frame, stream_bin in stream:
        for track_frame, track_bin in track:
            if stream_bin - track_bin in shifts:
                offset = track_frame - math.floor(frame * ratio + 0.5)
                near.update((offset - 1, offset, offset + 1))
    return near


@given(peak_lists)
def test_a_tracks_peaks_are_sorted_by_bin_then_frame(pairs: list[tuple[int, int]]) -> None:
    """Each bin's slice holds its frames, rising, and the last frame is known."""
    track = TrackPeaks.of(np.sort(np.array([frame << 8 | code for frame, code in pairs], np.uint32)))
    for code in range(256):
        part = track.frame_n[track.bin_start_B[code] : track.bin_start_B[code + 1]]
        assert part.tolist() == sorted(frame for frame, other in pairs if other == code)
    assert track.last_frame == max(frame for frame, _ in pairs)


@given(peak_lists, peak_lists, st.sampled_from([0.92, 0.998, 1.0, 1.05]), st.sampled_from([(0, 0), (-1, 0), (0, 1)]))
@settings(deadline=None)
def test_votes_are_those_of_all_pairs(
    stream: list[tuple[int, int]], track: list[tuple[int, int]], ratio: float, shift: tuple[int, int]
) -> None:
    """Each offset has the votes of the pairs near it, and the best line has the most that any offset has."""
    frame_n, bin_n = (np.array(part, np.int64) for part in zip(*sorted(stream), strict=True))
    peaks = TrackPeaks.of(np.sort(np.array([frame << 8 | code for frame, code in track], np.uint32)))
    expected = obvious(stream, track, ratio, range(shift[0], shift[1] + 1))
    arguments = (frame_n, bin_n, peaks.frame_n, peaks.bin_start_B)
    near_O = near_votes(*arguments, ratio, *shift, peaks.last_frame)
    lowest = lowest_offset(frame_n, ratio)
    assert {place + lowest: votes for place, votes in enumerate(near_O.tolist()) if votes} == dict(expected)
    lines = np.array([1.0, ratio]), np.array([(0, 0), shift], np.int64)
    best, offset, votes = most_votes(*arguments, *lines, peaks.last_frame)
    same_speed = obvious(stream, track, 1.0, range(1))
    most = [max(found.values(), default=0) for found in (same_speed, expected)]
    assert (best, votes) == (0 if most[0] >= most[1] else 1, max(most))
    assert votes == 0 or (same_speed, expected)[best][offset] == votes
