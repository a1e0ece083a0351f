"""A play that turns out to be the same recording several times in a row, without a pause.

Chunks of 20 s may follow a track across its restart when the recording is short; alignment knows better, but is asked
about the end only when a play closes. Then a line that begins the track anew, or ends before the chunks do, divides
the play. A version may repeat its whole form: it stays one play. It knows nothing of events or confidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeGuard

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES
from stream_monitor.boundaries import HeardChunk, rough_start
from stream_monitor.evidence import Verification
from stream_monitor.open_play import OpenPlay, Place
from stream_monitor.placing import Ended, Look, Placing
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_config import TrackerConfig, samples


def chunk_before(sample: int) -> int:
    """The last chunk of the grid that does not lie mostly after a sample of its epoch; it may be negative."""
    return sample // CHUNK_HOP_SAMPLES - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What of the stream there is to divide a play by."""

    stream: StreamKey
    """The present epoch."""
    origin_sample: int
    """Its sample 0 on the tracker's clock."""
    now_sample: int
    """End of what was heard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeats:
    """Divides plays that end."""

    placing: Placing
    config: TrackerConfig

    def parts(self, play: OpenPlay, look: Look | None, heard: Heard) -> tuple[Ended, ...]:
        """The plays that a play was, in their order; the first one has its id, the others are plays of their own.

        Args:
            play: The play that ends.
            look: What `Placing.look` said about it just now; None if it was not asked.
            heard: The stream.
        """
        until, jump = heard.now_sample, play.jump
        if jump is not None and jump.chunks >= self.config.jump_chunks:
            # What a jump begins is not over and opens by itself.
            until = jump.newest.stream_sample - max(0, jump.newest.track_sample - play.track_start_sample)
        look = look or self.placing.look(play, heard.now_sample, heard.origin_sample)
        whole = self.placing.end(play, look, heard.now_sample, heard.origin_sample)
        parts = self._divided(play, look, whole, until, heard)
        # Where a jump says when the track began again, the play cannot have gone on.
        too_late = whole.end_sample > until + CHUNK_HOP_SAMPLES // 2 >= parts[0].end_sample
        return parts if len(parts) > 1 or too_late else (whole,)

    def _divided(self, play: OpenPlay, look: Look, whole: Ended, until_sample: int, heard: Heard) -> tuple[Ended, ...]:
        """The parts of a play that ended as `whole`; none of them goes beyond `until_sample`."""
        line = self._line(play, look, whole, heard)
        if line is None:
            return (whole,)
        if self._anew(play, line):
            at = line.stream_start_sample
            head, tails = _head(play, at), self._after(play, at, until_sample, heard)
            if head is not None and tails:
                return (*self._ended(head, at, replace(heard, now_sample=at)), *tails)
        astray = not self._recording(whole.line) and self._began(play, line) is None
        first = self.placing.ended_by(play, line) if astray else replace(whole, line=line)
        return (first, *self._after(play, first.end_sample, until_sample, heard))

    def _ended(self, part: OpenPlay, until_sample: int, heard: Heard) -> tuple[Ended, ...]:
        look = self.placing.look(part, heard.now_sample, heard.origin_sample)
        whole = self.placing.end(part, look, heard.now_sample, heard.origin_sample)
        return self._divided(part, look, whole, until_sample, heard)

    def _line(self, play: OpenPlay, look: Look, whole: Ended, heard: Heard) -> Verification | None:
        """A line of the recording itself, from where it begins; None if there is none, as in versions."""
        line = whole.line if self._recording(whole.line) else look.found
        if line is None or not self._recording(line):
            return None
        began = self._began(play, line)
        if began is None or began >= line.stream_start_sample - CHUNK_SAMPLES // 4:
            return line
        return self.placing.line(play, line, began, heard.now_sample, heard.origin_sample) or line

    def _after(self, play: OpenPlay, at_sample: int, until_sample: int, heard: Heard) -> tuple[Ended, ...]:
        """The plays that begin after a sample.

        Chunks may support a play by chance after its end, so another play needs the recording's own peaks.
        """
        tail = _tail(play, at_sample, until_sample, heard)
        if tail is None:
            return ()
        # A jump's place is known to half a hop.
        there = replace(heard, now_sample=min(heard.now_sample, until_sample + CHUNK_HOP_SAMPLES // 2))
        parts = self._ended(tail, until_sample, there)
        return tuple(part for part in parts if self._recording(part.line) and self._begins(part.line, play))

    def _recording(self, line: Verification | None) -> TypeGuard[Verification]:
        return line is not None and line.recording >= self.config.recording_significance

    def _anew(self, play: OpenPlay, line: Verification) -> bool:
        """Whether the line begins the track again, long after the play did."""
        return self._began(play, line) is not None and self._begins(line, play)

    def _began(self, play: OpenPlay, line: Verification) -> int | None:
        """Where the line, drawn back, begins the track; None where that is about the play's own start."""
        back = (line.track_start_sample - play.track_start_sample) / (line.tempo_ratio or 1.0)
        began = line.stream_start_sample - round(max(0.0, back))
        return began if began - play.start_sample >= samples(self.config.restart_s) else None

    def _begins(self, line: Verification, play: OpenPlay) -> bool:
        return line.track_start_sample <= play.track_start_sample + samples(self.config.restart_s)


