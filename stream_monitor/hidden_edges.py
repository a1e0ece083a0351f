"""A play that is met near its track's beginning or end: talk over a song hides it there, but the song is whole.

Pure functions of a verification and of where the track sounds. It knows nothing of sketches, peaks or plays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from encoder.grid import SAMPLE_RATE
from encoder.tonal import Features, sample_of
from stream_monitor.evidence import Verification

HIDDEN_SAMPLES = {"recording": 10 * SAMPLE_RATE, "version": 8 * SAMPLE_RATE, "unknown": 0}
"""Talk over a song's beginning or end hides at most so much of the track; a version may as well have left it out."""


def with_hidden_edges(found: Verification | None, track: Features, looked: tuple[int, int]) -> Verification | None:
    """Extends what was found to the track's beginning and end where at most `HIDDEN_SAMPLES` are missing.

    Args:
        found: What peaks and alignment say.
        track: Tells where the track begins and ends to sound.
        looked: Stretch of stream that was looked at, samples [start, end); nothing is added beyond it.
    """
    sounding = np.flatnonzero(track.tonal_NCP.any(axis=(1, 2)))
    if found is None or not len(sounding):
        return found
    hidden = HIDDEN_SAMPLES[found.match_type]
    first, last = (sample_of(track.first + int(row)) for row in (sounding[0], sounding[-1]))
    tempo = found.tempo_ratio or 1.0
    lead, rest = found.track_start_sample - first, last - found.track_end_sample
    start = found.stream_start_sample - round(lead / tempo)
    end = found.stream_end_sample + round(rest / tempo)
    if 0 < lead <= hidden and start >= looked[0]:
        found = replace(found, stream_start_sample=start, track_start_sample=first)
    if 0 < rest <= hidden and end <= looked[1]:
        found = replace(found, stream_end_sample=end, track_end_sample=last)
    return found
