"""The SOURCEs of a command line, `[ID=]SOURCE`, as named sources: files, folders, addresses and standard input.

It knows nothing of decoding: nothing is opened here, only names and folders are looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from stream_monitor.errors import CannotOpenError, DuplicateIdError, SourceError
from stream_monitor.segments import SEGMENT_SAMPLES, StreamKey, StreamKind, is_stream_id

# fmt: off
AUDIO_SUFFIXES = frozenset(
    {
        ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf", ".dff", ".dsf",
        ".eac3", ".flac", ".flv", ".m2ts", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp1", ".mp2", ".mp3",
        ".mp4", ".mpc", ".mpeg", ".mpg", ".mts", ".oga", ".ogg", ".ogv", ".opus", ".ra", ".snd", ".spx", ".tak",
        ".ts", ".tta", ".w64", ".wav", ".webm", ".wma", ".wmv", ".wv",
    }
)
# fmt: on
"""Suffixes of what is taken from a folder; a file that is named itself may have any."""

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_ID = re.compile(r"^(?P<id>[^/=\s][^/=]*)=(?P<source>.+)$", re.DOTALL)
_URL_SCHEMES = ("http", "https")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One stream that can be read."""

    stream_id: str
    kind: StreamKind
    medium: Literal["file", "url", "stdin"]
    location: str
    """The path, the address, or `-`."""
    segment_samples: int = SEGMENT_SAMPLES
    """What its audio is cut into, at 22,050 Hz."""

    def stream(self, epoch: int = 0) -> StreamKey:
        """The key of one epoch of this source."""
        return StreamKey(kind=self.kind, stream_id=self.stream_id, epoch=epoch)


def parse_sources(texts: Sequence[str], *, kind: StreamKind | None = None) -> list[Source]:
    """Sources of a command line, in its order; a folder stands for its audio files, by path.

    Args:
        texts: Each `SOURCE` or `ID=SOURCE`. An existing path wins over a reading as `ID=SOURCE`.
        kind: What all of them are; None makes addresses and standard input broadcasts and files uploads.

    Raises:
        SourceError: An empty text, an address of another scheme than HTTP, a folder without audio, an ID for a folder
            of several files, one that no stream can have, or standard input twice.
        DuplicateIdError: Two sources with one ID.
    """
    sources = [source for text in texts for source in _parse_one(text, kind)]
    check_sources(sources)
    return sources


def check_sources(sources: Sequence[Source]) -> None:
    """Whether they can be read together.

    Raises:
        SourceError: Standard input is named twice, or an ID cannot be a stream's.
        DuplicateIdError: Two sources with one ID.
    """
    if sum(source.medium == "stdin" for source in sources) > 1:
        raise SourceError("standard input (-) can be read only once; it is named several times")
    seen: dict[str, str] = {}
    for source in sources:
        if not is_stream_id(source.stream_id):
            raise SourceError(
                f"{source.location!r} cannot have the ID {source.stream_id!r}: 1 to 256 characters of UTF-8, no control"
                " characters; give it another as ID=SOURCE"
            )
        if source.stream_id in seen:
            raise DuplicateIdError(
                f"two sources have the ID {source.stream_id!r}: {seen[source.stream_id]} and {source.location};"
                " give one of them another as ID=SOURCE"
            )
        seen[source.stream_id] = source.location


def audio_files(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and the audio files of its folders (recursive, hidden ones left out), each once.

    Raises:
        SourceError: A folder holds no audio file.
        CannotOpenError: A folder cannot be listed.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_files_of_folder(path)))
        else:
            found[path] = None
    return list(found)


def _files_of_folder(folder: Path) -> list[Path]:
    files: list[Path] = []

    def refuse(error: OSError) -> None:
        raise CannotOpenError(f"{error.filename}: the folder cannot be listed: {error.strerror}") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [
            Path(parent) / name
            for name in sorted(names)
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES
        ]
    if not files:
        raise SourceError(f"{folder}: the folder holds no audio file")
    return files


def _parse_one(text: str, kind: StreamKind | None) -> list[Source]:
    if not text:
        raise SourceError("a SOURCE is empty")
    named = _ID.match(text)
    if named and not Path(text).exists():
        return sources_at(named["source"], stream_id=named["id"], kind=kind)
    return sources_at(text, kind=kind)


def sources_at(text: str, *, stream_id: str | None = None, kind: StreamKind | None = None) -> list[Source]:
    """What an address, a path or `-` stands for.

    Args:
        text: The SOURCE without an ID.
        stream_id: Its ID; None takes the stem.
        kind: As for `parse_sources`.

    Raises:
        SourceError: As `parse_sources`.
        CannotOpenError: A folder cannot be listed.
    """
    if text == "-":
        return [Source(stream_id=stream_id or "stdin", kind=kind or "broadcast", medium="stdin", location="-")]
    if _URL.match(text):
        return [_url_source(text, stream_id, kind)]
    files = audio_files([Path(text)])
    if stream_id is not None and len(files) > 1:
        raise SourceError(f"{text}: the folder holds {len(files)} files, which cannot share the ID {stream_id!r}")
    return [
        Source(stream_id=stream_id or file.stem, kind=kind or "upload", medium="file", location=str(file))
        for file in files
    ]


def _url_source(url: str, stream_id: str | None, kind: StreamKind | None) -> Source:
    parts = urlsplit(url)
    if parts.scheme.lower() not in _URL_SCHEMES or not parts.hostname:
        raise SourceError(f"{url}: only http:// and https:// addresses (files, Icecast, HLS) can be read")
    stem = Path(unquote(parts.path)).stem
    return Source(stream_id=stream_id or stem or parts.hostname, kind=kind or "broadcast", medium="url", location=url)
