"""The graph beside the catalogue, so that opening need not build it. It is a cache: a missing, torn or foreign one is
said to be so and is built again, never used.

``graph.json`` names the graph's file, its hash and what it was made of; it is renamed into place last. Knows nothing of
tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from index.atomic import sync_file, sync_folder, write_atomic
from index.errors import CatalogueCorrupt
from index.hnsw import FrozenGraph, GraphConfig
from index.snapshot import FORMAT_VERSION, SnapshotHeader
from index.store_view import Checkpoint

SIDECAR = "graph.json"
MISSING = "it is missing"
READ_BYTES = 1 << 24


class GraphCard(BaseModel):
    """What ``graph.json`` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    catalogue_id: str
    encoder_fingerprint: str
    generation: int
    end_row: int
    """Rows below this one were live and are in the graph, or were removed before it was made."""
    rows: int
    forgotten: tuple[int, ...]
    config: GraphConfig
    file: str
    xxh3: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedGraph:
    """What was found: a graph over the rows below ``end_row``, or the reason why there is none."""

    graph: FrozenGraph | None
    end_row: int
    reason: str


def save_graph(folder: Path, header: SnapshotHeader, graph: FrozenGraph, end_row: int, checkpoint: Checkpoint) -> None:
    """Write the graph and then its card; a crash leaves the old pair or the new one.

    Raises:
        OSError: The folder cannot be written.
    """
    sidecar = folder / SIDECAR
    name = f"graph-{header.generation:06d}-{end_row}-{len(graph.forgotten)}.hnsw"
    temporary = folder / (name + ".tmp")
    try:
        graph.save(temporary)
        sync_file(temporary)
        card = GraphCard(
            format=FORMAT_VERSION,
            catalogue_id=header.catalogue_id,
            encoder_fingerprint=header.encoder_fingerprint,
            generation=header.generation,
            end_row=end_row,
            rows=graph.rows,
            forgotten=tuple(sorted(graph.forgotten)),
            config=graph.config,
            file=name,
            xxh3=file_digest(temporary),
        )
        checkpoint("graph written")
        temporary.replace(folder / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    checkpoint("graph renamed")
    write_atomic(sidecar, lambda file: file.write(card.model_dump_json().encode()))
    checkpoint("graph named by its card")
    for path in folder.glob("graph-*.hnsw*"):
        if path.name != name:
            path.unlink(missing_ok=True)


def load_graph(folder: Path, header: SnapshotHeader, rows: int, config: GraphConfig) -> LoadedGraph:
    """Read the graph if it is whole, of this catalogue and generation, and made as ``config`` says."""
    problem = check_graph_file(folder, header, rows, whole=True)
    if problem is not None:
        return LoadedGraph(graph=None, end_row=0, reason=problem)
    try:
        card = _read_card(folder)
        built = {"links", "ef_construction", "seed"}
        if card.config.model_dump(include=built) != config.model_dump(include=built):
            return LoadedGraph(graph=None, end_row=0, reason="it was made with another configuration")
        graph = FrozenGraph.load(folder / card.file, header.dimensions, set(card.forgotten), config)
    except (FileNotFoundError, ValidationError, CatalogueCorrupt) as error:
        return LoadedGraph(graph=None, end_row=0, reason=str(error))
    if graph.rows != card.rows:
        return LoadedGraph(graph=None, end_row=0, reason="it has another number of rows than its card says")
    return LoadedGraph(graph=graph, end_row=card.end_row, reason="")


def check_graph_file(folder: Path, header: SnapshotHeader, rows: int, *, whole: bool) -> str | None:
    """Say why the graph cannot be used; None where it can.

    Args:
        folder: The catalogue's folder.
        header: The catalogue and generation that it must be of.
        rows: Committed rows of the catalogue.
        whole: Read all of it and compare the checksum, not only the card.
    """
    try:
        card = _read_card(folder)
        path = folder / card.file
        if Path(card.file).name != card.file:
            return "its card names a file in another folder"
        if (card.catalogue_id, card.encoder_fingerprint) != (header.catalogue_id, header.encoder_fingerprint):
            return "it belongs to another catalogue"
        if card.format != FORMAT_VERSION or card.generation != header.generation or card.end_row > rows:
            return "it was made of another state of the catalogue"
        path.stat()
        if whole and file_digest(path) != card.xxh3:
            return "its checksum is wrong"
    except FileNotFoundError:
        return MISSING
    except ValidationError:
        return "its card cannot be read"
    return None


def delete_graph(folder: Path) -> None:
    """Delete the graph, its card first."""
    (folder / SIDECAR).unlink(missing_ok=True)
    for path in folder.glob("graph-*.hnsw*"):
        path.unlink(missing_ok=True)


def _read_card(folder: Path) -> GraphCard:
    return GraphCard.model_validate_json((folder / SIDECAR).read_bytes())


def file_digest(path: Path) -> str:
    """xxh3 of a file, as 16 hex digits."""
    state = xxhash.xxh3_64()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            state.update(piece)
    return state.hexdigest()
