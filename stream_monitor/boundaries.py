"""Where a play begins, pauses and ends, from the evidence of single chunks along its diagonal.

A chunk of 20 s that the play covers in part shows a part of the play's usual similarity, so the chunks around a
boundary say within a few seconds where it lies; alignment makes it exact. It knows nothing of tracks or decisions.
Positions are samples, windows half-open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES

FULL_COVERAGE = 0.7
"""A chunk that shows this part of the usual similarity counts as covered wholly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardChunk:
    """One chunk as a play sees it."""

    start_sample: int
    end_sample: int
    similarity: float
    """On the play's diagonal, cosine above the cohort level; 0.0 for silence and off the track."""
    supports: bool


def usual_similarity(chunks: Sequence[HeardChunk]) -> float:
    """Median similarity of the supporting chunks; 0.0 without any."""
    supporting = [chunk.similarity for chunk in chunks if chunk.supports]
    return median(supporting) if supporting else 0.0


def covered(chunk: HeardChunk, usual: float) -> float:
    """Which part of the chunk the play seems to cover, 0 to 1."""
    if usual <= 0.0:
        return 1.0 if chunk.supports else 0.0
    return min(1.0, max(0.0, chunk.similarity / usual))


def rough_start(chunks: Sequence[HeardChunk]) -> int:
    """Start of a play from its first chunks, oldest first; the first one is the first that supports it."""
    first = chunks[0]
    length = first.end_sample - first.start_sample
    return first.end_sample - round(covered(first, usual_similarity(chunks)) * length)


def rough_end(chunks: Sequence[HeardChunk]) -> int:
    """End of a play from its last chunks, oldest first; at least one supports it.

    The chunk after the last one that is covered wholly, and the one after that, each say where the end lies.
    """
    usual = usual_similarity(chunks)
    last = max(place for place, chunk in enumerate(chunks) if chunk.supports)
    full = max((place for place in range(last + 1) if covered(chunks[place], usual) >= FULL_COVERAGE), default=last)
    after = chunks[full + 1 : full + 3]
    if not after:
        return chunks[last].end_sample
    ends = [chunk.start_sample + covered(chunk, usual) * (chunk.end_sample - chunk.start_sample) for chunk in after]
    low = chunks[full].start_sample + (chunks[full].end_sample - chunks[full].start_sample) // 2
    return min(chunks[last].end_sample, max(low, round(sum(ends) / len(ends))))


def gap_between(before: HeardChunk, after: HeardChunk) -> tuple[int, int] | None:
    """The pause between two supporting chunks with others between them, as far as chunks can say; None if too short.

    A chunk without support is covered by less than a half, so each side of the gap reaches a quarter of a chunk into
    its supporting neighbour, give or take as much.
    """
    if after.start_sample - before.start_sample <= CHUNK_HOP_SAMPLES * 3 // 2:
        return None
    reach = CHUNK_SAMPLES // 4
    start, end = before.end_sample - reach, after.start_sample + reach
    return (start, end) if end > start else None
