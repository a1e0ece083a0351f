"""The matcher's evidence equals a slow and obvious model, whatever batches, restarts and changes of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES
from index.errors import InvalidEmbedding
from index.exact import ExactIndex
from index.maxmean import max_mean
from index.protocol import Neighbours
from stream_monitor.evidence import NO_PATH, WINDOW_CHUNKS, ChunkEvidence, EmbeddedChunk
from stream_monitor.matcher import COHORT_NEAREST, Matcher, MatcherConfig
from stream_monitor.segments import StreamKey
from stream_monitor.window_score import PathConfig, WindowNull
from tests.fakes.world import unit
from tests.stream_monitor.slow_path import slow_ordered_score

DIMENSIONS = 8
OPEN = MatcherConfig(named_similarity=-2.0, loose_score=-10.0, reported_tracks=1000, scored_tracks=1000)
"""Nothing is left out …"""
PLAIN = WindowNull(mean=(0.0,) * 5, deviation=(1.0,) * 5)
"""… where deviations are cosines."""


def _stream(name: str) -> StreamKey:
    return StreamKey(kind="broadcast", stream_id=name)


def _chunk(stream: StreamKey, index: int, embedding_D: np.ndarray | None) -> EmbeddedChunk:
    start = index * CHUNK_HOP_SAMPLES
    return EmbeddedChunk(
        stream=stream,
        index=index,
        start_sample=start,
        end_sample=start + CHUNK_SAMPLES,
        tail=False,
        embedding_D=embedding_D,
    )


def _neighbours(index: ExactIndex, chunks: Sequence[EmbeddedChunk], k: int = 50) -> Neighbours | None:
    embedded = [chunk.embedding_D for chunk in chunks if chunk.embedding_D is not None]
    return index.neighbours(np.stack(embedded), k) if embedded else None


class MatcherAgainstModel(RuleBasedStateMachine):
    """Two streams, a changing catalogue, silence and restarts."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.index = ExactIndex(dimensions=DIMENSIONS)
        self.tracks: dict[int, np.ndarray] = {}
        self.next_key = 0
        self.cohort_CD = unit(self.rng.standard_normal((30, DIMENSIONS)))
        self.matcher = Matcher(self.index, self.cohort_CD, OPEN, null=PLAIN)
        self.heard: dict[str, list[EmbeddedChunk]] = {"a": [], "b": []}
        self.open_tracks: frozenset[int] = frozenset()
        self.add(3)

    @rule(rows=st.integers(1, 4))
    def add(self, rows: int) -> None:
        self.tracks[self.next_key] = unit(self.rng.standard_normal((rows, DIMENSIONS)))
        self.index.add(self.next_key, self.tracks[self.next_key])
        self.next_key += 1

    @rule(choice=st.integers(0, 100))
    def remove(self, choice: int) -> None:
        if len(self.tracks) > 1:
            key = sorted(self.tracks)[choice % len(self.tracks)]
            self.index.remove(key)
            del self.tracks[key]
            self.open_tracks -= {key}

    @rule(choice=st.integers(0, 100))
    def open_play(self, choice: int) -> None:
        self.open_tracks = frozenset({sorted(self.tracks)[choice % len(self.tracks)]})

    @rule(name=st.sampled_from("ab"))
    def restart(self, name: str) -> None:
        state = self.matcher.snapshot(_stream(name))
        assert len(state.recent) <= WINDOW_CHUNKS - 1
        if name == "a":
            self.matcher = Matcher(self.index, self.cohort_CD, OPEN, null=PLAIN)
            self.heard["b"].clear()
        self.matcher.restore(_stream(name), state)

    @rule(names=st.text("ab", min_size=1, max_size=3), silent=st.booleans())
    def hear(self, names: str, silent: bool) -> None:
        chunks = []
        for name in names:
            embedding_D = None if silent and name == "a" else unit(self.rng.standard_normal(DIMENSIONS))
            chunk = _chunk(_stream(name), len(self.heard[name]), embedding_D)
            self.heard[name].append(chunk)
            chunks.append(chunk)
        found = list(self.matcher.match(chunks, _neighbours(self.index, chunks), lambda _: self.open_tracks))
        assert [evidence.chunk.index for evidence in found] == [chunk.index for chunk in chunks]
        for evidence in found:
            self._check(evidence)

    def _check(self, evidence: ChunkEvidence) -> None:
        heard = self.heard[evidence.chunk.stream.stream_id][: evidence.chunk.index + 1][-WINDOW_CHUNKS:]
        if evidence.chunk.embedding_D is None:
            assert evidence.candidates == ()
            return
        named = set()
        for chunk in heard:
            if chunk.embedding_D is not None:
                named |= set(self.index.neighbours(chunk.embedding_D[None], 50).track_BK[0].tolist())
        assert {candidate.track_key for candidate in evidence.candidates} == named | self.open_tracks
        for candidate in evidence.candidates:
            track_ND = self.tracks[candidate.track_key]
            assert candidate.named == (candidate.track_key in named)
            assert len(candidate.window_scores) == len(heard)
            for size in range(1, len(heard) + 1):
                sounding = [c.embedding_D for c in heard[-size:] if c.embedding_D is not None]
                query_MD = np.stack(sounding)
                assert candidate.window_scores[size - 1] == pytest.approx(max_mean(query_MD, track_ND), abs=1e-5)
                level_M = [np.sort(self.cohort_CD @ row_D)[-COHORT_NEAREST:].mean() for row_D in query_MD]
                normalised_MN = (query_MD @ track_ND.T - np.array(level_M)[:, None]).astype(np.float32)
                starts = [c.start_sample for c in heard[-size:] if c.embedding_D is not None]
                hops_M = np.diff(starts, prepend=starts[0]) / CHUNK_HOP_SAMPLES
                slow = slow_ordered_score(normalised_MN, hops_M, PathConfig())
                assert candidate.ordered_scores[size - 1] == pytest.approx(slow, abs=1e-5)
            assert candidate.ordered_score == max(candidate.ordered_deviations)
            if candidate.positions:
                assert candidate.positions[-1][0] == evidence.chunk.index
                place = candidate.positions[-1][1]
                assert candidate.path_similarities[-1] == pytest.approx(float(candidate.similarity_N[place]))


