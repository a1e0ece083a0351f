"""A track as records of the topic `catalog.tracks`, in parts under the limit of a record, and back, bit for bit.

    key     track_id/part
    value   head | payload      head: mark, format, part, parts, edition, source, encoder, checksum of all
    payload of all parts, one after the other:
            length | description (JSON) | embeddings | starts | sketch | peaks | tonal features   (little endian)

The edition is a hash of the description, which holds the hashes of all arrays: equal tracks have equal editions, and a
part says by itself which track it is of. It knows nothing of topics or catalogues.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from index.errors import CatalogueError
from index.snapshot import Snapshot, digest
from index.table import StoredTrack
from index.track import SKETCH_BINS, NewTrack, checked_track
from stream_monitor.enrolment import SOURCE_BYTES, SOURCE_MTIME, SOURCE_PATH
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.settings import MiB

FORMAT: Final = 1
MARK: Final = b"SMTR"
PART_BYTES: Final = MiB - 16 * 1024
"""Payload of one part; what is left of a record's 1 MiB is for key, head and the record's own frame."""
MOST_PARTS: Final = 4096
LOCAL_COLUMNS: Final = (SOURCE_PATH, SOURCE_BYTES, SOURCE_MTIME)
"""Columns that mean something on the machine where the track was enrolled only."""
NAMES: Final = ("work_id", "title", "artist", "isrc", "iswc")

FINGERPRINT_BYTES: Final = 64
_HEAD = struct.Struct(f"<4sHHH16s16s{FINGERPRINT_BYTES}s")
_CHECKSUM = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackPart:
    """One record's value, understood."""

    track_id: str
    part: int
    parts: int
    edition: bytes
    source: str
    """The catalogue that published it."""
    encoder: str
    """Fingerprint of the encoder."""
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a track is, without its arrays."""

    text: bytes

    @property
    def edition(self) -> bytes:
        """16 bytes; equal for equal tracks."""
        return xxhash.xxh3_128_digest(self.text)

    @property
    def values(self) -> Mapping[str, Any]:
        """Read again."""
        found: Mapping[str, Any] = json.loads(self.text)
        return found


def describe(stored: StoredTrack) -> Description:
    """The description of an enrolled track; reads no array."""
    track, extent = stored.track, stored.extent
    values = {name: getattr(track, name) for name in NAMES} | {
        "track_id": track.track_id,
        "extra": {column: text for column, text in track.extra.items() if column not in LOCAL_COLUMNS},
        "audio_hash": track.audio_hash,
        "duration_samples": track.duration_samples,
        "embeddings": extent.rows,
        "sketch": extent.sketch_frames,
        "peaks": extent.peaks,
        "tonal": [extent.tonal_rows, extent.tonal_width],
        "starts_hash": digest(track.starts_N),
        "embedding_hash": extent.embedding_hash,
        "frame_hash": extent.frame_hash,
    }
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Description(text=text.encode("utf-8", "surrogatepass"))


def key_of(track_id: str, part: int) -> bytes:
    """The key of a part."""
    return f"{track_id}/{part}".encode("utf-8", "surrogatepass")


def parse_key(key: bytes | None) -> tuple[str, int]:
    """Track and part of a key.

    Raises:
        PoisonError: It is none (code `bad_key`).
    """
    try:
        track_id, _, part = (key or b"").decode("utf-8", "surrogatepass").rpartition("/")
    except UnicodeDecodeError:
        track_id, part = "", ""
    if not track_id or not (part.isascii() and part.isdigit()) or int(part) >= MOST_PARTS:
        raise PoisonError("bad_key", f"the key {key!r} is not TRACK_ID/PART")
    return track_id, int(part)


def encode(stored: StoredTrack, snapshot: Snapshot, *, source: str, encoder: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of an enrolled track.

    Args:
        stored: The track.
        snapshot: The files that its arrays lie in.
        source: Id of the catalogue, 32 hex digits.
        encoder: Its fingerprint, at most 64 ASCII characters.

    Raises:
        PoisonError: The track is too large (code `too_large`).
    """
    description, extent = describe(stored), stored.extent
    arrays: tuple[NDArray[np.generic], ...] = (
        snapshot.embeddings(extent.first_row, extent.end_row).astype("<f4", copy=False),
        stored.track.starts_N.astype("<i8", copy=False),
        snapshot.sketch(extent),
        snapshot.peaks(extent).astype("<u4", copy=False),
        snapshot.tonal(extent),
    )
    body = b"".join((_LENGTH.pack(len(description.text)), description.text, *(array.tobytes() for array in arrays)))
    payloads = [body[start : start + PART_BYTES] for start in range(0, len(body), PART_BYTES)]
    if len(payloads) > MOST_PARTS:
        raise PoisonError("too_large", f"track {stored.track.track_id!r} takes {len(body)} bytes: too many to publish")
    if len(encoder) > FINGERPRINT_BYTES:
        raise PoisonError(
            "too_large", f"the encoder's fingerprint {encoder!r} has more than {FINGERPRINT_BYTES} letters"
        )
    about = (description.edition, bytes.fromhex(source), encoder.encode("ascii"))
    heads = [_HEAD.pack(MARK, FORMAT, part, len(payloads), *about) for part in range(len(payloads))]
    return [
        (key_of(stored.track.track_id, part), head + _checksum(head, payload) + payload)
        for part, (head, payload) in enumerate(zip(heads, payloads, strict=True))
    ]


