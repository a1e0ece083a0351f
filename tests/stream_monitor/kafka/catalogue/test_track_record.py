"""A track as records: bit for bit, in parts, and never mistaken for what it is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.catalogue import Catalogue
from index.track import Added, NewTrack
from stream_monitor.kafka.catalogue.track_record import (
    PART_BYTES,
    TrackPart,
    decode,
    describe,
    encode,
    key_of,
    parse,
    parse_key,
)
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.settings import MiB
from tests.index.recordings import DIMENSIONS, recording
from tests.index.scenarios import FINGERPRINT


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """An empty one."""
    with Catalogue.create(tmp_path / "c", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as opened:
        yield opened


def records_of(catalogue: Catalogue, new: NewTrack, *, encoder: str = FINGERPRINT) -> list[tuple[bytes, bytes]]:
    """Enrols a track and writes it."""
    result = catalogue.add(new)
    assert isinstance(result, Added)
    view = catalogue.view
    source = view.state.header.catalogue_id
    return encode(view.roster.stored(result.track.key), view.snapshot, source=source, encoder=encoder)


def parts_of(records: list[tuple[bytes, bytes]]) -> list[TrackPart]:
    """Reads records."""
    return [parse(key, value) for key, value in records]


def long_recording(number: int) -> NewTrack:
    """Some two and a half parts."""
    sketch_nF = np.random.default_rng(number).integers(0, 256, (30_000, 84)).astype(np.uint8)
    return dataclasses.replace(recording(number, embeddings=5), sketch_nF=sketch_nF)


@pytest.mark.parametrize("long", [False, True])
def test_a_track_comes_back_bit_for_bit(catalogue: Catalogue, tmp_path: Path, long: bool) -> None:
    """All arrays and names, in as many parts as it takes, each under the limit; enrolled again it is equal."""
    new = long_recording(1) if long else recording(1, artist="Žofie", isrc="X", label="Löwe", track_id="a/b c")
    new = dataclasses.replace(new, metadata={**new.metadata, "source.path": "/here/only"})
    records = records_of(catalogue, new)
    assert len(records) == (3 if long else 1)
    assert max(len(key) + len(value) for key, value in records) < MiB - 8192
    again = decode(parts_of(records), DIMENSIONS)
    for name in ("embedding_ND", "starts_N", "sketch_nF", "peaks_n", "tonal_nV"):
        mine, theirs = getattr(new, name), getattr(again, name)
        assert (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
    assert (again.track_id, again.audio_hash, again.duration_samples) == (
        new.track_id,
        new.audio_hash,
        new.duration_samples,
    )
    assert "source.path" not in again.metadata
    with Catalogue.create(tmp_path / "d", encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS) as other:
        added = other.add(again)
        assert isinstance(added, Added)
        mine_there = catalogue.view.roster.stored(1)
        there = other.view.roster.stored(added.track.key)
        assert describe(there).edition == describe(mine_there).edition
        assert other.version == catalogue.version


def test_another_label_is_another_edition(catalogue: Catalogue) -> None:
    """Any column but where the file lay."""
    first = parts_of(records_of(catalogue, recording(1, label="A")))[0]
    catalogue.remove("track-1")
    second = parts_of(records_of(catalogue, recording(1, label="B")))[0]
    assert first.edition != second.edition
    assert (first.source, first.encoder) == (catalogue.view.state.header.catalogue_id, FINGERPRINT)


@given(st.text(min_size=1, max_size=40), st.integers(0, 4095))
def test_keys_come_back(track_id: str, part: int) -> None:
    """Whatever letters an id has."""
    assert parse_key(key_of(track_id, part)) == (track_id, part)


@pytest.mark.parametrize("key", [None, b"", b"x", b"/1", b"x/", b"x/-1", b"x/99999", b"\xff\xfe/1", "x/²".encode()])
def test_other_keys_are_refused(key: bytes | None) -> None:
    """With their code."""
    with pytest.raises(PoisonError) as caught:
        parse_key(key)
    assert caught.value.code == "bad_key"


def test_any_flipped_byte_is_seen(catalogue: Catalogue) -> None:
    """In head or payload: the record is refused, whatever it says."""
    ((key, value),) = records_of(catalogue, recording(1))
    for place in [*range(0, 140), *range(140, len(value), 97)]:
        torn = bytearray(value)
        torn[place] ^= 0x40
        with pytest.raises(PoisonError) as caught:
            parse(key, bytes(torn))
        assert caught.value.code in ("torn", "wrong_format")


def test_parts_of_two_editions_are_no_track(catalogue: Catalogue) -> None:
    """Put together they are refused; a cut payload likewise."""
    records = records_of(catalogue, long_recording(1))
    catalogue.remove("track-1")
    other = records_of(catalogue, dataclasses.replace(long_recording(2), track_id="track-1"))
    for mixed in ([records[0], other[1], records[2]], records[:2], [records[0], records[2], records[1]]):
        with pytest.raises(PoisonError, match="track-1"):
            decode(parts_of(mixed), DIMENSIONS)
    with pytest.raises(PoisonError, match="is not what was written"):
        parse(records[0][0], records[0][1][:PART_BYTES])
