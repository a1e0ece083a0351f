"""When a live index uses and renews its graph, and what it says of itself. Knows nothing of how."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from index.hnsw import GraphConfig


class LiveConfig(BaseModel):
    """When the graph is used and when it is renewed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    graph: GraphConfig = GraphConfig()
    min_graph_rows: int = Field(default=8192, ge=1)
    """Fewer live rows than this are scanned: that is as quick as a graph, and exact."""
    merge_rows: int = Field(default=4096, ge=1)
    """A merge starts when more rows than this lie outside the graph ..."""
    merge_share: float = Field(default=1 / 16, ge=0)
    """... and more than this share of the graph's rows, so that a large graph is not copied for little."""
    rebuild_share: float = Field(default=0.3, gt=0, le=1)
    """A graph of which more than this share was removed is built anew instead of extended."""
    min_live_share: float = Field(default=0.2, ge=0, le=1)
    """A graph of which less than this share is left is not asked: a scan of what is left is quicker."""
    background: bool = True
    """Merge by itself in a thread that is started when there is something to merge."""
    memory_bytes: int | None = Field(default=None, ge=0)
    """A track that would need more than this (``index.memory``) is left out of the index; null takes all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveStats:
    """What the index holds and what it has done since it was made."""

    live_rows: int
    graph_rows: int
    forgotten_rows: int
    delta_rows: int
    extensions: int
    rebuilds: int
    stopped_merges: int
    scans_for_want_of_links: int
