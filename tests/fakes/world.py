"""A simulated world for matcher and tracker: works as random walks, stations as timelines of plays, no audio.

A work is a path on a sphere, one vector a second, near its style. A chunk's embedding is the mean of its 20 s, so
chunks that a play covers in part look as they do with audio. A cover follows its work at another tempo, off its path.
The verifier knows the timeline and answers with noise, as an alignment would.

Legend: S seconds, D dimensions, N embeddings of a track, C cohort.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.grid import SAMPLE_RATE, spans
from index.exact import ExactIndex
from stream_monitor.confidence import Calibration
from stream_monitor.evidence import EmbeddedChunk, Verification
from stream_monitor.plays import PlayedTrack
from stream_monitor.segments import StreamKey
from stream_monitor.window_score import WindowNull

CALIBRATION = Calibration(
    weights=(0.5, 0.15, 0.3, 3.5, 0.0, 1.3, -0.1),
    intercept=-9.5,
    open_confidence=0.6,
    close_confidence=0.15,
    null=WindowNull(mean=(0.14, 0.123, 0.103, 0.088, 0.075), deviation=(0.031, 0.03, 0.034, 0.036, 0.04)),
    fitted_on="the simulated world, by eye",
)
"""Fits this world: what its false candidates score, and how its verifier answers."""

DIMENSIONS = 64
STYLES = 6
Vectors = NDArray[np.float32]


def unit(vector_ND: NDArray[np.floating]) -> Vectors:
    """Rows of norm 1."""
    return np.asarray(vector_ND / np.linalg.norm(vector_ND, axis=-1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Aired:
    """One true play (or, with track_key None, something that is not enrolled)."""

    start_s: float
    end_s: float
    work: int | None
    track_key: int | None = None
    track_start_s: float = 0.0
    tempo: float = 1.0
    cover: float = 0.0
    """Strength of what differs from the work; 0.0: the recording itself."""
    talk: float = 0.0
    """Strength of speech over it."""
    gaps_s: tuple[tuple[float, float], ...] = ()
    """What the verifier says about its gaps."""

    def meets(self, anchor: tuple[int, int]) -> bool:
        """Whether (stream sample, track sample) lies on its diagonal, give or take 15 s."""
        expected_s = self.track_start_s + (anchor[0] / SAMPLE_RATE - self.start_s) * self.tempo
        return abs(expected_s - anchor[1] / SAMPLE_RATE) <= 15.0


class World:
    """Works, their recordings in an index, and streams made of them."""

    def __init__(self, works: int, *, seed: int = 0, seconds: tuple[int, int] = (120, 240), unknown: int = 60) -> None:
        self.rng = np.random.default_rng(seed)
        self.style_SD = unit(self.rng.standard_normal((STYLES, DIMENSIONS)))
        self.path: dict[int, Vectors] = {
            work: self._walk(int(self.rng.integers(*seconds))) for work in range(works + unknown)
        }
        self.works = works
        self.index = ExactIndex(dimensions=DIMENSIONS)
        self.tracks: dict[int, PlayedTrack] = {}
        for work in range(works):
            self.enrol(work, work)
        cohort = [self.embedding(self._walk(20)) for _ in range(400)]
        self.cohort_CD = np.stack(cohort)

    def _walk(self, seconds: int) -> Vectors:
        style_D = self.style_SD[self.rng.integers(STYLES)] * 0.8
        step_SD = self.rng.standard_normal((seconds, DIMENSIONS)) / np.sqrt(DIMENSIONS)
        keep = np.exp(-1.0 / 12.0)
        state_D = step_SD[0]
        own_D = self.rng.standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS) * 0.5
        rows = []
        for step_D in step_SD:
            state_D = keep * state_D + np.sqrt(1.0 - keep**2) * step_D
            rows.append(style_D + own_D + state_D)
        return unit(np.array(rows))

    def embedding(self, second_SD: Vectors) -> Vectors:
        """One chunk's."""
        return unit(second_SD.mean(axis=0))

    def enrol(self, key: int, work: int, *, differs: float = 0.0) -> None:
        """Adds a recording of a work to the index; `differs` as in `Aired.cover`."""
        path_SD = self.path[work]
        if differs:
            path_SD = self._differing(path_SD, differs, seed=key)
        duration = len(path_SD) * SAMPLE_RATE
        rows = [
            self.embedding(path_SD[span.start_sample // SAMPLE_RATE : span.end_sample // SAMPLE_RATE])
            for span in spans(duration)
        ]
        self.index.add(key, np.stack(rows))
        self.tracks[key] = PlayedTrack(
            track_key=key, track_id=f"t{key}", work_id=f"w{work}", duration_samples=duration, title=f"Track {key}"
        )

    def _differing(self, path_SD: Vectors, strength: float, *, seed: int) -> Vectors:
        rng = np.random.default_rng(1000 + seed)
        offset_D = rng.standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS)
        wander_SD = rng.standard_normal((len(path_SD), DIMENSIONS)) / np.sqrt(DIMENSIONS)
        return unit(path_SD + strength * (0.6 * offset_D + 1.5 * wander_SD))

    def stream_seconds(self, aired: Sequence[Aired], duration_s: int, *, seed: int = 0) -> Vectors:
        """The stream's vectors, one a second; where nothing is aired there is music that nobody knows."""
        rng = np.random.default_rng(seed)
        stream_SD = np.zeros((duration_s, DIMENSIONS), np.float32)
        second = 0
        while second < duration_s:
            unknown_SD = self.path[int(rng.integers(self.works, len(self.path)))]
            length = min(len(unknown_SD), duration_s - second)
            stream_SD[second : second + length] = unknown_SD[:length]
            second += length
        for place, play in enumerate(aired):
            if play.work is None:
                continue
            path_SD = (
                self._differing(self.path[play.work], play.cover, seed=7 * place + seed)
                if play.cover
                else self.path[play.work]
            )
            for now in range(round(play.start_s), min(duration_s, round(play.end_s))):
                at = round(play.track_start_s + (now - play.start_s) * play.tempo)
                if at < len(path_SD):
                    talk_D = rng.standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS) * play.talk
                    stream_SD[now] = path_SD[at] + talk_D
        return stream_SD

    def chunks(
        self, stream: StreamKey, second_SD: Vectors, *, noise: float = 0.15, seed: int = 0
    ) -> list[EmbeddedChunk]:
        """The stream's chunks; seconds of zeros are silence."""
        rng = np.random.default_rng(seed + 5)
        found = []
        for number, span in enumerate(spans(len(second_SD) * SAMPLE_RATE)):
            part_SD = second_SD[span.start_sample // SAMPLE_RATE : span.end_sample // SAMPLE_RATE]
            sounding = part_SD[np.abs(part_SD).sum(axis=1) > 0]
            embedding_D = None
            if len(sounding):
                noise_D = rng.standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS) * noise
                embedding_D = unit(self.embedding(sounding) + noise_D)
            found.append(
                EmbeddedChunk(
                    stream=stream,
                    index=number,
                    start_sample=span.start_sample,
                    end_sample=span.end_sample,
                    tail=span.tail,
                    embedding_D=embedding_D,
                )
            )
        return found


