"""What alignment says about an open play: its start, its gaps, its end, and whether it goes on.

Chunks see a boundary within a few seconds; a verifier that places the stream's last minutes on the track sees it
exactly, and is believed as far as it is strong. Positions are samples on the tracker's clock; the verifier is asked on
the present epoch's, whose sample 0 is `origin_sample`. It knows nothing of other plays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from encoder.grid import CHUNK_SAMPLES
from stream_monitor.boundaries import rough_end
from stream_monitor.evidence import Verification, Verifier
from stream_monitor.open_play import OpenPlay, Place
from stream_monitor.tracker_config import TrackerConfig, samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """The best line through a play's track from before its start up to now, wherever it lies; answers two questions."""

    start_sample: int
    """Where the stretch that was aligned begins."""
    found: Verification | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A play with its end."""

    play: OpenPlay
    end_sample: int
    line: Verification | None
    """The alignment that placed the end; None where chunks did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placing:
    """Asks the verifier about plays."""

    verifier: Verifier
    config: TrackerConfig

    def opened(self, play: OpenPlay, looked_from: int, now_sample: int, origin_sample: int) -> OpenPlay:
        """A play that could open, with what an alignment since `looked_from` says about it."""
        verification = self._verify(play, looked_from, now_sample, origin_sample)
        return (
            play
            if verification is None
            else self._started(self._taken(play, verification), verification, looked_from, origin_sample)
        )

    def start(self, play: OpenPlay, now_sample: int, origin_sample: int) -> OpenPlay:
        """The play with its start aligned, as far as the stream's last minutes still hold it."""
        half = samples(self.config.verify_s) // 2
        start, end = max(play.earliest_sample, play.start_sample - half), min(now_sample, play.start_sample + half)
        verification = self._verify(play, start, end, origin_sample)
        if verification is None:
            return play
        return self._started(self._taken(play, verification), verification, start, origin_sample)

    def carried(self, play: OpenPlay, now_sample: int, origin_sample: int) -> OpenPlay | None:
        """The play, if an alignment follows it up to now although chunks do not support it; else None."""
        start = max(play.start_sample, now_sample - samples(self.config.verify_s))
        verification = self._verify(play, start, now_sample, origin_sample)
        if (
            verification is None
            or verification.strength < self.config.boundary_strength
            or verification.stream_end_sample < now_sample - samples(self.config.carry_s)
        ):
            return None
        place = Place(stream_sample=verification.stream_end_sample, track_sample=verification.track_end_sample)
        return self._taken(play, verification).carried(place)

    def look(self, play: OpenPlay, now_sample: int, origin_sample: int) -> Look:
        """Aligns the whole play, for `one_line` and, where that says no, for `end`."""
        start = max(play.earliest_sample, play.start_sample - samples(self.config.carry_s))
        found = self._verify(play, start, now_sample, origin_sample, anchored=False)
        return Look(start_sample=start, found=found)

    def one_line(self, play: OpenPlay, look: Look, now_sample: int, origin_sample: int) -> OpenPlay | None:
        """The play, if one line through the track explains it from its start up to now; else None.

        Songs repeat their sections, so chunks (and an alignment that looks only near them) may have followed a repeat;
        what then looks like the track beginning again is the same play. Two plays in a row are never one line.
        """
        carry = samples(self.config.carry_s)
        start, found = look.start_sample, look.found
        remembered = now_sample - samples(self.config.verify_s)
        if (
            found is None
            or found.strength < self.config.boundary_strength
            or found.stream_start_sample > max(min(play.start_sample, remembered) + carry, start)
            or found.stream_end_sample < now_sample - carry
        ):
            return None
        place = Place(stream_sample=found.stream_end_sample, track_sample=found.track_end_sample)
        return self._started(self._taken(play, found), found, start, origin_sample).carried(place)

    def gap(self, play: OpenPlay, now_sample: int, origin_sample: int) -> OpenPlay:
        """The play, which has just gone on after a gap, with what an alignment says about that gap."""
        around = samples(self.config.verify_s) // 2
        start = max(play.earliest_sample, play.gaps[-1][0] - around)
        verification = self._verify(play, start, now_sample, origin_sample)
        if verification is None or verification.strength < self.config.boundary_strength:
            return play
        return self._taken(play, verification)

    def end(self, play: OpenPlay, look: Look | None, now_sample: int, origin_sample: int) -> Ended:
        """The play and its end, aligned where alignment and chunks agree; looks at the whole play if nobody did.

        Where the newest stretch follows the track nowhere, although the play was well aligned before, chunks supported
        it by chance, and the stretches before are looked at.
        """
        rough = min(rough_end(play.trail), now_sample)
        as_one = self._as_one(play, look or self.look(play, now_sample, origin_sample), rough, origin_sample)
        if as_one is not None:
            return as_one
        whole, quarter = samples(self.config.verify_s), samples(self.config.verify_s) // 4
        aligned_before = play.strength >= self.config.boundary_strength
        for start in range(rough - 3 * quarter, rough - 3 * quarter - self.config.look_back * whole - 1, -whole):
            end = now_sample if start == rough - 3 * quarter else start + whole + quarter
            start = max(play.earliest_sample, play.start_sample - quarter, start)
            verification = self._verify(play, start, end, origin_sample)
            if verification is not None and self._believed(verification.stream_end_sample - rough, verification):
                play = self._taken(play, verification)
                if start <= play.start_sample:
                    play = self._started(play, verification, start, origin_sample)
                return _ended(play, verification)
            if start <= play.start_sample or not aligned_before:
                break
        return Ended(play=play, end_sample=rough, line=None)

    def ended_by(self, play: OpenPlay, line: Verification) -> Ended:
        """The play, ended where a line ends."""
        return _ended(self._taken(play, line), line)

    def line(
        self, play: OpenPlay, known: Verification, start_sample: int, now_sample: int, origin_sample: int
    ) -> Verification | None:
        """The line through the play's track that `known` is a part of, since a sample shortly before `start_sample`."""
        place = Place(stream_sample=known.stream_start_sample, track_sample=known.track_start_sample)
        start = max(play.earliest_sample, start_sample - samples(self.config.verify_lead_s))
        return self._verify(replace(play, anchor=place), start, now_sample, origin_sample)

    def _as_one(self, play: OpenPlay, look: Look, rough: int, origin_sample: int) -> Ended | None:
        """The play and its end from one line through the track, where a strong one runs from start to end.

        What was aligned while the play was young may lie on a repeat of its section; the whole play lies on one place.
        """
        reach = samples(self.config.boundary_s)
        found = look.found
        if (
            found is None
            or found.strength < max(self.config.boundary_strength, play.strength)
            or found.stream_start_sample > play.start_sample + reach
            or found.stream_end_sample < rough - reach
        ):
            return None
        return _ended(self._started(self._taken(play, found), found, look.start_sample, origin_sample), found)

    def _taken(self, play: OpenPlay, verification: Verification) -> OpenPlay:
        """The play with what the alignment says, gaps only where it is strong."""
        aligned = verification.stream_end_sample - verification.stream_start_sample
        said = play.trail[-1].end_sample - play.start_sample
        length = min(samples(self.config.verify_s), max(CHUNK_SAMPLES, aligned, said))
        play = play.verified(verification, verification.strength * CHUNK_SAMPLES / length)
        strong = verification.strength >= self.config.boundary_strength or verification.match_type == "recording"
        return play.with_gaps(verification) if strong else play

    def _believed(self, difference_samples: int, verification: Verification) -> bool:
        near = abs(difference_samples) <= samples(self.config.boundary_s)
        return near or verification.strength >= self.config.boundary_strength

    def _verify(
        self, play: OpenPlay, start: int, end: int, origin_sample: int, *, anchored: bool = True
    ) -> Verification | None:
        """Asks on the present epoch's clock, answers on the tracker's; anchored near where the chunks are."""
        near = (play.last_support.start_sample - origin_sample, play.track_sample(play.last_support.start_sample))
        anchor = near if anchored else None
        found = self.verifier.verify(play.track.track_key, start - origin_sample, end - origin_sample, anchor=anchor)
        if found is None or origin_sample == 0:
            return found
        return replace(
            found,
            stream_start_sample=found.stream_start_sample + origin_sample,
            stream_end_sample=found.stream_end_sample + origin_sample,
            gaps=tuple((a + origin_sample, b + origin_sample) for a, b in found.gaps),
        )

    def _started(self, play: OpenPlay, verification: Verification, looked_from: int, origin_sample: int) -> OpenPlay:
        """Takes the aligned start where it is near the chunks' one and not cut off by the stretch that was aligned.

        A start in an earlier epoch stays: after a reconnect nothing of it is kept that could be aligned.
        """
        if play.start_sample < origin_sample:
            return play
        aligned = max(play.earliest_sample, verification.stream_start_sample)
        cut = aligned <= looked_from + samples(1.0) and aligned > play.start_sample
        if cut or not self._believed(aligned - play.start_sample, verification):
            return play
        return replace(play, start_sample=aligned, track_start_sample=verification.track_start_sample)


def fault(ended: Ended, confidence: float, enough: float, config: TrackerConfig) -> str | None:
    """Why a play with this end was nothing; None for a good one, whose confidence is `enough` at least."""
    play = ended.play
    proven = play.recording >= config.recording_significance or play.strength >= config.boundary_strength
    if ended.end_sample - play.start_sample < samples(config.min_play_s):
        return f"shorter than {config.min_play_s:g} s"
    if play.supporting < config.min_chunks and not proven:
        return f"only {play.supporting} chunk supported it"
    return f"confidence ended at {confidence:.3f}" if confidence < enough else None


def _ended(play: OpenPlay, line: Verification) -> Ended:
    place = Place(stream_sample=line.stream_end_sample, track_sample=line.track_end_sample)
    return Ended(play=replace(play, end_place=place), end_sample=place.stream_sample, line=line)
