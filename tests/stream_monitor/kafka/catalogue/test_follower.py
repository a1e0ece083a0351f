"""The follower against a topic in memory: wherever it stops, the folder comes to hold what the topic holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index.catalogue import Catalogue
from index.track import NewTrack
from stream_monitor.errors import SettingsError, StoppedError
from stream_monitor.kafka.catalogue.copy import NotACopyError, TooLargeError, check_memory, make_graph, open_copy
from stream_monitor.kafka.catalogue.follower import Follower
from stream_monitor.kafka.catalogue.mark import Mark, read_mark
from stream_monitor.kafka.catalogue.published import PublishedTracks
from stream_monitor.kafka.catalogue.publishing import plan, records_of
from stream_monitor.kafka.catalogue.track_record import key_of
from stream_monitor.stopping import Stop
from tests.fakes.clock import FakeClock
from tests.fakes.topic import FakeTopic
from tests.index.recordings import DIMENSIONS, recording
from tests.index.scenarios import FINGERPRINT
from tests.stream_monitor.kafka.catalogue.test_track_record import long_recording

HOUR_S = 3600.0
KEEP_S = 24 * HOUR_S
WANTED = Mark(topic="catalog.tracks", identity="topic-1", encoder=FINGERPRINT)


class Place:
    """A catalogue that is published, a topic, and a folder that follows."""

    def __init__(self, folder: Path) -> None:
        self.topic = FakeTopic()
        self.clock = FakeClock()
        self.copy = folder / "copy"
        self.source = Catalogue.create(folder / "source", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS)

    def publish(self, *, replace: bool = False, source: Catalogue | None = None) -> int:
        """What `catalog publish` writes; how many records that is."""
        source = source or self.source
        published = PublishedTracks()
        for record in self.topic.records:
            published.take(record)
        found = plan(source.view, published, replace=replace)
        records = [record for track in records_of(source.view, published, found) for record in track]
        self.topic.append(records)
        return len(records)

    def add(self, *tracks: NewTrack) -> None:
        """Enrols and publishes."""
        self.source.add_many(tracks)
        self.publish()

    @contextmanager
    def follower(self, wanted: Mark = WANTED) -> Iterator[Follower]:
        """One process's."""
        with open_copy(self.copy, encoder=FINGERPRINT, dimensions=DIMENSIONS) as catalogue:
            known = read_mark(self.copy)
            yield Follower(catalogue, self.topic, known, wanted, dimensions=DIMENSIONS, keep_s=KEEP_S, clock=self.clock)

    def follow(self, wanted: Mark = WANTED) -> Mark:
        """To the end, in a process of its own."""
        with self.follower(wanted) as follower:
            follower.step(0.0)
            while self.topic.position() < self.topic.ends() or not follower.mark.whole:
                follower.step(0.0)
        mark = read_mark(self.copy)
        assert mark == follower.mark
        return follower.mark

    def held(self) -> tuple[str, list[str]]:
        """Version and ids of the copy, as a reader sees it; its arrays are what was written."""
        with Catalogue.open(self.copy, encoder_fingerprint=FINGERPRINT) as reader:
            assert reader.verify().ok
            return reader.version, sorted(track.track_id for track in reader.tracks())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Everything empty."""
    made = Place(tmp_path)
    yield made
    made.source.close()


def test_a_copy_holds_what_was_published(place: Place) -> None:
    """The same version as the source; a second publish writes nothing, and nothing is read twice."""
    place.add(recording(1), long_recording(2), recording(3, iswc="T-1"))
    assert place.publish() == 0
    mark = place.follow()
    assert (mark.whole, mark.offset, mark.tracks, mark.embeddings, mark.unusable) == (True, 5, 3, 11, 0)
    assert place.held() == (place.source.version, ["track-1", "track-2", "track-3"])
    place.add(recording(4))
    place.topic.read.clear()
    assert place.follow().offset == 6
    assert place.topic.read == [5]
    assert place.held()[0] == place.source.version


def test_changed_and_removed_tracks_follow(place: Place) -> None:
    """A tombstone for each part; a shorter edition leaves no part behind; an id that went to another audio follows."""
    place.add(recording(1), long_recording(2), recording(3))
    place.follow()
    for track_id in ("track-1", "track-2", "track-3"):
        place.source.remove(track_id)
    place.source.add(dataclasses.replace(recording(7), track_id="track-2"))
    place.source.add(dataclasses.replace(recording(3), track_id="renamed"))
    # Tombstones of track-1 and track-3, of two parts of track-2, and two records.
    assert place.publish() == 6
    place.follow()
    assert place.held() == (place.source.version, ["renamed", "track-2"])
    place.topic.compact(tombstones=True)
    assert len(place.topic.records) == 2
    assert place.publish() == 0


def test_a_killed_follower_goes_on_where_the_mark_says(place: Place) -> None:
    """What was applied and not marked is applied again and changes nothing."""
    place.add(recording(1), recording(2))
    before = place.follow()
    place.add(recording(3))
    place.source.remove("track-1")
    place.publish()
    place.follow()
    version = place.held()[0]
    (place.copy / "topic.json").write_text(before.model_dump_json())
    place.topic.read.clear()
    place.follow()
    assert place.topic.read == [2, 3]
    assert place.held()[0] == version == place.source.version


def test_a_follower_killed_within_a_track_reads_it_again(place: Place) -> None:
    """Two of its three parts were read: the next one begins with the first part."""
    place.add(recording(1))
    place.follow()
    place.add(long_recording(2))
    place.topic.most = 1
    with place.follower() as follower:
        follower.step(0.0)
        follower.step(0.0)
        assert (follower.mark.offset, follower.mark.whole, follower.mark.tracks) == (1, True, 1)
    place.topic.most = 1_000
    assert place.follow().unusable == 0
    assert place.held()[0] == place.source.version


def test_a_copy_that_slept_too_long_is_read_anew(place: Place) -> None:
    """The tombstone is gone from the log, and the track from the copy; what is equal is kept in place."""
    place.add(recording(1), recording(2))
    place.follow()
    place.source.remove("track-1")
    place.publish()
    place.topic.compact(tombstones=True)
    place.clock.now_s += KEEP_S + HOUR_S
    place.topic.read.clear()
    mark = place.follow()
    assert place.topic.read == [1]
    assert (mark.whole, mark.tracks) == (True, 1)
    assert place.held() == (place.source.version, ["track-2"])


@pytest.mark.parametrize("change", [{"identity": "topic-2"}, {"topic": "other"}])
def test_a_copy_of_another_topic_is_read_anew(place: Place, change: dict[str, str]) -> None:
    """A topic that was deleted and made again has other offsets; what it lacks goes."""
    place.add(recording(1), recording(2))
    place.follow()
    place.topic = FakeTopic()
    place.source.remove("track-1")
    place.publish()
    wanted = WANTED.model_copy(update=change)
    assert place.follow(wanted).identity == wanted.identity
    assert place.held() == (place.source.version, ["track-2"])


def test_a_reading_that_was_not_finished_is_begun_again(place: Place) -> None:
    """Killed in the middle of the first reading, twice."""
    for number in range(150):
        place.source.add_many([recording(number)])
    place.publish()
    for _ in range(2):
        with place.follower() as follower:
            follower.step(0.0)
            assert not follower.mark.whole
    mark = place.follow()
    assert (mark.whole, mark.tracks, mark.offset) == (True, 150, 150)
    assert place.held()[0] == place.source.version


def test_poison_is_told_kept_and_forgotten_when_it_is_mended(place: Place) -> None:
    """The track stays as it was, others come in; a restart tells it again; what is written anew ends it."""
    place.add(recording(1))
    place.follow()
    place.topic.append([(key_of("track-1", 0), b"SMTR torn"), (b"no key", b"x")])
    for _ in range(2):
        mark = place.follow()
        assert [(each.offset, each.code) for each in mark.troubles] == [(1, "torn"), (2, "bad_key")]
        assert place.held()[1] == ["track-1"]
    place.add(recording(2))  # the publisher, too, sees what cannot be read, and writes the track again
    assert [record.key for record in place.topic.records[3:]] == [b"track-1/0", b"track-2/0"]
    assert [each.code for each in place.follow().troubles] == ["bad_key"]
    assert place.publish(replace=True) == 1
    assert place.follow().unusable == 0
    assert place.held()[0] == place.source.version


def test_a_flood_of_poison_is_counted(place: Place) -> None:
    """The first hundred by name, the others by number; the good track among them comes in."""
    place.topic.append([(f"t{number}/0".encode(), b"poison") for number in range(150)])
    place.add(recording(1))
    mark = place.follow()
    assert (mark.unusable, len(mark.troubles), mark.tracks) == (150, 100, 1)
    assert place.publish(replace=True) == 150
    assert place.follow().unusable == 0


def test_a_track_with_another_ones_audio_is_told(place: Place, tmp_path: Path) -> None:
    """Two catalogues that publish at the same time: one of both is in; when that one goes, the other comes in."""
    place.add(recording(1))
    with Catalogue.create(tmp_path / "o", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as other:
        other.add(dataclasses.replace(recording(1), track_id="twin"))
        published = PublishedTracks()
        found = plan(other.view, published)
        place.topic.append([record for track in records_of(other.view, published, found) for record in track])
    with place.follower() as follower:
        follower.step(0.0)
        assert [each.code for each in follower.mark.troubles] == ["same_audio"]
        assert place.held()[1] == ["track-1"]
        place.source.remove("track-1")
        assert place.publish() == 1
        for _ in range(3):
            follower.step(0.0)
        assert (follower.mark.unusable, follower.mark.whole) == (0, True)
        assert place.held()[1] == ["twin"]


def test_two_catalogues_publish_side_by_side(place: Place, tmp_path: Path) -> None:
    """Each removes only its own; an id or audio of the other one is refused, and taken over where that is asked for."""
    place.add(recording(1), recording(2))
    with Catalogue.create(tmp_path / "o", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as other:
        other.add_many([recording(3), dataclasses.replace(recording(4), track_id="track-2")])
        other.add(dataclasses.replace(recording(1), track_id="twin"))
        found = plan(other.view, published_of(place.topic))
        assert [stored.track.track_id for stored in found.put] == ["track-3"]
        assert {track_id: reason.split(":")[0] for track_id, reason in found.refused} == {
            "track-2": "another catalogue has published a track of this id",
            "twin": "another catalogue has published the same audio as 'track-1'",
        }
        assert place.publish(source=other) == 1
        assert place.publish() == 0
        place.follow()
        assert place.held()[1] == ["track-1", "track-2", "track-3"]
        place.publish(source=other, replace=True)
        place.follow()
        assert place.held()[0] == other.version


def published_of(topic: FakeTopic) -> PublishedTracks:
    """As a publisher reads it."""
    published = PublishedTracks()
    for record in topic.records:
        published.take(record)
    return published


def test_a_catalogue_of_its_own_is_never_taken_for_a_copy(place: Place) -> None:
    """Exit code 2, with what to do; nothing in it is touched."""
    place.source.add(recording(1))
    folder, version = place.source.path, place.source.version
    place.source.close()
    with pytest.raises(NotACopyError, match=r"catalog publish --catalog .* another folder") as caught:
        open_copy(folder, encoder=FINGERPRINT, dimensions=DIMENSIONS)
    assert isinstance(caught.value, SettingsError)
    with Catalogue.open(folder, encoder_fingerprint=FINGERPRINT) as opened:
        assert opened.version == version


def test_the_graph_is_made_once_for_a_machine(place: Place) -> None:
    """Where the copy is large enough for one; readers find it; a stop leaves none."""
    place.source.add_many([recording(number, embeddings=100) for number in range(90)])
    place.publish()
    place.follow()
    stop = Stop()
    stop.set()
    with pytest.raises(StoppedError):
        make_graph(place.copy, FINGERPRINT, stop)
    make_graph(place.copy, FINGERPRINT, Stop())
    with Catalogue.open(place.copy, encoder_fingerprint=FINGERPRINT) as reader:
        assert reader.info().graph == "ok"
        assert len(reader.index) == 9000
        assert reader.graph_problem is None


@pytest.mark.parametrize("broken", ["encoder", "torn"])
def test_a_copy_that_cannot_be_used_is_made_anew(place: Place, broken: str) -> None:
    """Of another encoder, or damaged: thrown away, and read from the topic."""
    place.add(recording(1))
    place.follow()
    if broken == "torn":
        (place.copy / "catalogue.sqlite").write_bytes(b"x" * 5000)
        assert place.follow().tracks == 1
        assert place.held()[0] == place.source.version
        return
    with open_copy(place.copy, encoder="encoder-2", dimensions=DIMENSIONS) as again:
        assert len(again) == 0
    mark = read_mark(place.copy)
    assert mark is not None
    assert not mark.whole


def test_a_catalogue_above_its_budget_is_refused() -> None:
    """With what it needs, what it may have, and what to do."""
    check_memory(1000, 24_000, 1 << 30, "here")
    with pytest.raises(TooLargeError, match=r"here: 1000000 tracks .* 1024 are allowed: set catalogue.memory_mb"):
        check_memory(1_000_000, 24_000_000, 1 << 30, "here")
