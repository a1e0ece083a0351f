"""What the pipeline asks of the encoder, of the catalogue and of what follows a stream through its tracks.

Protocols only, so that the pipeline can be read, typed and tested without torch or an index. It knows nothing of how
any of them works.

Legend: B batch, S samples, F bins, T frames, D dimensions, C cohort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from encoder.grid import CHUNK_FRAMES
from index.protocol import Index
from stream_monitor.chunk import Chunk
from stream_monitor.evidence import ChunkEvidence, Verifier
from stream_monitor.plays import TrackerStep
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_state import TrackerState

Float32Array = npt.NDArray[np.float32]


class EmbeddingsLike(Protocol):
    """What `EncoderLike.embed` gives."""

    @property
    def embedding_BD(self) -> Float32Array:  # noqa: N802  shape suffix
        """Unit rows, zeros where there is only silence."""
        ...

    @property
    def sounding_B(self) -> npt.NDArray[np.bool_]:  # noqa: N802  shape suffix
        """False for silence."""
        ...


class EncoderLike(Protocol):
    """Audio to embeddings."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def cohort_CD(self) -> Float32Array: ...  # noqa: N802  shape suffix

    @property
    def calibration(self) -> Mapping[str, Any]: ...

    def block_window(self, block: int) -> tuple[int, int]: ...

    def frames(self, wave_BS: Float32Array) -> Float32Array: ...

    def embed(self, chunks: Sequence[Float32Array], *, longest: int = CHUNK_FRAMES) -> EmbeddingsLike: ...


class StreamMemory(Verifier, Protocol):
    """A verifier that is also shown the stream's sketch and peaks as they come."""

    def remember(self, chunk: Chunk) -> None:
        """Keeps the chunk's sketch rows and peaks for a while."""
        ...

    def continue_as(self, stream: StreamKey, offset_samples: int) -> None:
        """The stream goes on in a new epoch whose sample 0 is sample `offset_samples` of the present one."""
        ...


class TrackerLike(Protocol):
    """The plays of one stream, as `stream_monitor.tracker.Tracker`."""

    @property
    def open_tracks(self) -> frozenset[int]: ...

    def update(self, evidence: ChunkEvidence) -> TrackerStep: ...

    def finish(self, end_sample: int, *, reason: str = ...) -> TrackerStep: ...

    def remove_track(self, track_key: int, *, reason: str = ...) -> TrackerStep: ...

    def continue_as(self, stream: StreamKey, offset_samples: int) -> None: ...

    def snapshot(self) -> TrackerState: ...

    def restore(self, state: TrackerState) -> None: ...


class Repertoire(Protocol):
    """A catalogue as the pipeline sees it: its index, and what follows a stream through its tracks."""

    @property
    def index(self) -> Index: ...

    def memory(self, stream: StreamKey) -> StreamMemory:
        """Something that keeps a stream's sketch and peaks, and places its stretches on tracks."""
        ...

    def tracker(self, stream: StreamKey, memory: StreamMemory) -> TrackerLike:
        """A tracker that knows no play yet."""
        ...
