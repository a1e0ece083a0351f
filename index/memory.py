"""What an open catalogue takes of a process's memory, told without opening it. Knows nothing of tracks.

The two figures are slopes over processes that had catalogues of several sizes open
(`python -m benchmarks.catalogue_memory`; docs/catalogue-topic.md has the table).
"""

from __future__ import annotations

from typing import Final

TRACK_BYTES: Final = 5_000
"""A track without its embeddings: metadata, places, keys, in the reader and in the follower; 3.5 KB were measured."""
EMBEDDING_BYTES: Final = 9_500
"""One embedding while the graph is merged, which needs it three times: 9.0 KB were measured, and 4.4 KB at rest."""


def needed_bytes(tracks: int, embeddings: int) -> int:
    """What a process needs at most for a catalogue of this size, mapped pages included."""
    return tracks * TRACK_BYTES + embeddings * EMBEDDING_BYTES
