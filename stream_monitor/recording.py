"""Whether a stretch of stream is a track's own recording: spectral peaks that meet on one line of time.

Peaks of both sides that share a bin vote for a line track = ratio × stream + offset, first at the ratio 1, then at
speeds within 8% (with or without the change of pitch that a faster tape brings). It knows nothing of catalogues,
chroma or trackers. Positions are samples at 22,050 Hz. Reasons and measurements: docs/decisions/0009-alignment.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from encoder.grid import HOP
from stream_monitor.peak_votes import most_votes, near_votes, on_line
from stream_monitor.track_peaks import TrackPeaks

PeaksN = NDArray[np.uint32]
_CHANCE_QUANTILE: Final = 0.97
_LOWEST_CHANCE: Final = 0.02
_FOLLOWING: Final = 0.7
"""A stretch belongs to the recording from this part of the usual share on: speech over the music is no end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingConfig:
    """Limits of the match; chosen on validation works."""

    tolerance_frames: int = 1
    """Peaks this many frames (23 ms) off the line still meet."""
    highest_speed_change: float = 0.08
    speed_step: float = 0.002
    piece_frames: int = 860
    """Speeds are tried on pieces of this length (20 s), within which a step's error stays under the tolerance."""
    least_share: float = 0.2
    """Other speeds are out of the question where fewer peaks of a piece than this share lie on their best line: those
    of recordings have .38 and more, those of other tracks .15 at most."""
    recording_share: float = 0.45
    """From this share of met peaks on it is the recording."""
    block_peaks: int = 36
    """The share is taken from the better blocks of so many peaks (4 s): speech hides others for a while."""
    recording_log10: float = 20.0
    """And chance must be at most this improbable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingMatch:
    """What spectral peaks say about a stretch of stream and a track."""

    match_type: Literal["recording", "version"]
    stream_start_sample: int
    stream_end_sample: int
    """First and last peak of the stretch that meets the track."""
    track_start_sample: int
    track_end_sample: int
    tempo_ratio: float
    """Above 1: the stream is faster."""
    transposition_semitones: int
    matched: int
    """Peaks of the stream, between start and end, that meet one of the track."""
    share: float
    """Upper quartile, over blocks of 4 s between start and end, of the share of the stream's peaks that meet."""
    significance: float
    """-log10 of the probability of so many by chance, as other offsets of the same two show it."""


DEFAULT: Final = RecordingConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    ratio: float
    offset: float
    shift: tuple[int, int]
    votes: int


def same_recording(
    stream_peaks_n: PeaksN,
    track: TrackPeaks,
    *,
    stream_span: tuple[int, int] | None = None,
    config: RecordingConfig = DEFAULT,
) -> RecordingMatch | None:
    """Looks for the track's own recording in the stream's peaks.

    Args:
        stream_peaks_n: Peaks of the stream, ascending, as `encoder.peaks` packs them.
        track: Peaks of the whole track.
        stream_span: Use the peaks within these samples of the stream only.
        config: Limits.

    Returns:
        The best line and what it means; `recording` only where its share and its significance pass both limits.
        None where there are too few peaks (under 10 on a side) or no line at all.
    """
    stream_n = stream_peaks_n.astype(np.int64)
    frame_n, bin_n = stream_n >> 8, stream_n & 255
    if stream_span is not None:
        inside = (frame_n * HOP >= stream_span[0]) & (frame_n * HOP < stream_span[1])
        frame_n, bin_n = frame_n[inside], bin_n[inside]
    if len(frame_n) < 10 or len(track.frame_n) < 10:
        return None
    origin = int(frame_n[0])
    frame_n = frame_n - origin
    line = _best_line(frame_n, bin_n, track, [(1.0, (0, 0))])
    match = _judge(line, frame_n, bin_n, track, origin, config)
    if (
        match is not None
        and match.match_type == "recording"
        and 2 * match.matched > config.recording_share * len(bin_n)
    ):
        return match
    line = _best_speed(frame_n, bin_n, track, config)
    other = _judge(line, frame_n, bin_n, track, origin, config)
    if match is None or (other is not None and other.significance > match.significance):
        return other
    return match


