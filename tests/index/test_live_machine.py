"""The live index and the catalogue against a slow and obvious model: a dictionary that is sorted for every query."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from index.catalogue import Catalogue
from index.errors import DuplicateTrack, UnknownTrack
from index.kernels import pair_similarities
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.protocol import Index, Neighbours
from index.rows import EmbeddingRows
from index.track import Added, AlreadyEnrolled, NewTrack
from tests.index.recordings import DIMENSIONS, recording, unit_vectors

LIVE = LiveConfig(min_graph_rows=6, merge_rows=4, rebuild_share=0.4, min_live_share=0.2, background=False)
FINGERPRINT = "encoder-1"
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # here fsync is not what is tested, only slow


class LiveIndexMachine(RuleBasedStateMachine):
    """A live index that merges when it is told to, beside a dictionary by key."""

    def __init__(self) -> None:
        super().__init__()
        self.index = LiveIndex(EmbeddingRows(DIMENSIONS), config=LIVE)
        self.tracks: dict[int, NDArray[np.float32]] = {}
        self.next_key = 0
        self.changes = 0

    def teardown(self) -> None:
        self.index.close()

    @rule(counts=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 99))
    def add(self, counts: list[int], seed: int) -> None:
        for count in counts:
            self.tracks[self.next_key] = unit_vectors(seed + self.next_key, count)
            self.index.add(self.next_key, self.tracks[self.next_key])
            self.next_key += 1
            self.changes += 1

    @precondition(lambda self: self.tracks)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.tracks)))
        self.index.remove(key)
        del self.tracks[key]
        self.changes += 1

    @rule()
    def merge(self) -> None:
        enough = len(self.index) >= LIVE.min_graph_rows
        assert self.index.merge() == enough
        if enough:
            assert self.index.stats.delta_rows == 0

    @rule(seed=st.integers(0, 50), k=st.integers(1, 60))
    def query(self, seed: int, k: int) -> None:
        check_answers(self.index, self.tracks, seed, k)

    @invariant()
    def counts(self) -> None:
        assert len(self.index) == sum(len(embedding_ND) for embedding_ND in self.tracks.values())
        assert self.index.version == self.changes


class CatalogueMachine(RuleBasedStateMachine):
    """A writer and a reader of one catalogue folder, beside a dictionary by track id."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="catalogue-machine-", dir=MEMORY))
        self.model: dict[str, tuple[int, NewTrack]] = {}
        self.audio: dict[str, str] = {}
        self.seen_by_reader: dict[str, tuple[int, NewTrack]] = {}
        self.used_keys: set[int] = set()

    @initialize()
    def create(self) -> None:
        self.writer = Catalogue.create(
            self.folder / "c", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS, live=LIVE
        )
        for number in range(30, 34):
            self.add(number, number, 4)
        self.reader = Catalogue.open(self.folder / "c", encoder_fingerprint=FINGERPRINT, live=LIVE)
        self.seen_by_reader = dict(self.model)

    def teardown(self) -> None:
        if hasattr(self, "writer"):
            self.writer.close()
            self.reader.close()
        shutil.rmtree(self.folder)

    @rule(number=st.integers(0, 25), name=st.integers(0, 25), count=st.integers(1, 9))
    def add(self, number: int, name: int, count: int) -> None:
        new = recording(number, track_id=f"t{name}", embeddings=count)
        if new.audio_hash in self.audio:
            result = self.writer.add(new)
            assert isinstance(result, AlreadyEnrolled)
            assert result.track.track_id == self.audio[new.audio_hash]
        elif new.track_id in self.model:
            with pytest.raises(DuplicateTrack, match=new.track_id):
                self.writer.add(new)
        else:
            result = self.writer.add(new)
            assert isinstance(result, Added)
            assert result.track.key not in self.used_keys
            self.used_keys.add(result.track.key)
            self.model[new.track_id] = (result.track.key, new)
            self.audio[new.audio_hash] = new.track_id

    @rule(name=st.integers(0, 25))
    def remove_what_is_not_there(self, name: int) -> None:
        if f"t{name}" not in self.model:
            with pytest.raises(UnknownTrack, match=f"t{name}"):
                self.writer.remove(f"t{name}")

    @precondition(lambda self: self.model)
    @rule(data=st.data(), then_query=st.booleans())
    def remove(self, data: st.DataObject, then_query: bool) -> None:
        track_id = data.draw(st.sampled_from(sorted(self.model)))
        assert self.writer.remove(track_id).key == self.model[track_id][0]
        del self.audio[self.model.pop(track_id)[1].audio_hash]
        if then_query:
            check_catalogue(self.writer, self.model, 1, 60)

    @rule()
    def save_graph(self) -> None:
        self.writer.save_graph()

    @rule()
    def reopen(self) -> None:
        self.writer.close()
        self.writer = Catalogue.open(self.folder / "c", encoder_fingerprint=FINGERPRINT, writable=True, live=LIVE)

    @rule()
    def reopen_and_compact(self) -> None:
        self.reopen()
        self.writer.compact()
        assert self.writer.info().removed_embeddings == 0

    @rule()
    def refresh_reader(self) -> None:
        came, went = self.reader.refresh()
        before = {key for key, _ in self.seen_by_reader.values()}
        after = {key for key, _ in self.model.values()}
        assert set(came) == after - before
        assert set(went) == before - after
        self.seen_by_reader = dict(self.model)

    @rule(seed=st.integers(0, 50), k=st.integers(1, 60))
    def query_writer(self, seed: int, k: int) -> None:
        check_catalogue(self.writer, self.model, seed, k)

    @rule(seed=st.integers(0, 50), k=st.integers(1, 60))
    def query_reader(self, seed: int, k: int) -> None:
        check_catalogue(self.reader, self.seen_by_reader, seed, k)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def read_track(self, data: st.DataObject) -> None:
        track_id = data.draw(st.sampled_from(sorted(self.model)))
        key, new = self.model[track_id]
        track = self.writer.track(key)
        assert (track.track_id, track.title, track.embeddings) == (track_id, new.metadata["title"], len(new.starts_N))
        np.testing.assert_array_equal(track.starts_N, new.starts_N)
        np.testing.assert_array_equal(self.writer.sketch(key), new.sketch_nF)
        np.testing.assert_array_equal(self.writer.peaks(key), new.peaks_n)
        np.testing.assert_array_equal(self.writer.tonal(key), new.tonal_nV)

    @rule()
    def verify(self) -> None:
        assert self.writer.verify().problems == ()

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "writer"):
            assert len(self.writer) == len(self.model)
            assert len(self.reader) == len(self.seen_by_reader)


