"""Evidence of single chunks to plays of one stream: opened, kept, updated, closed or retracted, with hysteresis.

It does no I/O and knows nothing of embeddings, audio or events; revisions follow stream time only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stream_monitor.evidence import ChunkEvidence, Verifier
from stream_monitor.plays import PlayedTrack, TrackerStep
from stream_monitor.segments import StreamKey


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerState:
    """All that a restart needs; immutable."""


class Tracker:
    """The plays of one stream."""

    def __init__(
        self,
        stream: StreamKey,
        *,
        tracks: Callable[[int], PlayedTrack | None],
        verifier: Verifier,
    ) -> None:
        """Starts with no play.

        Args:
            stream: The stream.
            tracks: Metadata of a track key; None if the track is gone.
            verifier: Places stretches of the stream on tracks.
        """
        raise NotImplementedError

    @property
    def open_tracks(self) -> frozenset[int]:
        """Tracks with an open play, for the matcher."""
        raise NotImplementedError

    def update(self, evidence: ChunkEvidence) -> TrackerStep:
        """Takes the next chunk's evidence."""
        raise NotImplementedError

    def finish(self, end_sample: int, *, reason: str = "end of stream") -> TrackerStep:
        """Ends all open plays at the latest at `end_sample`, in final events (or retracted ones)."""
        raise NotImplementedError

    def remove_track(self, track_key: int, *, reason: str = "track removed from the catalogue") -> TrackerStep:
        """Retracts the track's open plays."""
        raise NotImplementedError

    def continue_as(self, stream: StreamKey, offset_samples: int) -> None:
        """The stream goes on in a new epoch whose sample 0 is sample `offset_samples` of the present one."""
        raise NotImplementedError

    def snapshot(self) -> TrackerState:
        """The state, for a restart."""
        raise NotImplementedError

    def restore(self, state: TrackerState) -> None:
        """Takes a state back."""
        raise NotImplementedError