def _best_speed(
    frame_n: NDArray[np.int64], bin_n: NDArray[np.int64], track: TrackPeaks, config: RecordingConfig
) -> _Line | None:
    """The best line at any speed; first a coarse look, at half a piece and every other speed, at a quarter of the cost.

    None where either look finds too few votes (`least_share`): no recording is there, and nothing else to tell of.
    """
    middle_frame = frame_n[len(frame_n) // 2]
    line = None
    for coarse in (2, 1):
        piece = np.abs(frame_n - middle_frame) <= config.piece_frames // 2 // coarse
        line = _best_line(frame_n[piece], bin_n[piece], track, _speeds(config, coarse))
        if line is None or line.votes < config.least_share * np.count_nonzero(piece):
            return None
    return line


@cache
def _speeds(config: RecordingConfig, every: int) -> tuple[tuple[float, tuple[int, int]], ...]:
    """Ratio and shifts of the lines that are tried, with and without the pitch change of a tape."""
    steps = round(config.highest_speed_change / config.speed_step) // every
    lines = []
    for step in range(-steps, steps + 1):
        ratio = 1.0 + step * every * config.speed_step
        pitch = 12.0 * math.log2(ratio)
        for shift in sorted({(0, 0), (math.floor(pitch + 0.25), math.ceil(pitch - 0.25))}):
            lines.append((ratio, (min(shift), max(shift))))
    return tuple(lines)


def _best_line(
    frame_n: NDArray[np.int64],
    bin_n: NDArray[np.int64],
    track: TrackPeaks,
    lines: Sequence[tuple[float, tuple[int, int]]],
) -> _Line | None:
    """The line with the most votes at its best offset, the first of equals; `lines` are (ratio, shifts)."""
    ratio_L = np.array([ratio for ratio, _ in lines])
    shift_L2 = np.array([shift for _, shift in lines], np.int64)
    best, offset, votes = most_votes(
        frame_n, bin_n, track.frame_n, track.bin_start_B, ratio_L, shift_L2, track.last_frame
    )
    if best < 0:
        return None
    ratio, shift = lines[best]
    return _Line(ratio=ratio, offset=float(offset), shift=shift, votes=votes)


def _judge(
    line: _Line | None,
    frame_n: NDArray[np.int64],
    bin_n: NDArray[np.int64],
    track: TrackPeaks,
    origin: int,
    config: RecordingConfig,
) -> RecordingMatch | None:
    """Refines a line by least squares, finds where along the stream it holds, and weighs it against chance."""
    if line is None or line.votes < 4:
        return None
    ratio, offset = line.ratio, line.offset
    met_n = np.empty(len(frame_n))
    for tolerance in (2.5, 2.0, float(config.tolerance_frames)):
        on_line(frame_n, bin_n, track.frame_n, track.bin_start_B, ratio, offset, *line.shift, tolerance, met_n)
        met = np.isfinite(met_n)
        if met.sum() < 4:
            return None
        if line.ratio != 1.0:
            ratio, offset = (float(x) for x in np.polyfit(frame_n[met], met_n[met], 1))
        else:
            offset = float(np.median(met_n[met] - frame_n[met]))
    on_line(
        frame_n,
        bin_n,
        track.frame_n,
        track.bin_start_B,
        ratio,
        offset,
        *line.shift,
        config.tolerance_frames + 0.5,
        met_n,
    )
    met = np.isfinite(met_n)
    if met.sum() < 4:
        return None
    chance = _chance(frame_n, bin_n, track, ratio, line.shift)
    first, last = _held(met, chance, chance + 0.25)
    first, last = _held(met, chance, _FOLLOWING * _better_share(met[first : last + 1], config.block_peaks))
    inside = slice(first, last + 1)
    matched, total = int(met[inside].sum()), last + 1 - first
    significance = _log10_binomial(matched, total, chance)
    share = _better_share(met[inside], config.block_peaks)
    recording = share >= config.recording_share and significance >= config.recording_log10
    start, end = int(frame_n[first]), int(frame_n[last])
    return RecordingMatch(
        match_type="recording" if recording else "version",
        stream_start_sample=(start + origin) * HOP,
        stream_end_sample=(end + origin) * HOP,
        track_start_sample=max(0, round((start * ratio + offset) * HOP)),
        track_end_sample=max(0, round((end * ratio + offset) * HOP)),
        tempo_ratio=ratio,
        transposition_semitones=round(sum(line.shift) / 2),
        matched=matched,
        share=share,
        significance=significance,
    )


def _chance(
    frame_n: NDArray[np.int64],
    bin_n: NDArray[np.int64],
    track: TrackPeaks,
    ratio: float,
    shift: tuple[int, int],
) -> float:
    """Share of peaks that meets at a good wrong offset: music in one key on one beat meets often by itself.

    The 97th percentile over all offsets, so that a track's own repeats (few offsets) do not count as chance.
    """
    near_O = near_votes(frame_n, bin_n, track.frame_n, track.bin_start_B, ratio, *shift, track.last_frame)
    offsets_V = np.cumsum(np.bincount(near_O))
    votes = int(np.searchsorted(offsets_V, _CHANCE_QUANTILE * (len(near_O) - 1), side="right"))
    return min(0.6, max(_LOWEST_CHANCE, votes / len(frame_n)))


def _held(met: NDArray[np.bool_], chance: float, follows: float) -> tuple[int, int]:
    """First and last peak of the stretch that follows the line: the run of the greatest likelihood ratio.

    Peaks meet with the probability `follows` in it and `chance` outside.
    """
    follows = min(0.95, max(follows, chance + 0.1))
    gain, loss = math.log(follows / chance), math.log((1.0 - follows) / (1.0 - chance))
    sum_n = np.concatenate(([0.0], np.cumsum(np.where(met, gain, loss))))
    lowest_n = np.minimum.accumulate(sum_n)
    end = int(np.argmax(sum_n - lowest_n))
    begin = int(np.argmin(sum_n[: end + 1]))
    return begin, max(begin, end - 1)


def _better_share(met: NDArray[np.bool_], block_peaks: int) -> float:
    """Upper quartile of the shares of blocks of about `block_peaks` peaks."""
    blocks = np.array_split(met, max(1, len(met) // block_peaks))
    return float(np.quantile([block.mean() for block in blocks], 0.75))


def _log10_binomial(matched: int, total: int, chance: float) -> float:
    """-log10 of the probability of at least `matched` of `total` at `chance` each (Chernoff's bound), 0 or more."""
    share = matched / total
    if share <= chance:
        return 0.0
    if share >= 1.0:
        return -total * math.log10(chance)
    divergence = share * math.log(share / chance) + (1.0 - share) * math.log((1.0 - share) / (1.0 - chance))
    return total * divergence / math.log(10.0)