def check_catalogue(catalogue: Catalogue, model: dict[str, tuple[int, NewTrack]], seed: int, k: int) -> None:
    """The catalogue's index answers as the model does."""
    check_answers(catalogue.index, {key: new.embedding_ND for key, new in model.values()}, seed, k)


def check_answers(index: Index, tracks: dict[int, NDArray[np.float32]], seed: int, k: int) -> None:
    """Neighbours and similarities equal those of a sort of the dictionary."""
    query_BD = unit_vectors(seed, 3)
    live = sum(len(embedding_ND) for embedding_ND in tracks.values())
    assert len(index) == live
    found = index.neighbours(query_BD, k)
    assert found.similarity_BK.shape == (3, min(k, live))
    for query, answer in enumerate(rows_of(found)):
        everything = [
            (-float(similarity), key, position)
            for key, embedding_ND in tracks.items()
            for position, similarity in enumerate(pair_similarities(query_BD[query : query + 1], embedding_ND)[0])
        ]
        expected = sorted(everything)[:k]
        # Of equal embeddings at the end of a list a graph may name any.
        last = expected[-1][0] if expected else 0.0
        assert [each for each in answer if each[0] < last] == [each for each in expected if each[0] < last]
        assert [each[0] for each in answer] == [each[0] for each in expected]
        assert set(answer) <= set(everything) and len(set(answer)) == len(answer)
    keys = list(tracks)
    for key, block in zip(keys, index.similarities(query_BD, keys), strict=True):
        np.testing.assert_array_equal(block, pair_similarities(query_BD, tracks[key]))


def rows_of(found: Neighbours) -> list[list[tuple[float, int, int]]]:
    """Each query's neighbours as (negative similarity, key, position)."""
    columns = ((-found.similarity_BK).tolist(), found.track_BK.tolist(), found.position_BK.tolist())
    return [list(zip(*row, strict=True)) for row in zip(*columns, strict=True)]


QUIET = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LiveIndexMachine.TestCase.settings = settings(QUIET, max_examples=60, stateful_step_count=25)
CatalogueMachine.TestCase.settings = settings(QUIET, max_examples=40, stateful_step_count=20)
TestLiveIndexMachine = LiveIndexMachine.TestCase
TestCatalogueMachine = CatalogueMachine.TestCase
