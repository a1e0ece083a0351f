"""A catalogue as the pipeline uses it: its index, and for each stream a memory and a tracker.

The only place where the catalogue's tracks, the calibration of the weights and the rules of plays meet. It knows
nothing of audio or of where the catalogue is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from index.errors import UnknownTrack
from index.protocol import Index
from index.track import Track
from stream_monitor.collaborators import StreamMemory
from stream_monitor.confidence import Calibration
from stream_monitor.plays import PlayedTrack
from stream_monitor.segments import StreamKey
from stream_monitor.tracker import Tracker
from stream_monitor.tracker_config import TrackerConfig
from stream_monitor.verifier import SketchVerifier, TrackPrints, VerifierConfig


class RepertoireConfig(BaseModel):
    """Rules of plays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracker: TrackerConfig = TrackerConfig()
    verifier: VerifierConfig = VerifierConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueChange:
    """What another process has done to the catalogue since it was looked at last."""

    added: tuple[int, ...]
    """Keys of tracks."""
    removed: tuple[int, ...]
    version: str
    """As events tell it."""


class CatalogueLike(Protocol):
    """What is asked of `index.catalogue.Catalogue`."""

    @property
    def index(self) -> Index: ...

    @property
    def version(self) -> str: ...

    def refresh(self) -> tuple[list[int], list[int]]: ...

    def track(self, key: int) -> Track: ...

    def tonal(self, key: int) -> npt.NDArray[np.int8]: ...

    def peaks(self, key: int) -> npt.NDArray[np.uint32]: ...


class CatalogueRepertoire:
    """Follows streams through one catalogue."""

    def __init__(
        self,
        catalogue: CatalogueLike,
        *,
        calibration: Mapping[str, Any],
        floor: float,
        config: RepertoireConfig | None = None,
    ) -> None:
        """Prepares.

        Args:
            catalogue: Tracks, tonal features, peaks and the index.
            calibration: As the encoder loaded it.
            floor: The matcher's loose score.
            config: Rules of plays.

        Raises:
            CalibrationError: The weights' calibration does not fit this version.
        """
        self.calibration = Calibration.of_encoder(calibration)
        self._catalogue = catalogue
        self._config = config or RepertoireConfig()
        # In a small catalogue the best wrong track scores less; a lone candidate is no surer for that.
        self._floor = max(0.0, floor)
        self._prints = TrackPrints(catalogue.tonal, catalogue.peaks, limit=self._config.verifier.cached_tracks)

    @property
    def index(self) -> Index:
        """The catalogue's embeddings."""
        return self._catalogue.index

    def refresh(self) -> CatalogueChange | None:
        """Takes over what another process has added and removed; None where nothing changed.

        The plays of removed tracks are the caller's affair (`Pipeline.remove_track`).

        Raises:
            CatalogueError: The catalogue cannot be read now; what was known of it stays in use.
        """
        added, removed = self._catalogue.refresh()
        if not added and not removed:
            return None
        for key in removed:
            self._prints.forget(key)
        return CatalogueChange(added=tuple(added), removed=tuple(removed), version=self._catalogue.version)

    def memory(self, stream: StreamKey) -> SketchVerifier:
        """A memory without anything in it."""
        return SketchVerifier(stream, self._prints, self._config.verifier)

    def tracker(self, stream: StreamKey, memory: StreamMemory) -> Tracker:
        """A tracker without plays."""
        return Tracker(
            stream,
            tracks=self._played_track,
            verifier=memory,
            calibration=self.calibration,
            config=self._config.tracker,
            floor=self._floor,
        )

    def _played_track(self, track_key: int) -> PlayedTrack | None:
        try:
            track = self._catalogue.track(track_key)
        except UnknownTrack:
            return None
        return PlayedTrack(
            track_key=track.key,
            track_id=track.track_id,
            work_id=track.work_id,
            duration_samples=track.duration_samples,
            title=track.title,
            artist=track.artist,
            isrc=track.isrc,
            iswc=track.iswc,
        )
