"""Whether an input that was read to its end was whole, and if not, what was wrong with it.

It knows nothing of decoding: it weighs what was counted, and looks at a few kilobytes at either end of a file for
formats whose decoder does not notice a cut.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stream_monitor.errors import DamagedError, EmptyInputError, InputError, NotAudioError, TruncatedError

_OGG_LARGEST_PAGE = 65_307
_OGG_HEADER = 27
_OGG_LAST_PAGE = 0x04
_ID3_HEADER = 10
_RIFF_HEADER = 12
_CHUNK_HEADER = 8


_EXACT_CONTAINERS = {"wav", "w64", "flac", "aiff", "au", "caf"}
"""Containers whose header counts the samples; the length in others may be off by a codec's delay or padding."""
_DECLARING_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf", "ape", "wv", "tta", "tak"}
_SLACK_S = 0.5
_TELLING_S = 0.001
"""Less is missing where FFmpeg takes the length from the size of a file that was cut: then the two say nothing."""
_TOLERATED_BAD_PACKETS = 0.01
"""Share of bad packets up to which an input counts as whole; old archives are full of files with one or two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was counted while an input was read."""

    name: str
    path: Path | None
    """Where it is a file."""
    container: str
    declared_s: float | None
    decoded_s: float
    packets: int
    bad_packets: int
    last_packet_bad: bool


def verdict(reading: Reading) -> InputError | None:
    """What was wrong with an input that has been read to its end; None where it was whole."""
    name = reading.name
    if reading.decoded_s == 0:
        if reading.bad_packets:
            return NotAudioError(f"{name}: none of its {reading.bad_packets} packets could be decoded")
        return EmptyInputError(f"{name}: holds no audio sample")
    least_s = _least_s(reading)
    missing_s = 0.0 if reading.declared_s is None else reading.declared_s - reading.decoded_s
    if least_s is not None and reading.decoded_s < least_s and missing_s >= _TELLING_S:
        return TruncatedError(
            f"{name}: truncated: {reading.decoded_s:.3f} s could be decoded, its header promises"
            f" {reading.declared_s:.3f} s"
        )
    cut = reading.path is not None and not ends_whole(reading.path, reading.container)
    if reading.last_packet_bad or cut or (least_s is not None and reading.decoded_s < least_s):
        return TruncatedError(f"{name}: truncated: it ends inside a frame, after {reading.decoded_s:.3f} s")
    if reading.bad_packets > _TOLERATED_BAD_PACKETS * reading.packets:
        return DamagedError(
            f"{name}: {reading.bad_packets} of {reading.packets} packets could not be decoded and were skipped"
        )
    return None


def _least_s(reading: Reading) -> float | None:
    """The least duration that a whole input of this format decodes to; None where it does not say."""
    declared_s, container = reading.declared_s, reading.container
    if declared_s is None:
        return None
    if container in _EXACT_CONTAINERS:
        return math.nextafter(declared_s, 0.0)
    declares = container in _DECLARING_CONTAINERS
    if declares or (reading.path is not None and holds_frame_count(reading.path, container)):
        return declared_s - _SLACK_S
    return None


def ends_whole(path: Path, container: str) -> bool:
    """Whether a WAV or Ogg file ends where it says it does; true for other containers, whose decoder notices."""
    if container == "wav":
        return _wav_ends_whole(path)
    if container == "ogg":
        return _ogg_ends_whole(path)
    return True


def _wav_ends_whole(path: Path) -> bool:
    """Whether the data chunk of a RIFF file fits into the file; a size of 0 or all ones is that of a live recording."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if file.read(4) != b"RIFF":
            return True
        place = _RIFF_HEADER
        while place + _CHUNK_HEADER <= size:
            file.seek(place)
            name, length = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"data":
                return length in (0, 0xFFFFFFFF) or place + _CHUNK_HEADER + length <= size
            place += _CHUNK_HEADER + length + length % 2
    return True


def _ogg_ends_whole(path: Path) -> bool:
    """Whether the last page is there, complete, and marked as the last."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _OGG_LARGEST_PAGE))
        tail = file.read()
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + _OGG_HEADER:
        return False
    lacing_end = start + _OGG_HEADER + tail[start + 26]
    complete = len(tail) >= lacing_end + sum(tail[start + _OGG_HEADER : lacing_end])
    return complete and bool(tail[start + 5] & _OGG_LAST_PAGE)


def holds_frame_count(path: Path, container: str) -> bool:
    """Whether an MP3 file's first frame says how many frames follow (Xing, Info or VBRI), so that a cut shows."""
    if container != "mp3":
        return False
    with path.open("rb") as file:
        file.seek(_id3_bytes(file))
        first = file.read(512)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


def _id3_bytes(file: BinaryIO) -> int:
    """Length of the ID3v2 tag at the start of an MP3 file; 0 where there is none."""
    head = file.read(_ID3_HEADER)
    if len(head) < _ID3_HEADER or not head.startswith(b"ID3"):
        return 0
    # Seven bits a byte.
    return _ID3_HEADER + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