def parse(key: bytes | None, value: bytes) -> TrackPart:
    """What a record says.

    Raises:
        PoisonError: It cannot be read; codes `bad_key`, `wrong_format`, `torn`.
    """
    track_id, part = parse_key(key)
    begins = _HEAD.size + _CHECKSUM.size
    if len(value) < begins:
        raise PoisonError("torn", f"part {part} of track {track_id!r} has {len(value)} bytes: less than its head")
    mark, version, number, parts, edition, source, encoder = _HEAD.unpack_from(value)
    if mark != MARK or version != FORMAT:
        raise PoisonError(
            "wrong_format",
            f"part {part} of track {track_id!r} is of format {mark!r} {version}, this program reads {MARK!r} {FORMAT}:"
            " publish it again with this version, or bring the workers to the version that published it",
        )
    payload = value[begins:]
    if _checksum(value[: _HEAD.size], payload) != value[_HEAD.size : begins]:
        raise PoisonError("torn", f"part {part} of track {track_id!r} is not what was written: publish it again")
    if number != part or not part < parts <= MOST_PARTS:
        raise PoisonError("torn", f"part {part} of track {track_id!r} says that it is part {number} of {parts}")
    return TrackPart(
        track_id=track_id,
        part=part,
        parts=parts,
        edition=edition,
        source=source.hex(),
        encoder=encoder.rstrip(b"\0").decode("ascii", "replace"),
        payload=payload,
    )


def _checksum(head: bytes, payload: bytes) -> bytes:
    return _CHECKSUM.pack(xxhash.xxh3_64_intdigest(payload, seed=xxhash.xxh3_64_intdigest(head)))


def described(first: TrackPart) -> Description:
    """The description that a track's first part begins with.

    Raises:
        PoisonError: It is torn, or does not lie in the first part whole.
    """
    (length,) = _LENGTH.unpack_from(first.payload) if len(first.payload) >= _LENGTH.size else (MiB,)
    description = Description(text=first.payload[_LENGTH.size : _LENGTH.size + length])
    if first.part or description.edition != first.edition:
        raise PoisonError("torn", f"the description of track {first.track_id!r} is not what was written")
    return description


def decode(parts: Sequence[TrackPart], dimensions: int) -> NewTrack:
    """The track of all its parts, in order, arrays as views of their bytes.

    Args:
        parts: All of one edition.
        dimensions: Of an embedding.

    Raises:
        PoisonError: They are not what was written (code `torn`).
    """
    track_id = parts[0].track_id
    try:
        new = _assembled(parts, dimensions)
        checked_track(new, dimensions)
    except (KeyError, TypeError, ValueError, CatalogueError) as error:  # hashes agree, so somebody wrote it like that
        raise PoisonError("torn", f"track {track_id!r} is not as it has to be: {error}") from error
    return new


def _assembled(parts: Sequence[TrackPart], dimensions: int) -> NewTrack:
    description, track_id = described(parts[0]), parts[0].track_id
    body = b"".join(part.payload for part in parts)
    values, at = description.values, _LENGTH.size + len(description.text)
    tonal_rows, tonal_width = values["tonal"]
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("<f4", (values["embeddings"], dimensions)),
        ("<i8", (values["embeddings"],)),
        ("|u1", (values["sketch"], SKETCH_BINS)),
        ("<u4", (values["peaks"],)),
        ("|i1", (tonal_rows, tonal_width)),
    ]
    arrays: list[NDArray[Any]] = []
    for kind, shape in shapes:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if at + size > len(body):
            raise PoisonError("torn", f"track {track_id!r} ends within its arrays: publish it again")
        arrays.append(np.frombuffer(body[at : at + size], dtype=kind).reshape(shape).astype(kind[1:], copy=False))
        at += size
    embedding_ND, starts_N, sketch_nF, peaks_n, tonal_nV = arrays
    new = NewTrack(
        track_id=track_id,
        metadata={**values["extra"], **{name: values[name] for name in NAMES if values[name] is not None}},
        audio_hash=values["audio_hash"],
        duration_samples=values["duration_samples"],
        embedding_ND=embedding_ND,
        starts_N=starts_N,
        sketch_nF=sketch_nF,
        peaks_n=peaks_n,
        tonal_nV=tonal_nV,
    )
    hashes = (digest(starts_N), digest(embedding_ND), digest(sketch_nF, peaks_n, tonal_nV))
    if (
        at != len(body)
        or values["track_id"] != track_id
        or hashes != tuple(values[name] for name in ("starts_hash", "embedding_hash", "frame_hash"))
    ):
        raise PoisonError("torn", f"the arrays of track {track_id!r} are not what was written: publish it again")
    return new
