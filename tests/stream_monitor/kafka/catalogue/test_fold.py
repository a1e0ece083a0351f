"""Records to changes: a track counts when it is whole, and what cannot be read keeps nothing else up."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.catalogue import Catalogue
from stream_monitor.kafka.catalogue.fold import Gone, Put, TrackFold, Unusable
from stream_monitor.kafka.catalogue.track_record import key_of
from tests.fakes.topic import FakeTopic
from tests.index.recordings import DIMENSIONS, recording
from tests.index.scenarios import FINGERPRINT
from tests.stream_monitor.kafka.catalogue.test_track_record import long_recording, records_of

Records = list[tuple[bytes, bytes | None]]


@pytest.fixture
def long(tmp_path: Path) -> Records:
    """Three parts of one track."""
    with Catalogue.create(tmp_path / "c", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as opened:
        return list(records_of(opened, long_recording(1)))


@pytest.fixture
def short(tmp_path: Path) -> Records:
    """Another track in one part."""
    with Catalogue.create(tmp_path / "d", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as opened:
        return list(records_of(opened, recording(2)))


def folded(fold: TrackFold, records: Records) -> list[Put | Gone | Unusable]:
    """Through a topic of their own."""
    topic = FakeTopic()
    topic.append(records)
    return fold.take(topic.records)


def test_a_track_counts_when_all_its_parts_are_there(long: Records, short: Records) -> None:
    """In any order, others between them; what has begun says from where it must be read again."""
    fold = TrackFold(FINGERPRINT, DIMENSIONS)
    (put,) = folded(fold, [long[2], *short, long[0]])
    assert isinstance(put, Put)
    assert (put.track_id, fold.held_from) == ("track-2", 0)
    (whole,) = folded(fold, [long[1]])
    assert isinstance(whole, Put)
    assert (whole.track_id, fold.held_from) == ("track-1", None)
    assert fold.at_end() == []


def test_a_tombstone_of_the_first_part_takes_the_track_away(long: Records) -> None:
    """Also one that is not whole yet; the other parts' tombstones say nothing more."""
    fold = TrackFold(FINGERPRINT, DIMENSIONS)
    tombstones: Records = [(key_of("track-1", part), None) for part in range(3)]
    assert folded(fold, [*long[:2], *tombstones]) == [Gone(track_id="track-1")]
    assert fold.at_end() == []


def test_what_is_never_whole_is_told_at_the_end(long: Records) -> None:
    """With its offset and what to do; nothing of it is put."""
    fold = TrackFold(FINGERPRINT, DIMENSIONS)
    assert folded(fold, long[1:]) == []
    (told,) = fold.at_end()
    assert isinstance(told, Unusable)
    assert (told.track_id, told.offset, told.code) == ("track-1", 0, "incomplete")
    assert "has 2 of its 3 parts: publish it again" in told.message


def test_poison_is_told_and_the_rest_goes_on(long: Records, short: Records, tmp_path: Path) -> None:
    """Torn, of another format, of another encoder, without a key: each with its offset and code."""
    key, value = short[0]
    assert value is not None
    with Catalogue.create(tmp_path / "e", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as opened:
        foreign = records_of(opened, recording(2), encoder="encoder-2")
    poison: Records = [
        (key, value[:-1]),
        (key, b"XXXX" + value[4:]),
        *foreign,
        (b"no key", value),
        (key, b""),
    ]
    told = folded(TrackFold(FINGERPRINT, DIMENSIONS), [*poison, *long])
    assert isinstance(told[-1], Put)
    found = [(each.offset, each.code, each.track_id) for each in told if isinstance(each, Unusable)]
    assert found == [
        (0, "torn", "track-2"),
        (1, "wrong_format", "track-2"),
        (2, "other_encoder", "track-2"),
        (3, "bad_key", "key b'no key'"),
        (4, "torn", "track-2"),
    ]


def test_memory_for_parts_is_bounded(long: Records, short: Records) -> None:
    """Where too much waits the oldest is given up."""
    fold = TrackFold(FINGERPRINT, DIMENSIONS, waiting_bytes=1)
    key, value = long[0]
    assert value is not None
    other = (key.replace(b"track-1", b"track-9"), value)
    (told,) = folded(fold, [long[0], other])
    assert isinstance(told, Unusable)
    assert (told.track_id, told.code) == ("track-1", "incomplete")
