"""Ranks the tracks of a catalogue for one whole heard file, and says where each lies.

First stage: every track that is among the K nearest neighbours of any chunk is a candidate; for a file of minutes at
most, every track of a catalogue of some thousands. Second stage: MaxMean of all chunks of the file against each (Du et
al., ICASSP 2023). Then the best are ranked again with the strength of their alignment (`version_rank`), and placed by
their frames and spectral peaks; a track whose own recording the file holds comes before all others. It knows nothing
of files, of streaming, or of how results are shown.

M chunks of the file, N embeddings of a track, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import CHUNK_SAMPLES, SAMPLE_RATE
from encoder.tonal import Features, features
from index.catalogue import Catalogue
from stream_monitor.compared_tracks import ComparedTracks
from stream_monitor.confidence import Calibration, PlayFeatures
from stream_monitor.enrol import HeardFile
from stream_monitor.evidence import MatchType
from stream_monitor.file_evidence import FileEvidence, file_evidence
from stream_monitor.file_placing import Placement, holds_recording, place
from stream_monitor.verifier import TrackPrints
from stream_monitor.version_rank import best_versions, worth_aligning

ALIGNED_SAMPLES = 300 * SAMPLE_RATE
"""Longest file whose best tracks are aligned before they are ranked; MaxMean alone ranks longer ones well."""
SLICE_CHUNKS = 256
"""Chunks that are looked up at a time."""


class IdentifyConfig(BaseModel):
    """How widely `identify` looks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    neighbours: int = Field(default=50, ge=1, le=1000, description="K: neighbours of each chunk that name candidates.")
    scanned_tracks: int = Field(default=2000, ge=1, description="So many are scanned, at 0.3 ms for a file of 20 s.")
    checked_tracks: int = Field(default=200, ge=1, description="So many of the best are checked for the recording.")
    related_tracks: int = Field(
        default=50, ge=0, description="So many tracks are compared with each of the best two, for other versions."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One track as a file shows it."""

    track_key: int
    track_id: str
    score: float
    """MaxMean of the whole file."""
    confidence: float | None
    """Probability that it is right; None while the weights have no fitted calibration."""
    match_type: MatchType
    query_start_s: float
    query_end_s: float
    track_start_s: float
    track_end_s: float


class Identifier:
    """Asks one catalogue about heard files."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        cohort_CD: npt.NDArray[np.float32],
        calibration: Mapping[str, Any],
        config: IdentifyConfig | None = None,
    ) -> None:
        """Args: `cohort_CD` and `calibration` are the encoder's.

        Raises:
            CalibrationError: The weights' calibration does not fit this version.
        """
        self._catalogue = catalogue
        self._cohort_CD = cohort_CD
        self._calibration = Calibration.of_encoder(calibration)
        self._config = config or IdentifyConfig()
        self._prints = TrackPrints(catalogue.tonal, catalogue.peaks, limit=256)
        self._tracks = ComparedTracks(catalogue=catalogue, prints=self._prints)

    @property
    def calibrated(self) -> bool:
        """Whether results have a confidence."""
        return self._calibration.fitted_on is not None

    def identify(self, heard: HeardFile, *, top: int) -> list[Result]:
        """The `top` best tracks for a file, best first; those below any threshold are kept."""
        notes = features(heard.sketch_nF) if heard.duration_samples <= ALIGNED_SAMPLES else None
        scores = self._tracks.max_mean(heard.embedding_ND, self._candidates(heard.embedding_ND, notes))
        ranked = self._ranked(notes, scores)
        recordings = {key for key in ranked[: self._config.checked_tracks] if self._holds_recording(heard, key)}
        best = sorted(ranked, key=lambda key: key not in recordings)[:top]
        evidence = file_evidence(
            heard, self._catalogue.index, self._cohort_CD, self._calibration.null, self._work_of, best
        )
        results = [self._result(heard, key, scores[key], evidence) for key in best]
        return sorted(results, key=lambda result: result.match_type != "recording")

    def _candidates(self, query_MD: npt.NDArray[np.float32], notes: Features | None) -> list[int]:
        """Tracks that are worth comparing; a long file names all of its own by their embeddings."""
        if notes is None:
            return self._named(query_MD, self._config.neighbours)
        budget = worth_aligning(notes, self._config.scanned_tracks)
        if len(self._catalogue) <= budget:
            return [track.key for track in self._catalogue.tracks()]
        return self._named(query_MD, max(budget, self._config.neighbours))

    def _ranked(self, notes: Features | None, scores: Mapping[int, float]) -> list[int]:
        """All candidates by MaxMean, the best of them by `version_rank`; a long file has no need of that."""
        if notes is None:
            return sorted(scores, key=lambda key: (-scores[key], key))
        return best_versions(
            scores,
            notes,
            self._tracks,
            scanned=self._config.scanned_tracks,
            checked=self._config.checked_tracks,
            related=self._config.related_tracks,
        )

    def _named(self, query_MD: npt.NDArray[np.float32], neighbours: int) -> list[int]:
        """Tracks that are among the nearest neighbours of any chunk."""
        named: set[int] = set()
        for start in range(0, len(query_MD), SLICE_CHUNKS):
            found = self._catalogue.index.neighbours(query_MD[start : start + SLICE_CHUNKS], neighbours)
            named.update(np.unique(found.track_BK).tolist())
        return sorted(named)

    def _holds_recording(self, heard: HeardFile, key: int) -> bool:
        track = self._catalogue.track(key)
        (similarity_MN,) = self._catalogue.index.similarities(heard.embedding_ND, [key])
        return holds_recording(heard, similarity_MN, track.starts_N, track.duration_samples, self._prints.of(key).peaks)

    def _result(self, heard: HeardFile, key: int, score: float, evidence: FileEvidence) -> Result:
        track = self._catalogue.track(key)
        (similarity_MN,) = self._catalogue.index.similarities(heard.embedding_ND, [key])
        placed = place(heard, similarity_MN, track.starts_N, track.duration_samples, self._prints.of(key))
        return Result(
            track_key=key,
            track_id=track.track_id,
            score=score,
            confidence=self._confidence(key, placed, evidence),
            match_type=placed.match_type,
            query_start_s=placed.query_start_sample / SAMPLE_RATE,
            query_end_s=placed.query_end_sample / SAMPLE_RATE,
            track_start_s=placed.track_start_sample / SAMPLE_RATE,
            track_end_s=placed.track_end_sample / SAMPLE_RATE,
        )

    def _confidence(self, key: int, placed: Placement, evidence: FileEvidence) -> float | None:
        if not self.calibrated:
            return None
        seen = evidence.of(key)
        placed_samples = placed.query_end_sample - placed.query_start_sample
        return self._calibration.confidence(
            PlayFeatures.of(
                ordered=seen.ordered,
                margin=seen.margin,
                chunks=seen.chunks,
                strength=placed.strength,
                density=placed.strength * CHUNK_SAMPLES / max(CHUNK_SAMPLES, placed_samples),
                recording=placed.recording,
                embeddings=len(self._catalogue.index),
            )
        )

    def _work_of(self, key: int) -> str:
        return self._catalogue.track(key).work_id
