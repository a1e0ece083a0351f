"""Errors of the index package. Knows nothing of the command line that prints them.

    CatalogueError
    ├── InvalidEmbedding        an array has the wrong shape, type or length
    ├── InvalidTrack            a field of a recording is missing or wrong
    ├── DuplicateTrack          a key, or a track id with other audio, is there already
    ├── UnknownTrack            a key or a track id is not there
    ├── IndexBusy               another thread held the index past the deadline (retriable)
    ├── IndexClosed             the index or catalogue was closed before the call
    ├── CatalogueMissing        no catalogue at the path
    ├── CatalogueExists         a catalogue is at the path already
    ├── CatalogueFormat         written by another version of the format
    ├── EncoderMismatch         written with another encoder
    ├── CatalogueLocked         another process is writing (retriable)
    ├── CatalogueReadOnly       opened for reading, or the folder cannot be written
    ├── CatalogueStorage        the disk is full or failed (retriable)
    └── CatalogueCorrupt        what is on disk is not what was written

``retriable`` says whether the same call may succeed later without anybody mending anything in the program.
"""

# ruff: noqa: N818 - the names say what happened, as KeyboardInterrupt does; the root ends in Error

from __future__ import annotations

from typing import ClassVar


class CatalogueError(Exception):
    """Root of the package's errors; the message is one line that says what to do."""

    retriable: ClassVar[bool] = False


class InvalidEmbedding(CatalogueError):
    """An array has the wrong shape, type or length."""


class InvalidTrack(CatalogueError):
    """A field of a recording is missing or wrong."""


class DuplicateTrack(CatalogueError):
    """A key, or a track id with other audio, is there already."""


class UnknownTrack(CatalogueError):
    """A key or a track id is not there."""


class IndexBusy(CatalogueError):
    """Another thread held the index past the deadline."""

    retriable: ClassVar[bool] = True


class IndexClosed(CatalogueError):
    """The index or catalogue was closed before the call."""


class CatalogueMissing(CatalogueError):
    """No catalogue at the path."""


class CatalogueExists(CatalogueError):
    """A catalogue is at the path already."""


class CatalogueFormat(CatalogueError):
    """Written by another version of the format."""


class EncoderMismatch(CatalogueError):
    """Written with another encoder: similarities would mean nothing."""


class CatalogueLocked(CatalogueError):
    """Another process is writing to the catalogue."""

    retriable: ClassVar[bool] = True


class CatalogueReadOnly(CatalogueError):
    """Opened for reading, or the folder cannot be written."""


class CatalogueStorage(CatalogueError):
    """The disk is full or failed; nothing that was there before is lost."""

    retriable: ClassVar[bool] = True


class CatalogueCorrupt(CatalogueError):
    """What is on disk is not what was written."""
