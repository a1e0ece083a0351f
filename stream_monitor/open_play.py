"""One open play: what is known about it, and how a chunk, a verification or a jump changes that.

Immutable; every transition returns a new play. It knows nothing of other plays. Positions are samples on the
tracker's clock, which runs on through the epochs of a stream; `origin_sample` is sample 0 of the play's own epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES
from stream_monitor.boundaries import HeardChunk, gap_between, usual_similarity
from stream_monitor.confidence import PlayFeatures
from stream_monitor.evidence import Candidate, MatchType, Verification
from stream_monitor.plays import Alternative, PlayChange, PlayedTrack, Status
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_config import TrackerConfig, samples

TRAIL_CHUNKS = 24
"""Chunks that a play remembers: enough for its longest gap and its usual similarity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A stream sample and the track sample that belongs to it."""

    stream_sample: int
    track_sample: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Jump:
    """Chunks in a row that lie on another diagonal of the same track."""

    first_chunk: int
    chunks: int
    first: Place
    newest: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenPlay:
    """A play that is not closed yet."""

    stream: StreamKey
    origin_sample: int
    track: PlayedTrack
    first_chunk: int
    earliest_sample: int
    """The play cannot have begun before: there its track's play before ended, or its epoch began."""
    start_sample: int
    track_start_sample: int
    """Where in the track the play began: from the diagonal, until an alignment says it better."""
    anchor: Place
    """Newest place of the diagonal."""
    trail: tuple[HeardChunk, ...]
    """Newest TRAIL_CHUNKS chunks since the first one, oldest first."""
    score: float
    ordered: float
    margin_sum: float
    supporting: int
    """Chunks that supported the play."""
    embeddings: int
    """Live embeddings of the catalogue when it opened."""
    strength: float = 0.0
    density: float = 0.0
    """Strength of the strongest alignment for each 20 s."""
    recording: float = 0.0
    match_type: MatchType = "unknown"
    transposition_semitones: int | None = None
    tempo_ratio: float | None = None
    end_place: Place | None = None
    """The end as an alignment has it."""
    gaps: tuple[tuple[int, int], ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    jump: Jump | None = None
    revision: int = -1
    announced_sample: int = 0

    @property
    def last_support(self) -> HeardChunk:
        """The newest chunk that supported the play."""
        return next(chunk for chunk in reversed(self.trail) if chunk.supports)

    @property
    def silent_chunks(self) -> int:
        """How many of the newest chunks in a row did not support the play."""
        return next(place for place, chunk in enumerate(reversed(self.trail)) if chunk.supports)

    @property
    def features(self) -> PlayFeatures:
        """What the confidence rests on."""
        return PlayFeatures.of(
            ordered=self.ordered,
            margin=self.margin_sum / max(1, self.supporting),
            chunks=self.supporting,
            strength=self.strength,
            density=self.density,
            recording=self.recording,
            embeddings=self.embeddings,
        )

    def track_sample(self, stream_sample: int) -> int:
        """Where in the track a stream sample lies on the newest diagonal; may be outside of the track."""
        moved = (stream_sample - self.anchor.stream_sample) * (self.tempo_ratio or 1.0)
        return self.anchor.track_sample + round(moved)

    def hear(
        self, start_sample: int, end_sample: int, candidate: Candidate | None, chunk: int, config: TrackerConfig
    ) -> OpenPlay:
        """Takes the next chunk; `candidate` is None for silence or where the track is gone."""
        if candidate is None or not len(candidate.similarity_N):
            return self._append(
                HeardChunk(start_sample=start_sample, end_sample=end_sample, similarity=0.0, supports=False)
            )
        similarity_N = candidate.similarity_N
        usual = usual_similarity(self.trail)
        enough = max(config.keep_similarity, config.keep_fraction * usual)
        predicted = self.track_sample(start_sample)
        reach = config.diagonal_positions * CHUNK_HOP_SAMPLES
        place_N = position_samples(np.arange(len(similarity_N)), self.track.duration_samples)
        near_N = np.abs(place_N - predicted) <= reach
        best = int(np.argmax(np.where(near_N, similarity_N, -np.inf))) if near_N.any() else -1
        similarity = float(similarity_N[best]) if best >= 0 else 0.0
        heard = HeardChunk(
            start_sample=start_sample,
            end_sample=end_sample,
            similarity=similarity,
            supports=similarity >= enough and best >= 0,
        )
        if heard.supports:
            followed = predicted + round(config.diagonal_gain * (int(place_N[best]) - predicted))
            moved = replace(self, anchor=Place(stream_sample=start_sample, track_sample=followed), jump=None)
            return moved._append(heard, config)
        elsewhere = int(np.argmax(similarity_N))
        if near_N[elsewhere] or float(similarity_N[elsewhere]) < enough:
            return replace(self, jump=None)._append(heard)
        here = Place(stream_sample=start_sample, track_sample=int(place_N[elsewhere]))
        return replace(self, jump=self._jumped(here, chunk, reach))._append(heard)

    def helped(self, sibling: Candidate) -> OpenPlay:
        """The newest chunk did not support the play, but another recording of its work goes on: that counts."""
        trail = (
            *self.trail[:-1],
            replace(self.trail[-1], supports=True, similarity=max(sibling.path_similarities[-1], 0.0)),
        )
        return replace(self, trail=trail, supporting=self.supporting + 1, jump=None)

    def carried(self, place: Place) -> OpenPlay:
        """The newest chunk did not support the play, but an alignment follows it up to `place`: that counts."""
        trail = (*self.trail[:-1], replace(self.trail[-1], supports=True))
        return replace(self, trail=trail, anchor=place, jump=None)

    def verified(self, verification: Verification, density: float) -> OpenPlay:
        """Takes what an alignment says about version, key and tempo; boundaries and gaps are another matter."""
        stronger = verification.strength >= self.strength or verification.match_type == "recording"
        return replace(
            self,
            strength=max(self.strength, verification.strength),
            density=density if verification.strength >= self.strength else self.density,
            recording=max(self.recording, verification.recording),
            match_type=verification.match_type
            if stronger and (self.match_type != "recording" or verification.match_type == "recording")
            else self.match_type,
            transposition_semitones=verification.transposition_semitones if stronger else self.transposition_semitones,
            tempo_ratio=verification.tempo_ratio if stronger else self.tempo_ratio,
        )

    def with_gaps(self, verification: Verification) -> OpenPlay:
        """Within the stretch that was aligned, the alignment's gaps take the place of those that chunks saw."""
        low, high = verification.stream_start_sample, verification.stream_end_sample
        apart = [gap for gap in self.gaps if gap[0] < low or gap[1] > high]
        fresh = [gap for gap in verification.gaps if all(gap[1] <= a or b <= gap[0] for a, b in apart)]
        return replace(self, gaps=tuple(sorted([*apart, *fresh])))

    def landed(self) -> OpenPlay:
        """The play goes on at the diagonal that it jumped to; the chunks of the jump support it."""
        if self.jump is None:
            return self
        trail = list(self.trail)
        for place in range(max(0, len(trail) - self.jump.chunks), len(trail)):
            trail[place] = replace(trail[place], supports=True, similarity=usual_similarity(self.trail))
        return replace(
            self, anchor=self.jump.newest, jump=None, trail=tuple(trail), supporting=self.supporting + self.jump.chunks
        )

    def jump_kind(self, config: TrackerConfig) -> Literal["none", "moved", "again"]:
        """Whether the chunks of a jump are enough, and whether they begin the track anew."""
        if self.jump is None or self.jump.chunks < config.jump_chunks:
            return "none"
        landing = self.jump.first.track_sample
        # A version may repeat its whole form: only a pause before it makes that another play.
        paused = self.silent_chunks > self.jump.chunks
        back = self.track_sample(self.jump.first.stream_sample) - landing
        near = samples(config.restart_s)
        anew = back >= near and landing <= self.track_start_sample + near
        return "again" if anew and (paused or self.match_type == "recording") else "moved"

    def change(
        self, status: Status, reason: str, *, confidence: float, decided_sample: int, end_sample: int
    ) -> PlayChange:
        """The next revision of the play, on its own epoch's clock."""
        start = self.start_sample
        end = max(start + 1, end_sample)
        track_end = self.end_place.track_sample if self.end_place else self._within_track(self.track_sample(end))
        track_start = min(self._within_track(self.track_start_sample), track_end)
        return PlayChange(
            stream=self.stream,
            track=self.track,
            first_chunk=self.first_chunk,
            revision=self.revision + 1,
            status=status,
            reason=reason,
            confidence=confidence,
            features=self.features,
            score=self.score,
            match_type=self.match_type,
            start_sample=start - self.origin_sample,
            end_sample=end - self.origin_sample,
            track_start_sample=track_start,
            track_end_sample=track_end,
            transposition_semitones=self.transposition_semitones,
            tempo_ratio=self.tempo_ratio,
            gaps=tuple(
                (max(a, start) - self.origin_sample, min(b, end) - self.origin_sample)
                for a, b in self.gaps
                if max(a, start) < min(b, end)
            ),
            alternatives=self.alternatives,
            decided_sample=decided_sample - self.origin_sample,
        )

    def _append(self, heard: HeardChunk, config: TrackerConfig | None = None) -> OpenPlay:
        gaps = self.gaps
        if heard.supports and config is not None and self.silent_chunks:
            gap = gap_between(self.last_support, heard)
            if gap is not None and gap[1] - gap[0] >= samples(config.min_gap_s):
                gaps = (*gaps, gap)
        trail = (*self.trail, heard)
        # Never forget the newest supporting chunk.
        while len(trail) > TRAIL_CHUNKS and any(chunk.supports for chunk in trail[1:]):
            trail = trail[1:]
        return replace(self, trail=trail, gaps=gaps, supporting=self.supporting + heard.supports)

    def _jumped(self, here: Place, chunk: int, reach: float) -> Jump:
        previous = self.jump
        if previous is not None:
            expected = previous.newest.track_sample + (here.stream_sample - previous.newest.stream_sample)
            if abs(here.track_sample - expected) <= reach:
                return replace(previous, chunks=previous.chunks + 1, newest=here)
        return Jump(first_chunk=chunk, chunks=1, first=here, newest=here)

    def _within_track(self, sample: int) -> int:
        return min(max(0, sample), self.track.duration_samples)


def position_samples(position_N: NDArray[np.int64], duration_samples: int) -> NDArray[np.int64]:
    """First track sample of the embeddings at these positions: a grid of 10 s whose last chunk is right-aligned."""
    start_N: NDArray[np.int64] = np.minimum(position_N * CHUNK_HOP_SAMPLES, max(0, duration_samples - CHUNK_SAMPLES))
    return start_N
