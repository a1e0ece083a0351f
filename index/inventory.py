"""What a catalogue holds and takes on disk, and whether all of it is still what was written. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.errors import CatalogueError
from index.graph_file import check_graph_file
from index.protocol import UNIT_TOLERANCE
from index.snapshot import FORMAT_VERSION, digest
from index.store import CatalogueStore
from index.store_view import StoreView
from index.table import StoredTrack


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueInfo:
    """Counts, versions and sizes.

    Attributes:
        version: Names what is in it; equal for equal recordings, on any machine. What events carry.
        duration_samples: Length of all recordings at 22,050 Hz.
        removed_embeddings: Rows of removed tracks that a compaction would give back.
        graph: ``ok``, or why the graph beside the catalogue is not used.
        table_bytes, embedding_bytes, frame_bytes, graph_bytes: Sizes on disk.
    """

    path: str
    format_version: int
    catalogue_id: str
    version: str
    encoder_fingerprint: str
    dimensions: int
    tracks: int
    works: int
    embeddings: int
    duration_samples: int
    removed_embeddings: int
    graph: str
    table_bytes: int
    embedding_bytes: int
    frame_bytes: int
    graph_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyReport:
    """What reading everything again found; ``problems`` is empty where all is as it was written."""

    ok: bool
    tracks: int
    embeddings: int
    bytes_read: int
    problems: tuple[str, ...]


def version_of(view: StoreView) -> str:
    """Names what a catalogue holds: how many tracks, and the sum of their contents. Two that hold the same agree."""
    return f"{len(view.roster)}-{view.roster.content:016x}"


def inventory(store: CatalogueStore) -> CatalogueInfo:
    """Count and measure; reads no arrays."""
    view = store.view
    tracks = [stored.track for stored in view.roster]
    embeddings = sum(track.embeddings for track in tracks)
    header = view.state.header
    return CatalogueInfo(
        path=str(store.folder),
        format_version=FORMAT_VERSION,
        catalogue_id=header.catalogue_id,
        version=version_of(view),
        encoder_fingerprint=header.encoder_fingerprint,
        dimensions=header.dimensions,
        tracks=len(tracks),
        works=len({track.work_id for track in tracks}),
        embeddings=embeddings,
        duration_samples=sum(track.duration_samples for track in tracks),
        removed_embeddings=view.state.rows - embeddings,
        graph=check_graph_file(store.folder, header, view.state.rows, whole=False) or "ok",
        table_bytes=_bytes(store.folder, "catalogue.sqlite*"),
        embedding_bytes=_bytes(store.folder, "embeddings-*"),
        frame_bytes=_bytes(store.folder, "frames-*"),
        graph_bytes=_bytes(store.folder, "graph*"),
    )


def verify(
    store: CatalogueStore, table_problems: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> VerifyReport:
    """Read everything again and compare it with its checksums.

    Args:
        store: What to read.
        table_problems: What is known to be wrong with the table.
        progress: Told tracks done and tracks to do.
    """
    view = store.view
    problems = [f"table: {problem}" for problem in table_problems]
    bytes_read = 0
    owned_R = np.zeros(view.state.rows, dtype=np.bool_)
    stored_tracks = list(view.roster)
    for number, stored in enumerate(stored_tracks, start=1):
        name, extent = stored.track.track_id, stored.extent
        if extent.end_row > view.state.rows or extent.frame_end > view.state.frame_bytes:
            problems.append(f"track {name!r}: its arrays lie beyond what is committed")
            continue
        if owned_R[extent.first_row : extent.end_row].any():
            problems.append(f"track {name!r}: its embeddings overlap another track's")
        owned_R[extent.first_row : extent.end_row] = True
        try:
            problems += _track_problems(view, stored)
        except CatalogueError as error:
            problems.append(f"track {name!r}: {error}")
        bytes_read += extent.rows * 4 * view.state.header.dimensions + extent.frame_end - extent.frame_offset
        if progress is not None:
            progress(number, len(stored_tracks))
    graph_bytes = _bytes(store.folder, "graph-*")
    graph_problem = check_graph_file(store.folder, view.state.header, view.state.rows, whole=True)
    if graph_problem is not None and graph_bytes:
        problems.append(f"graph: {graph_problem}; it will be built anew, nothing is lost")
    return VerifyReport(
        ok=not problems,
        tracks=len(stored_tracks),
        embeddings=int(owned_R.sum()),
        bytes_read=bytes_read + graph_bytes,
        problems=tuple(problems),
    )


def _track_problems(view: StoreView, stored: StoredTrack) -> list[str]:
    name, extent = f"track {stored.track.track_id!r}", stored.extent
    problems = []
    embedding_ND = view.embeddings(stored)
    if digest(embedding_ND) != extent.embedding_hash:
        problems.append(f"{name}: its embeddings are not what was written: remove it and enrol it again")
    elif np.any(np.abs(np.linalg.norm(embedding_ND, axis=1) - 1.0) > UNIT_TOLERANCE):
        problems.append(f"{name}: an embedding is not a unit vector: remove it and enrol it again")
    snapshot = view.snapshot
    if digest(snapshot.sketch(extent), snapshot.peaks(extent), snapshot.tonal(extent)) != extent.frame_hash:
        problems.append(
            f"{name}: its frames, peaks or tonal rows are not what was written: remove it and enrol it again"
        )
    if len(stored.track.starts_N) != extent.rows:
        problems.append(f"{name}: it has {extent.rows} embeddings and {len(stored.track.starts_N)} starts")
    return problems


def _bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))
