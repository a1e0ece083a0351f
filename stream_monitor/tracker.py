"""Evidence of single chunks to plays of one stream: opened, kept, updated, closed or retracted, with hysteresis.

A candidate with a fair ordered score is aligned with the stream's last minute; confidence decides whether a play
opens. An open play lives from single chunks on its diagonal and ends when they fail for longer than a permitted gap.
It does no I/O and knows nothing of embeddings, audio or events; revisions follow stream time only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stream_monitor.confidence import Calibration
from stream_monitor.evidence import Candidate, ChunkEvidence, Verifier
from stream_monitor.open_play import Jump, OpenPlay
from stream_monitor.opening import Opening, Told
from stream_monitor.placing import Ended, Look, Placing, fault
from stream_monitor.plays import Decision, PlayedTrack, Status, TrackerStep
from stream_monitor.repeats import Heard, Repeats, chunk_before
from stream_monitor.rivals import judge, margin
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_config import TrackerConfig, samples
from stream_monitor.tracker_state import Step, TrackerState

KNOWN_TRACKS = 512
"""Metadata of so many tracks is kept at hand."""


class Tracker:
    """The plays of one stream."""

    def __init__(
        self,
        stream: StreamKey,
        *,
        tracks: Callable[[int], PlayedTrack | None],
        verifier: Verifier,
        calibration: Calibration | None = None,
        config: TrackerConfig | None = None,
        floor: float = 0.0,
    ) -> None:
        """Starts with no play.

        Args:
            stream: The stream.
            tracks: Metadata of a track key; None if the track is gone. A key never changes its meaning.
            verifier: Places stretches of the stream on tracks.
            calibration: What confidence means, and from which on plays open.
            config: Rules.
            floor: The matcher's loose score, which stands for works that it does not report.
        """
        self.config = config or TrackerConfig()
        self.calibration = calibration or Calibration.provisional()
        self._tracks = tracks
        self._known: dict[int, PlayedTrack | None] = {}
        self._floor = floor
        self._state = TrackerState(stream=stream)
        self._placing = Placing(verifier=verifier, config=self.config)
        self._repeats = Repeats(placing=self._placing, config=self.config)
        self._opening = Opening(
            placing=self._placing, calibration=self.calibration, config=self.config, track=self._track, floor=floor
        )

    @property
    def open_tracks(self) -> frozenset[int]:
        """Tracks with an open play, for the matcher."""
        return frozenset(play.track.track_key for play in self._state.plays)

    @property
    def open_plays(self) -> tuple[OpenPlay, ...]:
        """The open plays, for displays."""
        return self._state.plays

    def update(self, evidence: ChunkEvidence) -> TrackerStep:
        """Takes the next chunk's evidence."""
        origin = self._state.origin_sample
        step = Step(now_sample=evidence.chunk.end_sample + origin, chunk=evidence.chunk.index)
        heard = {candidate.track_key: candidate for candidate in evidence.candidates}
        plays = [self._hear(play, evidence, heard) for play in self._state.plays]
        plays = self._end_what_ended(plays, step)
        plays = self._open_what_opens(plays, evidence, heard, step)
        plays = self._tell_what_is_due(plays, step)
        self._state = replace(self._state, plays=tuple(plays))
        return step.done()

    def finish(self, end_sample: int, *, reason: str = "end of stream") -> TrackerStep:
        """Ends all open plays at the latest at `end_sample` (of the present epoch), in final or retracted events."""
        now = end_sample + self._state.origin_sample
        step = Step(now_sample=now, chunk=-1)
        for play in self._state.plays:
            self._close(play, step, reason)
        self._state = replace(self._state, plays=(), tried=())
        return step.done()

    def remove_track(self, track_key: int, *, reason: str = "track removed from the catalogue") -> TrackerStep:
        """Retracts the track's open plays; other plays stay as they are."""
        self._known.pop(track_key, None)
        kept, step = [], Step(now_sample=0, chunk=-1)
        for play in self._state.plays:
            if play.track.track_key == track_key:
                newest = play.trail[-1].end_sample
                self._say(play, replace(step, now_sample=newest), "retracted", reason, play.last_support.end_sample)
            else:
                kept.append(play)
        self._state = replace(self._state, plays=tuple(kept))
        return step.done()

    def continue_as(self, stream: StreamKey, offset_samples: int) -> None:
        """The stream goes on in a new epoch whose sample 0 is sample `offset_samples` of the present one.

        Open plays go on and keep the epoch in which they opened. Chunk numbers start anew.
        """
        self._state = replace(
            self._state,
            stream=stream,
            origin_sample=self._state.origin_sample + offset_samples,
            plays=tuple(replace(play, jump=None) for play in self._state.plays),
            told=(),
            tried=(),
        )

    def snapshot(self) -> TrackerState:
        """The state, for a restart."""
        return self._state

    def restore(self, state: TrackerState) -> None:
        """Takes a state back."""
        self._state = state

    def _track(self, track_key: int) -> PlayedTrack | None:
        if track_key not in self._known:
            if len(self._known) >= KNOWN_TRACKS:
                self._known.clear()
            self._known[track_key] = self._tracks(track_key)
        return self._known[track_key]

    def _work(self, track_key: int) -> str | None:
        track = self._track(track_key)
        return track.work_id if track else None

    def _hear(self, play: OpenPlay, evidence: ChunkEvidence, heard: dict[int, Candidate]) -> OpenPlay:
        """The play after the chunk: support, jump, features, siblings."""
        origin, chunk = self._state.origin_sample, evidence.chunk
        candidate = heard.get(play.track.track_key)
        gaps = len(play.gaps)
        play = play.hear(chunk.start_sample + origin, chunk.end_sample + origin, candidate, chunk.index, self.config)
        if len(play.gaps) > gaps:
            play = self._placing.gap(play, chunk.end_sample + origin, origin)
        siblings = [
            other
            for key, other in heard.items()
            if key != play.track.track_key and self._work(key) == play.track.work_id
        ]
        play = self._opening.with_alternatives(play, siblings)
        if play.silent_chunks:
            helping = [other for other in siblings if self._opening.goes_on(other, play)]
            return play.helped(helping[0]) if helping else play
        if candidate is None:
            return play
        return replace(
            play,
            ordered=max(play.ordered, candidate.ordered_score),
            margin_sum=play.margin_sum + margin(candidate, heard.values(), self._work, self._floor),
            score=max(play.score, candidate.window_scores[candidate.window - 1]),
        )

    def _end_what_ended(self, plays: list[OpenPlay], step: Step) -> list[OpenPlay]:
        going = []
        for play in plays:
            kind = play.jump_kind(self.config)
            confidence = self.calibration.confidence(play.features)
            silent = step.now_sample - play.last_support.end_sample
            if kind == "again":
                look = self._placing.look(play, step.now_sample, self._state.origin_sample)
                same = self._placing.one_line(play, look, step.now_sample, self._state.origin_sample)
                if same is None:
                    self._close(play, step, "the track begins again", look)
                else:
                    going.append(same)
            elif kind == "none" and silent >= samples(self.config.max_gap_s):
                carried, look = self._placing.carried(play, step.now_sample, self._state.origin_sample), None
                if carried is None:
                    look = self._placing.look(play, step.now_sample, self._state.origin_sample)
                    carried = self._placing.one_line(play, look, step.now_sample, self._state.origin_sample)
                if carried is None:
                    self._close(play, step, "no evidence for longer than a permitted gap", look)
                else:
                    going.append(carried)
            elif confidence < self.calibration.close_confidence:
                self._retract(play, step, f"confidence fell to {confidence:.3f}")
            else:
                going.append(play.landed() if kind == "moved" else play)
        return going

    def _open_what_opens(
        self, plays: list[OpenPlay], evidence: ChunkEvidence, heard: dict[int, Candidate], step: Step
    ) -> list[OpenPlay]:
        state = self._state
        found = self._opening.proposals(evidence, plays, state.stream, state.origin_sample, state.told, state.tried)
        step.decisions.extend(found.rejected)
        self._state = replace(state, tried=found.tried)
        for proposal in found.plays:
            confidence = self.calibration.confidence(proposal.features)
            verdicts = {
                play.track.track_key: judge(play, heard.get(play.track.track_key), proposal, self.config)
                for play in plays
                if play.track.work_id != proposal.track.work_id
            }
            stronger = [key for key, verdict in verdicts.items() if verdict == "weaker"]
            if stronger:
                reason = f"weaker than the open play of track {stronger[0]} over the same stretch"
                step.reject(proposal, reason, confidence)
                continue
            going = []
            for play in plays:
                followed = play.silent_chunks >= self.config.follow_chunks
                if verdicts.get(play.track.track_key) == "overtakes":
                    self._retract(play, step, f"overtaken by {proposal.track.track_id} over the same stretch")
                elif followed or play.track.work_id == proposal.track.work_id:
                    self._close(play, step, f"followed by {proposal.track.track_id}")
                else:
                    going.append(play)
            opened = replace(proposal, announced_sample=step.now_sample)
            plays = [
                *going,
                self._say(opened, step, "provisional", "confidence reached", opened.last_support.end_sample),
            ]
        return plays

    def _tell_what_is_due(self, plays: list[OpenPlay], step: Step) -> list[OpenPlay]:
        """Updates of plays that the newest chunk supports, so that an end is told once, when it is certain."""
        told = []
        for play in plays:
            due = step.now_sample - play.announced_sample >= samples(self.config.update_every_s)
            if due and play.silent_chunks == 0:
                if play.revision < self.config.verified_updates:
                    play = self._placing.start(play, step.now_sample, self._state.origin_sample)
                play = self._say(play, step, "updated", "time for an update", play.last_support.end_sample)
            elif play.announced_sample < step.now_sample:
                reason = f"no support for {play.silent_chunks} chunks" if play.silent_chunks else "supported"
                confidence = self.calibration.confidence(play.features)
                step.decisions.append(
                    Decision(track_key=play.track.track_key, outcome="kept", reason=reason, confidence=confidence)
                )
            told.append(play)
        return told

    def _close(self, play: OpenPlay, step: Step, reason: str, look: Look | None = None) -> None:
        """Ends a play, and tells the plays after it that chunks took for the same one."""
        state = self._state
        heard = Heard(stream=state.stream, origin_sample=state.origin_sample, now_sample=step.now_sample)
        first, *others = self._repeats.parts(play, look, heard)
        self._end(first, step, "the track begins again" if others else reason, play.jump)
        for part in others:
            confidence = self.calibration.confidence(part.play.features)
            wrong = fault(part, confidence, self.calibration.open_confidence, self.config)
            if wrong is not None:
                step.reject(part.play, f"the track began again, but {wrong}", confidence)
                continue
            opened = self._say(part.play, step, "provisional", "the track began again", part.end_sample)
            again = "the track begins again" if part is not others[-1] else reason
            self._end(replace(part, play=opened), step, again, play.jump)

    def _end(self, ended: Ended, step: Step, reason: str, jump: Jump | None) -> None:
        """The last revision of a play: final, or retracted where it was nothing."""
        play, end = ended.play, ended.end_sample
        through = jump.first_chunk - 1 if jump else step.chunk
        wrong = fault(ended, self.calibration.confidence(play.features), self.calibration.close_confidence, self.config)
        if wrong is None:
            self._say(play, step, "final", reason, end)
            own = play.first_chunk if play.stream == self._state.stream else -1
            self._remember(play, max(own, min(through, chunk_before(end - self._state.origin_sample))), end)
        else:
            self._say(play, step, "retracted", wrong, end)
            self._remember(play, through, end)

    def _retract(self, play: OpenPlay, step: Step, reason: str) -> None:
        self._say(play, step, "retracted", reason, play.last_support.end_sample)
        self._remember(play, step.chunk, play.start_sample)

    def _remember(self, play: OpenPlay, through_chunk: int, end_sample: int) -> None:
        """Chunks up to `through_chunk` are used up for this track: no second play may rest on them."""
        told = Told(track_key=play.track.track_key, through_chunk=through_chunk, end_sample=end_sample)
        others = tuple(other for other in self._state.told if other.track_key != play.track.track_key)
        self._state = replace(self._state, told=(*others, told)[-64:])

    def _say(self, play: OpenPlay, step: Step, status: Status, reason: str, end_sample: int) -> OpenPlay:
        """Adds the play's next revision to the step; returns the play after it."""
        change = play.change(
            status,
            reason,
            confidence=self.calibration.confidence(play.features),
            decided_sample=step.now_sample,
            end_sample=end_sample,
        )
        step.changes.append(change)
        return replace(play, revision=change.revision, announced_sample=step.now_sample)
