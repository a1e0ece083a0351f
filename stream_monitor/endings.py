"""Whether a file ends as its format says it must, for formats whose decoder does not notice.

It knows nothing of decoding: it looks at a few kilobytes at either end of a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_OGG_LARGEST_PAGE = 65_307
_OGG_HEADER = 27
_OGG_LAST_PAGE = 0x04
_ID3_HEADER = 10
_RIFF_HEADER = 12
_CHUNK_HEADER = 8


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