def _head(play: OpenPlay, at_sample: int) -> OpenPlay | None:
    """The play as far as it lies before a sample; None if it no longer remembers such a chunk."""
    trail = tuple(chunk for chunk in play.trail if not _mostly_after(chunk, at_sample))
    if not any(chunk.supports for chunk in trail):
        return None
    lost = sum(chunk.supports for chunk in play.trail[len(trail) :])
    gaps = tuple(gap for gap in play.gaps if gap[1] <= at_sample)
    supporting = max(1, play.supporting - lost)
    return _of_chunks(replace(play, trail=trail, gaps=gaps), supporting, play)


def _tail(play: OpenPlay, at_sample: int, until_sample: int, heard: Heard) -> OpenPlay | None:
    """A play of its own from the chunks mostly between two samples; None if they cannot support one.

    Strength and peaks are not inherited: it must earn them.
    """
    trail = [
        chunk
        for chunk in play.trail
        if _mostly_after(chunk, at_sample)
        and not _mostly_after(chunk, until_sample)
        and chunk.start_sample >= heard.origin_sample
    ]
    while trail and not trail[0].supports:
        trail.pop(0)
    if not trail or len(trail) == len(play.trail) or until_sample - at_sample < CHUNK_SAMPLES:
        return None
    start = max(at_sample, rough_start(trail))
    tail = replace(
        play,
        stream=heard.stream,
        origin_sample=heard.origin_sample,
        # Rounded up, for a stream's last chunk begins between two places of the grid and has the later one's number.
        first_chunk=-(-(trail[0].start_sample - heard.origin_sample) // CHUNK_HOP_SAMPLES),
        earliest_sample=at_sample,
        start_sample=start,
        trail=tuple(trail),
        strength=0.0,
        density=0.0,
        recording=0.0,
        gaps=tuple(gap for gap in play.gaps if gap[0] >= at_sample),
        revision=-1,
    )
    return _of_chunks(tail, sum(chunk.supports for chunk in trail), play)


def _of_chunks(part: OpenPlay, supporting: int, whole: OpenPlay) -> OpenPlay:
    """The part on the diagonal of its own start, with its share of the whole play's margins."""
    return replace(
        part,
        anchor=Place(stream_sample=part.start_sample, track_sample=part.track_start_sample),
        jump=None,
        supporting=supporting,
        margin_sum=whole.margin_sum * supporting / max(1, whole.supporting),
    )


def _mostly_after(chunk: HeardChunk, sample: int) -> bool:
    """Whether the chunk lies mostly after a sample."""
    return sample - chunk.start_sample < chunk.end_sample - sample
