"""Candidates to plays that could open: which are worth an alignment, and how sure it makes them.

It knows nothing of which plays are told. Positions are samples on the tracker's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES
from stream_monitor.boundaries import HeardChunk, rough_start
from stream_monitor.confidence import Calibration
from stream_monitor.evidence import Candidate, ChunkEvidence
from stream_monitor.open_play import OpenPlay, Place
from stream_monitor.placing import Placing
from stream_monitor.plays import Alternative, Decision, PlayedTrack
from stream_monitor.rivals import margin
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_config import TrackerConfig, samples

BEGINNING_POSITIONS = 2
"""Positions of 10 s that count as a track's beginning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A closed play: its track's chunks up to `through_chunk` are used up, its first one in any case."""

    track_key: int
    through_chunk: int
    end_sample: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """A candidate that was aligned and did not open."""

    track_key: int
    chunk: int
    ordered: float
    window: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposals:
    """Plays that could open, surest first."""

    plays: tuple[OpenPlay, ...]
    rejected: tuple[Decision, ...]
    tried: tuple[Tried, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """Weighs candidates."""

    placing: Placing
    calibration: Calibration
    config: TrackerConfig
    track: Callable[[int], PlayedTrack | None]
    floor: float

    def proposals(
        self,
        evidence: ChunkEvidence,
        plays: Sequence[OpenPlay],
        stream: StreamKey,
        origin_sample: int,
        told: Sequence[Told],
        tried: Sequence[Tried],
    ) -> Proposals:
        """The candidates of one chunk that could open a play.

        Args:
            evidence: The chunk's evidence.
            plays: The open plays, which have heard the chunk.
            stream: The present epoch.
            origin_sample: Its sample 0 on the tracker's clock.
            told: Closed plays.
            tried: What was aligned in vain lately.
        """
        used = {entry.track_key: entry for entry in told}
        recent = [entry for entry in tried if evidence.chunk.index - entry.chunk < 5]
        failed = {entry.track_key: entry for entry in recent}
        heard = {candidate.track_key: candidate for candidate in evidence.candidates}
        proposed: list[OpenPlay] = []
        rejected: list[Decision] = []
        aligned = 0
        for candidate in evidence.candidates:
            track = self.track(candidate.track_key)
            if track is None or not self._promising(candidate, evidence.candidates):
                continue
            reason = self._unfit(
                candidate, track, plays, heard, used.get(candidate.track_key), failed.get(candidate.track_key)
            )
            if reason is None and aligned >= self.config.verifications:
                reason = f"{aligned} better candidates were aligned at this chunk"
            if reason is not None:
                if reason:
                    rejected.append(Decision(track_key=candidate.track_key, outcome="rejected", reason=reason))
                continue
            aligned += 1
            play = self._hypothesis(candidate, track, evidence, stream, origin_sample, used.get(candidate.track_key))
            confidence = self.calibration.confidence(play.features)
            if confidence >= self.calibration.open_confidence:
                proposed.append(play)
                continue
            recent = [entry for entry in recent if entry.track_key != candidate.track_key]
            recent.append(
                Tried(
                    track_key=candidate.track_key,
                    chunk=evidence.chunk.index,
                    ordered=candidate.ordered_score,
                    window=len(candidate.positions),
                )
            )
            rejected.append(
                Decision(
                    track_key=candidate.track_key,
                    outcome="rejected",
                    reason=f"confidence below {self.calibration.open_confidence:g}",
                    confidence=confidence,
                    features=play.features,
                )
            )
        leads, siblings = self._one_a_work(proposed)
        return Proposals(plays=leads, rejected=(*rejected, *siblings), tried=tuple(recent))

    def with_alternatives(self, play: OpenPlay, siblings: Sequence[Candidate]) -> OpenPlay:
        """The play with the best scores so far of the other recordings of its work."""
        best = {alternative.track_id: alternative.score for alternative in play.alternatives}
        for candidate in siblings:
            track = self.track(candidate.track_key)
            if track is not None and candidate.ordered_score >= self.config.verify_score:
                score = candidate.window_scores[candidate.window - 1]
                best[track.track_id] = max(score, best.get(track.track_id, score))
        ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[: self.config.alternatives]
        return replace(play, alternatives=tuple(Alternative(track_id=key, score=score) for key, score in ranked))

    def goes_on(self, sibling: Candidate, play: OpenPlay) -> bool:
        """Whether another recording of the play's work carries it on (and does not begin anew)."""
        enough = max(self.config.keep_similarity, self.config.keep_fraction * sibling.path_similarities[0])
        return (
            (
                len(sibling.positions) >= 2
                and sibling.positions[-1][1] > BEGINNING_POSITIONS
                and sibling.path_similarities[-1] >= enough
                and sibling.ordered_score >= self.config.verify_score
            )
            if sibling.positions
            else False
        )

    def _promising(self, candidate: Candidate, candidates: Sequence[Candidate]) -> bool:
        """Whether an alignment, which costs more than all before it, is worth it: on 72 hours of validation stations
        it asked for two thirds of the alignments and lost none of 242 plays."""
        if candidate.ordered_score >= self.config.verify_sure_score:
            return True
        lead = margin(candidate, candidates, self._work, self.floor)
        return candidate.ordered_score >= self.config.verify_score and lead >= self.config.verify_margin

    def _unfit(
        self,
        candidate: Candidate,
        track: PlayedTrack,
        plays: Sequence[OpenPlay],
        heard: Mapping[int, Candidate],
        used: Told | None,
        failed: Tried | None,
    ) -> str | None:
        """Why the candidate is not weighed; "" where that is no news, None where it is weighed."""
        if any(play.track.track_key == candidate.track_key for play in plays):
            return ""
        fresh = _fresh(candidate, used)
        if not fresh:
            return "its chunks belong to a play that is closed"
        if candidate.path_similarities[-1] < self.config.keep_similarity:
            return "the newest chunk does not support it"
        for play in plays:
            if play.track.work_id != track.work_id:
                continue
            begins = candidate.positions[-len(fresh)][1] <= BEGINNING_POSITIONS
            if not (begins and play.silent_chunks >= len(fresh)):
                return f"another recording of the work of the open play of track {play.track.track_key}"
        own = candidate.ordered_deviations[candidate.window - 1]
        for play in plays:
            present = heard.get(play.track.track_key)
            if play.silent_chunks == 0 and present is not None:
                lead = present.ordered_deviations[candidate.window - 1] - own
                if lead > self.config.rival_look:
                    return f"far below the open play of track {play.track.track_key} over the same stretch"
        if (
            failed is not None
            and candidate.ordered_score < failed.ordered + self.config.verify_again
            and len(candidate.positions) <= failed.window
        ):
            return "no better than when it was aligned in vain"
        return None

    def _hypothesis(
        self,
        candidate: Candidate,
        track: PlayedTrack,
        evidence: ChunkEvidence,
        stream: StreamKey,
        origin_sample: int,
        used: Told | None,
    ) -> OpenPlay:
        fresh = _fresh(candidate, used)
        newest = evidence.chunk
        trail = []
        for chunk, _, similarity in fresh:
            start = newest.start_sample if chunk == newest.index else chunk * CHUNK_HOP_SAMPLES
            end = newest.end_sample if chunk == newest.index else start + CHUNK_SAMPLES
            trail.append(
                HeardChunk(
                    start_sample=start + origin_sample,
                    end_sample=end + origin_sample,
                    similarity=similarity,
                    supports=similarity >= self.config.keep_similarity,
                )
            )
        while len(trail) > 1 and not trail[0].supports:
            trail.pop(0)
        position = min(fresh[-1][1] * CHUNK_HOP_SAMPLES, max(0, track.duration_samples - CHUNK_SAMPLES))
        anchor = Place(stream_sample=newest.start_sample + origin_sample, track_sample=position)
        earliest = max(origin_sample, used.end_sample if used else 0)
        start_sample = max(rough_start(trail), earliest)
        supporting = sum(chunk.supports for chunk in trail)
        lead = margin(candidate, evidence.candidates, self._work, self.floor)
        play = OpenPlay(
            stream=stream,
            origin_sample=origin_sample,
            track=track,
            first_chunk=fresh[-len(trail)][0],
            earliest_sample=earliest,
            start_sample=start_sample,
            track_start_sample=max(0, position - (anchor.stream_sample - start_sample)),
            anchor=anchor,
            trail=tuple(trail),
            score=candidate.window_scores[candidate.window - 1],
            ordered=candidate.ordered_score,
            margin_sum=lead * supporting,
            supporting=supporting,
            embeddings=evidence.catalogue_embeddings,
        )
        end = newest.end_sample + origin_sample
        looked_from = max(end - samples(self.config.verify_s), earliest)
        return self.placing.opened(play, looked_from, end, origin_sample)

    def _one_a_work(self, proposed: Sequence[OpenPlay]) -> tuple[tuple[OpenPlay, ...], tuple[Decision, ...]]:
        """The surest recording of each work."""
        leads: dict[str, OpenPlay] = {}
        siblings = []
        for play in sorted(proposed, key=lambda play: (-self.calibration.logit(play.features), play.track.track_key)):
            lead = leads.setdefault(play.track.work_id, play)
            if lead is not play:
                siblings.append(
                    Decision(
                        track_key=play.track.track_key,
                        outcome="rejected",
                        reason=f"another recording of the work of track {lead.track.track_key}, which is surer",
                        confidence=self.calibration.confidence(play.features),
                        features=play.features,
                    )
                )
        return tuple(leads.values()), tuple(siblings)

    def _work(self, track_key: int) -> str | None:
        track = self.track(track_key)
        return track.work_id if track else None


def _fresh(candidate: Candidate, used: Told | None) -> list[tuple[int, int, float]]:
    """(chunk, position, similarity) of the path's chunks that no closed play of the track used up."""
    through = used.through_chunk if used else -1
    path = zip(candidate.positions, candidate.path_similarities, strict=True)
    return [(chunk, position, similarity) for (chunk, position), similarity in path if chunk > through]
