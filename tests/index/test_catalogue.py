"""The catalogue: enrolling, finding, removing, sharing between processes, and refusing clearly."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.catalogue import Catalogue
from index.errors import (
    CatalogueCorrupt,
    CatalogueError,
    CatalogueExists,
    CatalogueFormat,
    CatalogueLocked,
    CatalogueMissing,
    CatalogueReadOnly,
    DuplicateTrack,
    EncoderMismatch,
    IndexBusy,
    IndexClosed,
    InvalidEmbedding,
    InvalidTrack,
    UnknownTrack,
)
from index.live import LiveIndex
from index.memory import needed_bytes
from index.track import Added, AlreadyEnrolled, Refused
from tests.index.recordings import DIMENSIONS, recording, unit_vectors
from tests.index.scenarios import FINGERPRINT, LIVE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """An empty catalogue, open for writing."""
    with Catalogue.create(
        tmp_path / "c", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS, live=LIVE
    ) as catalogue:
        yield catalogue


def reader(path: Path) -> Catalogue:
    """The same catalogue, as another process sees it."""
    return Catalogue.open(path, encoder_fingerprint=FINGERPRINT, live=LIVE)


def test_a_track_keeps_every_column_and_array(catalogue: Catalogue) -> None:
    """Known columns become fields, all others are kept, and the arrays come back as they were."""
    new = recording(1, artist="Anna", isrc="", iswc=" T-1 ", path="a/b.mp3", label="Löwe", track_id="one")
    result = catalogue.add(new)
    assert isinstance(result, Added)
    with reader(catalogue.path) as other:
        track = other.track(result.track.key)
        assert (track.track_id, track.title, track.artist, track.isrc, track.iswc) == (
            "one",
            "Title 1",
            "Anna",
            None,
            "T-1",
        )
        assert track.extra == {"path": "a/b.mp3", "label": "Löwe"}
        assert (track.duration_samples, track.embeddings, track.audio_hash) == (882000, 3, "audio-1")
        assert track.starts_N.dtype == np.int64
        np.testing.assert_array_equal(track.starts_N, new.starts_N)
        np.testing.assert_array_equal(other.sketch(track.key), new.sketch_nF)
        np.testing.assert_array_equal(other.peaks(track.key), new.peaks_n)
        np.testing.assert_array_equal(other.tonal(track.key), new.tonal_nV)
        assert other.find("one") == other.tracks()[0]
        assert other.find("two") is None


def test_works_are_the_column_else_the_iswc_else_the_track(catalogue: Catalogue) -> None:
    """work_id comes from the CSV, else from the ISWC however it is written, else the track is its own work."""
    results = catalogue.add_many(
        [
            recording(1, work_id="W1", iswc="T-034.524.680-1"),
            recording(2, iswc="T-034.524.680-1"),
            recording(3, iswc="T0345246801"),
            recording(4, work_id=" "),
        ]
    )
    works = [result.track.work_id for result in results if isinstance(result, Added)]
    assert works == ["W1", "T-034.524.680-1", "T-034.524.680-1", "track-4"]
    later = catalogue.add(recording(5, iswc="t 034524680 1"))
    assert isinstance(later, Added)
    assert later.track.work_id == "T-034.524.680-1"
    assert catalogue.info().works == 3


def test_the_same_audio_is_enrolled_once(catalogue: Catalogue) -> None:
    """A second recording with the same samples is not enrolled, in one call or in two, whatever its id."""
    first, again = catalogue.add_many([recording(1), recording(1, track_id="copy")])
    assert isinstance(first, Added)
    assert isinstance(again, AlreadyEnrolled)
    assert (again.track_id, again.track) == ("copy", first.track)
    version = catalogue.version
    third = catalogue.add(recording(1))
    assert isinstance(third, AlreadyEnrolled)
    assert catalogue.version == version
    assert len(catalogue) == 1
    assert catalogue.find_audio("audio-1") == first.track


def test_one_id_for_two_recordings_is_an_error(catalogue: Catalogue) -> None:
    """The second audio under an id is refused, alone with an error and in a batch beside those that are taken."""
    catalogue.add(recording(1))
    with pytest.raises(DuplicateTrack, match="'track-1' is another recording's"):
        catalogue.add(recording(2, track_id="track-1"))
    results = catalogue.add_many([recording(3), recording(4, track_id="track-3"), recording(5)])
    assert [type(result) for result in results] == [Added, Refused, Added]
    assert isinstance(results[1], Refused)
    assert isinstance(results[1].error, DuplicateTrack)
    assert len(catalogue) == 3


def test_a_removed_id_may_come_back_under_a_new_key(catalogue: Catalogue) -> None:
    """After a removal the id and the audio are free again, and the old key names nothing for ever."""
    first = catalogue.add(recording(1))
    assert isinstance(first, Added)
    catalogue.remove("track-1")
    with pytest.raises(UnknownTrack, match="'track-1'"):
        catalogue.remove("track-1")
    with pytest.raises(UnknownTrack):
        catalogue.track(first.track.key)
    second = catalogue.add(recording(1))
    assert isinstance(second, Added)
    assert second.track.key > first.track.key
    assert catalogue.index.similarities(unit_vectors(1, 2), [first.track.key])[0].shape == (2, 0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"track_id": ""}, InvalidTrack, "track_id"),
        ({"duration_samples": 0}, InvalidTrack, "above 0, got 0"),
        ({"metadata": {"year": 1999}}, InvalidTrack, "text to text"),
        ({"starts_N": np.array([0, 0, 5])}, InvalidTrack, "starts_N must rise"),
        ({"starts_N": np.array([0, 5])}, InvalidTrack, r"shape \[3\], got int64 of shape \[2\]"),
        ({"sketch_nF": np.zeros((3, 83), np.uint8)}, InvalidTrack, "sketch_nF"),
        ({"peaks_n": np.zeros(3, np.int32)}, InvalidTrack, "uint32"),
        ({"tonal_nV": np.zeros((3, 96), np.float32)}, InvalidTrack, "tonal_nV must be int8"),
        ({"tonal_nV": np.zeros(96, np.int8)}, InvalidTrack, "tonal_nV"),
        ({"embedding_ND": np.zeros((3, DIMENSIONS), np.float32)}, InvalidEmbedding, "unit vectors"),
    ],
)
def test_a_wrong_field_is_refused_before_anything_is_written(
    catalogue: Catalogue, change: dict[str, object], error: type[CatalogueError], message: str
) -> None:
    """The message names the field, and the catalogue is as it was."""
    new = recording(1)
    fields = {name: getattr(new, name) for name in new.__dataclass_fields__}
    with pytest.raises(error, match=message):
        catalogue.add(type(new)(**{**fields, **change}))
    assert (len(catalogue), catalogue.info().removed_embeddings) == (0, 0)


def test_another_encoder_is_refused_with_the_command_that_enrols_again(catalogue: Catalogue) -> None:
    """Opening with another fingerprint says both and how to mend it; without one, the catalogue opens."""
    with pytest.raises(
        EncoderMismatch, match=r"encoder-1.*other.*`stream-monitor catalog add PATH\.\.\. --catalog NEW`"
    ):
        Catalogue.open(catalogue.path, encoder_fingerprint="other")
    with Catalogue.open(catalogue.path, encoder_fingerprint=None) as opened:
        assert opened.encoder_fingerprint == FINGERPRINT


def test_a_second_writer_is_told_at_once_who_the_first_is(catalogue: Catalogue) -> None:
    """Another process that wants to write gets an error that names this process; a reader gets in."""
    program = (
        "import sys; from pathlib import Path; from index.catalogue import Catalogue\n"
        "from index.errors import CatalogueLocked\n"
        "path = Path(sys.argv[1])\n"
        "try:\n    Catalogue.open(path, encoder_fingerprint=None, writable=True)\n"
        "except CatalogueLocked as error:\n    print(error, error.retriable)\n"
        "print(len(Catalogue.open(path, encoder_fingerprint=None)))\n"
    )
    catalogue.add(recording(1))
    command = [sys.executable, "-c", program, str(catalogue.path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert f"is being written by process {os.getpid()} on" in ran.stdout, ran.stderr
    assert ran.stdout.rstrip().endswith("True\n1")
    with pytest.raises(CatalogueLocked):
        Catalogue.open(catalogue.path, encoder_fingerprint=None, writable=True)


def test_a_reader_sees_the_writer_after_refresh(catalogue: Catalogue) -> None:
    """A reader keeps its state while another writes; adds, removals and a compaction come with its refresh."""
    catalogue.add_many([recording(number) for number in range(4)])
    with reader(catalogue.path) as other:
        assert len(other.index) == 12
        gone = catalogue.remove("track-2").key
        added = catalogue.add(recording(9))
        assert isinstance(added, Added)
        assert len(other) == 4
        assert other.track(gone).track_id == "track-2"
        assert other.refresh() == ([added.track.key], [gone])
        assert other.refresh() == ([], [])
        assert other.version == catalogue.version
        assert other.index.neighbours(recording(9).embedding_ND, 1).track_BK[0, 0] == added.track.key
        path = catalogue.path
        catalogue.close()
        with Catalogue.open(path, encoder_fingerprint=FINGERPRINT, writable=True, live=LIVE) as again:
            again.remove("track-0")
            again.compact()
            np.testing.assert_array_equal(other.sketch(added.track.key), recording(9).sketch_nF)
            assert [len(keys) for keys in other.refresh()] == [0, 1]
            np.testing.assert_array_equal(other.sketch(added.track.key), recording(9).sketch_nF)
            assert len(other.index) == 9


def test_versions_name_what_is_in_it(catalogue: Catalogue, tmp_path: Path) -> None:
    """Equal recordings give an equal version, whatever the order and the history, in any catalogue."""
    empty = catalogue.version
    catalogue.add_many([recording(1), recording(2)])
    both = catalogue.version
    with reader(catalogue.path) as other:
        assert other.version == both
    with Catalogue.create(tmp_path / "other", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as second:
        second.add_many([recording(number) for number in (3, 2, 1)])
        three = second.version
        second.remove("track-3")
        assert second.version == both
    catalogue.remove("track-1")
    catalogue.add(recording(1, artist="Another"))
    assert len({empty, both, three, catalogue.version}) == 4
    catalogue.remove("track-1")
    catalogue.remove("track-2")
    assert catalogue.version == empty


def test_a_track_for_which_there_is_no_memory_is_left_out(catalogue: Catalogue) -> None:
    """It is on disk and named, is not searched, and comes in when another one has made room."""
    catalogue.add_many([recording(1), recording(2)])
    live = LIVE.model_copy(update={"memory_bytes": needed_bytes(2, 6)})
    with Catalogue.open(catalogue.path, encoder_fingerprint=FINGERPRINT, live=live) as small:
        assert len(small.index) == 6
        catalogue.add(recording(3))
        ((key,), _) = small.refresh()
        assert small.left_out == (key,)
        assert (len(small), len(small.index)) == (3, 6)
        catalogue.remove("track-1")
        small.refresh()
        assert small.left_out == ()
        assert small.index.neighbours(recording(3).embedding_ND, 1).track_BK[0, 0] == key


def test_exact_and_graph_give_the_same_similarities(catalogue: Catalogue) -> None:
    """Both kinds of index answer with the same bits for a small catalogue."""
    catalogue.add_many([recording(number, embeddings=4) for number in range(20)])
    catalogue.save_graph()
    query_BD = unit_vectors(5, 7)
    with Catalogue.open(catalogue.path, encoder_fingerprint=FINGERPRINT, index="exact") as exact:
        mine, theirs = catalogue.index.neighbours(query_BD, 9), exact.index.neighbours(query_BD, 9)
        np.testing.assert_array_equal(mine.similarity_BK, theirs.similarity_BK)
        np.testing.assert_array_equal(mine.track_BK, theirs.track_BK)
        assert exact.index.version == catalogue.index.version


@pytest.mark.parametrize("damage", ["missing", "torn", "flipped", "no card", "torn card"])
def test_a_damaged_graph_is_said_to_be_so_and_built_again(catalogue: Catalogue, damage: str) -> None:
    """The graph is a cache: without it the answers are the same, and the reason is kept."""
    path = catalogue.path
    catalogue.add_many([recording(number) for number in range(8)])
    assert catalogue.save_graph()
    catalogue.close()
    (graph,) = path.glob("graph-*.hnsw")
    content = bytearray(graph.read_bytes())
    if damage == "missing":
        graph.unlink()
    elif damage == "torn":
        graph.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        graph.write_bytes(content)
    elif damage == "no card":
        (path / "graph.json").unlink()
    else:
        (path / "graph.json").write_bytes(b'{"format": 1, "catal')
    with Catalogue.open(path, encoder_fingerprint=FINGERPRINT, writable=True, live=LIVE) as opened:
        report = opened.verify()
        assert report.ok == (damage == "missing")
        assert opened.index.neighbours(recording(3).embedding_ND, 1).similarity_BK[:, 0] == pytest.approx(1.0)
        assert opened.graph_problem is not None
        assert isinstance(opened.index, LiveIndex)
        assert opened.index.stats.graph_rows == 0
        assert opened.save_graph()
        assert opened.index.stats.rebuilds == 1
        assert opened.verify().ok
    with Catalogue.open(path, encoder_fingerprint=FINGERPRINT, live=LIVE) as opened:
        assert isinstance(opened.index, LiveIndex)
        assert opened.index.stats.graph_rows == 24
        assert opened.graph_problem is None


def test_verify_finds_a_flipped_bit(catalogue: Catalogue) -> None:
    """A changed byte of an embedding or of a sketch is found, with the track's name and what to do."""
    catalogue.add_many([recording(number) for number in range(3)])
    assert catalogue.verify().ok
    assert catalogue.verify().embeddings == 9
    for name, what in (("embeddings-000001.f32", "embeddings"), ("frames-000001.bin", "frames, peaks or tonal rows")):
        file = catalogue.path / name
        content = bytearray(file.read_bytes())
        content[4096 + 5] ^= 1
        file.write_bytes(content)
        with reader(catalogue.path) as other:
            problems = other.verify().problems
        assert any(f"track 'track-0': its {what} are not what was written: remove it" in text for text in problems)