@dataclass(kw_only=True, slots=True)
class WorldVerifier:
    """Answers from the truth, with noise that depends on the question only."""

    world: World
    aired: Sequence[Aired]
    asked: int = 0

    def verify(
        self, track_key: int, start_sample: int, end_sample: int, *, anchor: tuple[int, int] | None = None
    ) -> Verification | None:
        self.asked += 1
        rng = np.random.default_rng(zlib.crc32(f"{track_key}|{start_sample}|{end_sample}".encode()))
        work_id = self.world.tracks[track_key].work_id
        best: tuple[float, Aired] | None = None
        for play in self.aired:
            overlap = min(play.end_s, end_sample / SAMPLE_RATE) - max(play.start_s, start_sample / SAMPLE_RATE)
            if anchor is not None and not play.meets(anchor):
                continue
            if f"w{play.work}" == work_id and overlap > 0 and (best is None or overlap > best[0]):
                best = overlap, play
        if best is None or best[0] < 5.0:
            return None if rng.random() < 0.5 else self._chance(rng, start_sample, end_sample)
        overlap, play = best
        start_s = max(play.start_s, start_sample / SAMPLE_RATE) + float(rng.normal(0.0, 0.3))
        end_s = min(play.end_s, end_sample / SAMPLE_RATE) + float(rng.normal(0.0, 0.3))
        same = play.cover == 0.0 and (play.track_key is None or play.track_key == track_key)
        at_s = play.track_start_s + (start_s - play.start_s) * play.tempo
        return Verification(
            stream_start_sample=round(start_s * SAMPLE_RATE),
            stream_end_sample=round(end_s * SAMPLE_RATE),
            track_start_sample=max(0, round(at_s * SAMPLE_RATE)),
            track_end_sample=max(0, round((at_s + (end_s - start_s) * play.tempo) * SAMPLE_RATE)),
            transposition_semitones=0 if same else 2,
            tempo_ratio=play.tempo,
            strength=max(0.0, float(rng.normal(3.0 + overlap / 12.0, 1.0))),
            recording=max(0.0, overlap * float(rng.normal(2.0, 0.3))) if same else 0.0,
            match_type="recording" if same else "version",
            gaps=tuple(
                (round(a * SAMPLE_RATE), round(b * SAMPLE_RATE)) for a, b in play.gaps_s if start_s < a and b < end_s
            ),
        )

    def _chance(self, rng: np.random.Generator, start_sample: int, end_sample: int) -> Verification:
        middle = (start_sample + end_sample) // 2
        return Verification(
            stream_start_sample=max(start_sample, middle - 5 * SAMPLE_RATE),
            stream_end_sample=middle + 5 * SAMPLE_RATE,
            track_start_sample=0,
            track_end_sample=10 * SAMPLE_RATE,
            transposition_semitones=int(rng.integers(-6, 6)),
            tempo_ratio=1.0,
            strength=max(0.0, float(rng.normal(1.0, 0.8))),
            recording=0.0,
            match_type="version",
        )
