"""Two works over the same stretch of stream: which one stands. It knows nothing of how plays open or close."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from stream_monitor.evidence import Candidate
from stream_monitor.open_play import OpenPlay
from stream_monitor.tracker_config import TrackerConfig

Verdict = Literal["beside", "weaker", "overtakes"]


def margin(
    candidate: Candidate, candidates: Iterable[Candidate], work_of: Callable[[int], str | None], floor: float
) -> float:
    """How far a candidate lies above the best other work over its own window, in null deviations.

    Args:
        candidate: The candidate.
        candidates: All that the chunk reports, itself included.
        work_of: Work of a track key; None if the track is gone.
        floor: What stands for works that were not reported or lie below it: a wrong track's usual score.
    """
    work = work_of(candidate.track_key)
    own = candidate.ordered_deviations[candidate.window - 1]
    others = (
        other.ordered_deviations[candidate.window - 1]
        for other in candidates
        if other.track_key != candidate.track_key and work_of(other.track_key) != work
    )
    return own - max(floor, max(others, default=floor))


def judge(play: OpenPlay, play_candidate: Candidate | None, rival: OpenPlay, config: TrackerConfig) -> Verdict:
    """What a rival that wants to open is beside an open play of another work.

    Args:
        play: The open play, which has heard the newest chunk.
        play_candidate: The play's track at the newest chunk.
        rival: The play that would open.
        config: Rules.

    Returns:
        "beside": both stand (or the open play does not support this stretch); "weaker": the rival does not open;
        "overtakes": the open play rests on the rival's stretch and goes.
    """
    if play.silent_chunks > 0 or play_candidate is None:
        return "beside"
    play_stands = play.recording >= config.recording_significance
    rival_stands = rival.recording >= config.recording_significance
    if play_stands and rival_stands:
        return "beside"
    lead = rival.margin_sum / max(1, rival.supporting)
    if play_stands or not (rival_stands or lead >= config.rival_margin):
        return "weaker"
    supporting = [chunk for chunk in play.trail if chunk.supports]
    within = sum(chunk.start_sample >= rival.trail[0].start_sample for chunk in supporting)
    return "overtakes" if within > config.rival_overlap * len(supporting) else "beside"
