"""One upload on its way to its verdict: what came, what was heard of it, what was found; early verdicts and the last.

An early verdict rests on what cannot change any more: final plays, and audio that is missing before the last chunk.
So it depends on the stream's own time only, and a worker that takes the upload over says the same. It knows nothing
of Kafka, of how plays are found or of events.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from stream_monitor.accounting import State
from stream_monitor.intervals import Interval, append, common, total, union, without
from stream_monitor.level import BlockLevel
from stream_monitor.plays import PlayChange
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.verdict import UploadPlay, UploadState, Verdict, Word
from stream_monitor.verdict_policy import STRICTNESS, VerdictSettings, stricter


class Upload:
    """One epoch of one upload."""

    def __init__(self, stream: StreamKey, policy: VerdictSettings, *, silence_dbfs: float) -> None:
        """Begins.

        Args:
            stream: Whose it is.
            policy: The rules.
            silence_dbfs: Half seconds below this level are silence.
        """
        self.stream = stream
        self.state = UploadState()
        self._policy = policy
        self._silent_square = 10.0 ** (silence_dbfs / 10.0)

    def came(self, segment: Segment) -> None:
        """A segment came; one that could not be read says so."""
        own, start = self.state, segment.start_sample
        if own.first_sample is None:
            own.first_sample, own.replays = start, segment.replays
        if segment.unreadable_samples:
            # What was passed already is not spoilt by a record that comes late.
            append(own.spoilt, (max(start, own.next_sample), max(start + segment.unreadable_samples, own.next_sample)))
            own.spoilt = union(own.spoilt)
            return
        if start > own.next_sample:
            append(own.missing, (own.next_sample, start))
        own.next_sample = max(own.next_sample, start, segment.end_sample)

    def came_odd(self) -> None:
        """A record came that could not be read and did not say where it belongs."""
        if self.state.odd_sample is None:
            self.state.odd_sample = self.state.next_sample

    def lost(self, start_sample: int, end_sample: int) -> None:
        """Audio that had come is gone before it was weighed; or nobody knows what was found in it."""
        self.state.missing = union([*self.state.missing, (start_sample, end_sample)])

    def measured(self, level: BlockLevel) -> None:
        """A block of it came back."""
        for start, end, mean_square in level.cells():
            if mean_square < self._silent_square:
                append(self.state.silent, (start, end))

    def played(self, change: PlayChange, shift_samples: int) -> None:
        """A play opened, moved, ended or was taken back.

        Args:
            change: The play.
            shift_samples: Where this epoch begins on the clock of the play's.
        """
        track, own = change.track, self.state
        key = (change.stream.epoch, track.track_id, change.first_chunk)
        own.plays = [play for play in own.plays if (play.epoch, play.track_id, play.first_chunk) != key]
        start, end = max(0, change.start_sample - shift_samples), change.end_sample - shift_samples
        if change.status == "retracted" or end <= start:
            return
        own.plays.append(
            UploadPlay(
                epoch=change.stream.epoch,
                first_chunk=change.first_chunk,
                track_id=track.track_id,
                work_id=track.work_id,
                title=track.title,
                artist=track.artist,
                isrc=track.isrc,
                iswc=track.iswc,
                match_type=change.match_type,
                confidence=change.confidence,
                start_sample=start,
                end_sample=end,
                final=change.status == "final",
            )
        )

    def heard(self, start_sample: int, end_sample: int) -> Verdict | None:
        """A chunk was weighed, after what it did to the plays; an early verdict, where one has become certain."""
        own = self.state
        new = without(without([(start_sample, end_sample)], own.heard), own.missing)
        own.silent_samples += total(common(union(own.silent), new))
        own.silent = [each for each in own.silent if each[1] > end_sample]
        own.heard = union([*own.heard, *new])
        verdict = self._verdict(end_sample, [play for play in own.plays if play.final], early=True)
        return self._say(verdict) if STRICTNESS[verdict.action] > STRICTNESS[own.told] else None

    def finish(self, state: State, *, too_short: bool) -> Verdict:
        """The verdict at the end.

        Args:
            state: How the upload ended; whole is what ended by itself.
            too_short: There was no chunk.
        """
        own = self.state
        end = max([own.next_sample, *(stop for _, stop in own.spoilt)])
        if end > own.next_sample:
            append(own.missing, (own.next_sample, end))
        why = [state] if state != "ended" else []
        return self._say(self._verdict(end, own.plays, early=False, why=[*why, *(["too_short"] if too_short else [])]))

    def snapshot(self) -> UploadState:
        """A copy of everything that is remembered."""
        return copy.deepcopy(self.state)

    def restore(self, state: UploadState) -> None:
        """Goes on from a snapshot."""
        self.state = copy.deepcopy(state)

    def _verdict(self, end: int, plays: Iterable[UploadPlay], *, early: bool, why: Iterable[str] = ()) -> Verdict:
        own, whole = self.state, [(0, end)] if end else []
        away = common(union(own.missing), whole)
        poisoned = common(own.spoilt, away)
        heard = common(own.heard, whole)
        unheard = without(without(whole, heard), away)
        told = sorted(plays, key=lambda play: (play.start_sample, play.track_id, play.first_chunk))
        matched = total(common(union((play.start_sample, play.end_sample) for play in told), heard))
        odd = own.odd_sample is not None and (not early or own.odd_sample < end)
        found: dict[str, bool] = {
            "missing": total(away) > total(poisoned),
            "poisoned": bool(poisoned) or odd,
            "unheard": bool(unheard),
            "continued": own.continued,
        }
        reasons = (*why, *(name for name, holds in found.items() if holds))
        action, rules = self._policy.judge(
            [play.found for play in told], heard, duration_samples=None if early else end, whole=not reasons
        )
        word: Word = "incomplete" if reasons else "match" if told else "clear"
        return Verdict(
            stream=self.stream,
            first_sample=own.first_sample or 0,
            replays=own.replays,
            revision=own.revision,
            early=early,
            word=word,
            # What was said is not taken back, not even by other rules after a restart.
            action=stricter(action, own.told),
            rules=rules,
            reasons=reasons,
            duration_samples=end,
            heard_samples=total(heard),
            silent_samples=own.silent_samples,
            missing_samples=total(away) - total(poisoned),
            poisoned_samples=total(poisoned),
            unheard_samples=total(unheard),
            matched_samples=matched,
            plays=tuple(told),
        )

    def _say(self, verdict: Verdict) -> Verdict:
        self.state.revision += 1
        self.state.told = verdict.action
        return verdict


def unknown_before(next_sample: int) -> UploadState:
    """Of an upload whose beginning an earlier version heard, which did not note what was found in it."""
    missing: list[Interval] = [(0, next_sample)] if next_sample else []
    return UploadState(first_sample=0, next_sample=next_sample, missing=missing)