def test_files_that_were_cut_or_mixed_up_are_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    """A short, missing or foreign array file, and a table that is none, are CatalogueCorrupt."""
    catalogue.add_many([recording(number) for number in range(3)])
    path = catalogue.path
    catalogue.close()
    other = tmp_path / "other"
    Catalogue.create(other, encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS).close()
    for damage, message in (
        (lambda folder: os.truncate(folder / "frames-000001.bin", 5000), "was cut: 5000 bytes of"),
        (lambda folder: (folder / "embeddings-000001.f32").unlink(), "is missing"),
        (lambda folder: os.truncate(folder / "embeddings-000001.f32", 10), "no readable first page"),
        (lambda folder: shutil.copy(other / "frames-000001.bin", folder), "its catalogue_id is not"),
        (lambda folder: (folder / "catalogue.sqlite").write_bytes(b"no table" * 1000), "not a database"),
        (lambda folder: (folder / "catalogue.sqlite").write_bytes(b""), "not a catalogue of stream-monitor"),
    ):
        folder = tmp_path / "damaged"
        shutil.copytree(path, folder)
        damage(folder)
        for writable in (False, True):
            with pytest.raises(CatalogueCorrupt, match=message):
                Catalogue.open(folder, encoder_fingerprint=FINGERPRINT, writable=writable)
        shutil.rmtree(folder)