TestMatcherAgainstModel = MatcherAgainstModel.TestCase
TestMatcherAgainstModel.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def _same(left: ChunkEvidence, right: ChunkEvidence) -> bool:
    """Equal to the bit."""
    if (left.cohort_similarity, left.considered) != (right.cohort_similarity, right.considered):
        return False
    if len(left.candidates) != len(right.candidates):
        return False
    return all(
        (a.track_key, a.window_scores, a.ordered_deviations, a.positions, a.path_similarities)
        == (b.track_key, b.window_scores, b.ordered_deviations, b.positions, b.path_similarities)
        for a, b in zip(left.candidates, right.candidates, strict=True)
    )


def _scene(seed: int, tracks: int = 60) -> tuple[ExactIndex, np.ndarray, list[EmbeddedChunk]]:
    rng = np.random.default_rng(seed)
    index = ExactIndex(dimensions=DIMENSIONS)
    for key in range(tracks):
        index.add(key, unit(rng.standard_normal((5, DIMENSIONS))))
    chunks = [
        _chunk(_stream(name), number, None if rng.random() < 0.2 else unit(rng.standard_normal(DIMENSIONS)))
        for number in range(8)
        for name in ("a", "b")
    ]
    return index, unit(rng.standard_normal((40, DIMENSIONS))), chunks


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), cuts=st.sets(st.integers(1, 15), max_size=6))
def test_batches_change_no_bit(seed: int, cuts: set[int]) -> None:
    """However chunks are put together into batches, the evidence is the same to the bit."""
    index, cohort_CD, chunks = _scene(seed)
    one, many = Matcher(index, cohort_CD), Matcher(index, cohort_CD)
    whole = list(one.match(chunks, _neighbours(index, chunks), lambda _: ()))
    edges = [0, *sorted(cuts), len(chunks)]
    parts: list[ChunkEvidence] = []
    for start, end in pairwise(edges):
        batch = chunks[start:end]
        parts += many.match(batch, _neighbours(index, batch), lambda _: ())
    assert all(_same(left, right) for left, right in zip(whole, parts, strict=True))


def test_what_is_reported_scores_as_if_nothing_were_left_out() -> None:
    """Pruning leaves candidates out, but never changes the scores of those that stay."""
    index, cohort_CD, chunks = _scene(3)
    tight = MatcherConfig(named_similarity=0.0, scored_tracks=10, loose_score=0.5, reported_tracks=4)
    all_of = list(Matcher(index, cohort_CD, OPEN, null=PLAIN).match(chunks, _neighbours(index, chunks), lambda _: ()))
    few = list(Matcher(index, cohort_CD, tight).match(chunks, _neighbours(index, chunks), lambda _: ()))
    assert sum(len(evidence.candidates) for evidence in few) > 0
    for whole, part in zip(all_of, few, strict=True):
        scores = {candidate.track_key: candidate.window_scores for candidate in whole.candidates}
        assert len(part.candidates) <= 4
        assert all(scores[candidate.track_key] == candidate.window_scores for candidate in part.candidates)


def test_open_tracks_are_asked_when_a_chunks_turn_comes() -> None:
    """A play that opened at a chunk is a candidate of the same stream's next chunk in the same batch."""
    index, cohort_CD, _ = _scene(5)
    stream = _stream("a")
    chunks = [_chunk(stream, number, unit(np.eye(DIMENSIONS)[number])) for number in range(3)]
    none = MatcherConfig(named_similarity=2.0)
    opened: set[int] = set()
    seen = []
    for evidence in Matcher(index, cohort_CD, none).match(chunks, _neighbours(index, chunks), lambda _: opened):
        seen.append([candidate.track_key for candidate in evidence.candidates])
        opened.add(evidence.chunk.index)
    assert [sorted(keys) for keys in seen] == [[], [0], [0, 1]]


def test_an_embedding_that_is_not_finite_is_refused() -> None:
    """NaN would score a perfect 1.0 in a careless scorer; here it is an error that names chunk and stream."""
    index, cohort_CD, _ = _scene(5)
    chunk = _chunk(_stream("fm-1"), 4, np.full(DIMENSIONS, np.nan, np.float32))
    with pytest.raises(InvalidEmbedding, match="chunk 4 of fm-1"):
        list(Matcher(index, cohort_CD).match([chunk], None, lambda _: ()))


def test_forgetting_a_stream_begins_it_anew() -> None:
    """After `forget` a stream's state is empty, and forgetting what is not known is no error."""
    index, cohort_CD, chunks = _scene(5)
    matcher = Matcher(index, cohort_CD, null=WindowNull())
    list(matcher.match(chunks, _neighbours(index, chunks), lambda _: ()))
    assert len(matcher.snapshot(_stream("a")).recent) == WINDOW_CHUNKS - 1
    matcher.forget(_stream("a"))
    matcher.forget(_stream("nobody"))
    assert matcher.snapshot(_stream("a")).recent == ()
    assert NO_PATH < -1.0
