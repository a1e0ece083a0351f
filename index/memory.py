"""What an open catalogue takes of a process's memory, told without opening it. Knows nothing of tracks.

The two figures are slopes over processes that had catalogues of several sizes open
(`python -m stream_monitor.bench.catalogue_memory`; docs/catalogue-topic.md has the table).
"""

from __future__ import annotations

from typing import Final

TRACK_BYTES: Final = 8_000
"""A track without its embeddings: metadata, places, keys, in the reader and in the follower."""
EMBEDDING_BYTES: Final = 9_000
"""One embedding: its row in the file, and its node in the graph three times, for that is what a merge needs."""


def needed_bytes(tracks: int, embeddings: int) -> int:
    """What a process needs at most for a catalogue of this size, mapped pages included."""
    return tracks * TRACK_BYTES + embeddings * EMBEDDING_BYTES