def test_another_format_is_refused(catalogue: Catalogue) -> None:
    """A catalogue of an earlier or later format is refused with both versions and the command that enrols again."""
    path = catalogue.path
    catalogue.close()
    for version, before in ((1, 2), (99, 1)):
        with sqlite3.connect(path / "catalogue.sqlite") as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (before,)
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        with pytest.raises(CatalogueFormat, match=rf"format {version}, this program reads format 2.*catalog add"):
            Catalogue.open(path, encoder_fingerprint=FINGERPRINT)


def test_what_is_missing_or_there_already_is_said(catalogue: Catalogue, tmp_path: Path) -> None:
    """Opening nothing and creating over something are refused."""
    with pytest.raises(CatalogueMissing, match=r"no catalogue in .*nothing"):
        Catalogue.open(tmp_path / "nothing", encoder_fingerprint=FINGERPRINT)
    path = catalogue.path
    catalogue.close()
    with pytest.raises(CatalogueExists, match="holds a catalogue already"):
        Catalogue.create(path, encoder_fingerprint=FINGERPRINT)


def test_a_reader_cannot_write_and_a_closed_catalogue_does_nothing(catalogue: Catalogue) -> None:
    """Both are refused with what to do; closing twice is allowed."""
    catalogue.add(recording(1))
    other = reader(catalogue.path)
    for change in (lambda: other.add(recording(2)), lambda: other.remove("track-1"), other.compact):
        with pytest.raises(CatalogueReadOnly, match="opened for reading"):
            change()
    index = other.index
    other.close()
    other.close()
    with pytest.raises(IndexClosed):
        index.neighbours(unit_vectors(1, 1))
    with pytest.raises(IndexClosed):
        other.refresh()


