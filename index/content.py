"""A recording's content as one number, equal wherever it is enrolled. Knows nothing of keys, disk or searching.

What can change a match or an event counts: names, work, samples, embeddings, frames. Other columns do not.
"""

from __future__ import annotations

import json

import xxhash

from index.table import StoredTrack

CONTENT_BITS = 64


def content_of(stored: StoredTrack) -> int:
    """xxh3 of what a recording is, 64 bits; no array is read, the table has their hashes."""
    track, extent = stored.track, stored.extent
    names = (track.track_id, track.work_id, track.title, track.artist, track.isrc, track.iswc, track.audio_hash)
    text = json.dumps((*names, track.duration_samples, extent.embedding_hash, extent.frame_hash), ensure_ascii=False)
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass") + track.starts_N.astype("<i8").tobytes())


def added(content: int, one: int) -> int:
    """The content of a catalogue that gets a recording; whatever the order, equal recordings give an equal sum."""
    return (content + one) % (1 << CONTENT_BITS)
