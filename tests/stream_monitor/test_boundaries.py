"""Chunks that a play covers in part say where it begins, pauses and ends."""

from __future__ import annotations

import pytest

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES, SAMPLE_RATE
from stream_monitor.boundaries import HeardChunk, covered, gap_between, rough_end, rough_start, usual_similarity

SIMILARITY = 0.3


def _heard(start_s: float, end_s: float, chunks: int) -> list[HeardChunk]:
    """Chunks of a stream in which a play lasts from `start_s` to `end_s`, similarity in proportion to coverage."""
    found = []
    for number in range(chunks):
        low = number * CHUNK_HOP_SAMPLES / SAMPLE_RATE
        part = max(0.0, min(end_s, low + 20.0) - max(start_s, low)) / 20.0
        found.append(
            HeardChunk(
                start_sample=number * CHUNK_HOP_SAMPLES,
                end_sample=number * CHUNK_HOP_SAMPLES + CHUNK_SAMPLES,
                similarity=SIMILARITY * part,
                supports=part >= 0.45,
            )
        )
    return found


@pytest.mark.parametrize("end_s", [61.0, 64.0, 68.0, 70.0])
def test_an_end_is_found_from_the_chunks_around_it(end_s: float) -> None:
    """Whatever place in a chunk a play ends at, its end comes out within 3 s."""
    chunks = list(_heard(0.0, end_s, 10))
    assert rough_end(chunks) / SAMPLE_RATE == pytest.approx(end_s, abs=3.0)


@pytest.mark.parametrize("start_s", [23.0, 27.0, 30.0, 34.0])
def test_a_start_is_found_from_the_first_chunks(start_s: float) -> None:
    """Whatever place in a chunk a play begins at, its start comes out within 5 s."""
    chunks = _heard(start_s, 200.0, 10)
    first = next(place for place, chunk in enumerate(chunks) if chunk.supports)
    assert rough_start(chunks[first:]) / SAMPLE_RATE == pytest.approx(start_s, abs=5.0)


def test_a_play_that_goes_on_ends_with_its_last_chunk() -> None:
    """Where the stream ends in the middle of a play, the end is the end of the last chunk."""
    chunks = _heard(0.0, 500.0, 6)
    assert rough_end(chunks) == chunks[-1].end_sample


def test_a_gap_lies_between_the_chunks_that_support() -> None:
    """Neighbouring chunks have no gap between them; a missing one shows about 10 s, three about 30 s."""
    chunks = _heard(0.0, 500.0, 8)
    assert gap_between(chunks[2], chunks[3]) is None
    short, long = gap_between(chunks[2], chunks[4]), gap_between(chunks[2], chunks[6])
    assert short is not None
    assert long is not None
    assert (short[1] - short[0]) / SAMPLE_RATE == pytest.approx(10.0)
    assert (long[1] - long[0]) / SAMPLE_RATE == pytest.approx(30.0)


def test_without_usual_similarity_support_alone_counts() -> None:
    """Where the usual similarity is not above zero, a chunk is covered if it supports."""
    chunk = HeardChunk(start_sample=0, end_sample=CHUNK_SAMPLES, similarity=-0.1, supports=True)
    assert covered(chunk, usual_similarity([chunk])) == 1.0
    assert usual_similarity([]) == 0.0