def test_compaction_asks_for_an_unused_index(catalogue: Catalogue) -> None:
    """With an index in memory, which numbers the rows as they were, compaction is refused."""
    catalogue.add(recording(1))
    assert len(catalogue.index) == 3
    with pytest.raises(IndexBusy, match="open the catalogue anew"):
        catalogue.compact()


def test_opening_for_writing_gives_back_the_space_of_many_removed_tracks(catalogue: Catalogue) -> None:
    """When more than half of the rows are removed tracks', the next writer compacts."""
    catalogue.add_many([recording(number, embeddings=1000) for number in range(8)])
    for number in range(6):
        catalogue.remove(f"track-{number}")
    path, before = catalogue.path, catalogue.info()
    catalogue.close()
    with Catalogue.open(path, encoder_fingerprint=FINGERPRINT, writable=True) as opened:
        after = opened.info()
        assert (before.removed_embeddings, after.removed_embeddings) == (6000, 0)
        assert after.embedding_bytes < before.embedding_bytes / 3
        assert opened.verify().ok
        assert opened.version == before.version


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that others may enter, and for the test's time not the rights of root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for path in folder.rglob("*"):
            path.chmod(0o777)
        shutil.rmtree(folder)


def test_a_read_only_folder_can_be_read_but_not_written(unprivileged: Path) -> None:
    """Reading works with no rights to write; writing and creating say what is wrong."""
    path = unprivileged / "c"
    with Catalogue.create(path, encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as catalogue:
        catalogue.add(recording(1))
    for file in path.iterdir():
        file.chmod(0o444)
    path.chmod(0o555)
    with reader(path) as opened:
        assert opened.index.neighbours(recording(1).embedding_ND, 1).similarity_BK.shape == (3, 1)
        assert opened.verify().ok
    with pytest.raises(CatalogueReadOnly, match="Permission denied; make the folder writable"):
        Catalogue.open(path, encoder_fingerprint=FINGERPRINT, writable=True)
    with pytest.raises(CatalogueReadOnly, match="make the folder writable or use another"):
        Catalogue.create(path / "inside", encoder_fingerprint=FINGERPRINT)
    path.chmod(0o777)


def test_info_counts_and_measures(catalogue: Catalogue) -> None:
    """Counts, versions and sizes are those of what was enrolled."""
    catalogue.add_many([recording(number) for number in range(5)])
    catalogue.remove("track-0")
    info = catalogue.info()
    assert (info.tracks, info.works, info.embeddings, info.removed_embeddings) == (4, 4, 12, 3)
    assert (info.duration_samples, info.dimensions, info.encoder_fingerprint) == (4 * 882000, DIMENSIONS, FINGERPRINT)
    assert info.embedding_bytes == 4096 + 15 * DIMENSIONS * 4
    assert (info.graph, info.graph_bytes) == ("it is missing", 0)
    assert catalogue.save_graph()
    assert catalogue.info().graph == "ok"
