"""The metadata CSV, and the plan of an enrolment: which file becomes which track, with which metadata.

It knows nothing of audio or of catalogues. Everything that is wrong with the plan as a whole is found here, before
any work is done; of a CSV of many rows, some missing files are no such fault and are handed back instead.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stream_monitor.errors import CannotOpenError, DuplicateIdError, MetadataError
from stream_monitor.sources import audio_files

TRACK_ID = "track_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataRow:
    """One row of the CSV."""

    line: int
    track_id: str
    path: Path
    """Absolute; the CSV's own path is relative to the CSV's folder."""
    columns: Mapping[str, str]
    """Every column but the identifier and `path`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTrack:
    """A file that is to become a track."""

    path: Path
    track_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnrolmentPlan:
    """What is to be enrolled, and what of the CSV cannot be."""

    tracks: tuple[PlannedTrack, ...]
    missing: tuple[tuple[MetadataRow, CannotOpenError], ...]
    """Rows whose file is not there."""
    rows_elsewhere: int
    """Rows whose file is there but is not among the paths that were named."""


def read_metadata(csv_path: Path, *, identifier: str = TRACK_ID, required: Sequence[str] = ()) -> list[MetadataRow]:
    """Reads a metadata CSV (UTF-8, comma-separated, with a header).

    Args:
        csv_path: The file.
        identifier: The column that names a row; no two rows have one name.
        required: Columns that must be there beside that and `path`.

    Raises:
        MetadataError: It cannot be read, lacks a required column, has a broken row, or one id twice.
    """
    try:
        text = csv_path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MetadataError(f"{csv_path}: no such file") from error
    except OSError as error:
        raise MetadataError(f"{csv_path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MetadataError(f"{csv_path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        _check_header(csv_path, columns, (identifier, "path", *required))
        reader.fieldnames = columns
        rows = list(_rows(csv_path, reader, identifier))
    except csv.Error as error:
        raise MetadataError(f"{csv_path}, line {reader.line_num}: is no CSV: {error}") from error
    if not rows:
        raise MetadataError(f"{csv_path}: holds no row")
    return rows


def plan_enrolment(paths: Sequence[Path], csv_path: Path | None) -> EnrolmentPlan:
    """Plans what becomes which track.

    Args:
        paths: Files and folders; with a CSV there may be none, which means every row of it.
        csv_path: The metadata; files that it does not name are called by their stems.

    Raises:
        MetadataError: The CSV is wrong, or none of its files is there.
        DuplicateIdError: Two files would get one track_id.
        SourceError: A folder without audio.
        CannotOpenError: A folder cannot be listed.
    """
    rows = read_metadata(csv_path) if csv_path is not None else []
    missing = tuple((row, _missing(row, csv_path)) for row in rows if not row.path.exists())
    if rows and len(missing) == len(rows):
        raise MetadataError(f"{csv_path}: none of its {len(rows)} files is there; the first is {rows[0].path}")
    present = {row.path: row for row in rows if row.path.exists()}
    files = audio_files(paths) if paths else list(present)
    tracks = tuple(_planned(file, present.get(file.resolve())) for file in files)
    _refuse_equal_ids(tracks)
    named = {file.resolve() for file in files}
    return EnrolmentPlan(
        tracks=tracks, missing=missing, rows_elsewhere=sum(row.path not in named for row in present.values())
    )


def _check_header(csv_path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    lacking = [name for name in required if name not in columns]
    if lacking:
        found = ", ".join(columns) or "none"
        raise MetadataError(f"{csv_path}: lacks the column {' and '.join(lacking)}; its columns are {found}")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise MetadataError(f"{csv_path}: has the column {twice[0]!r} twice")


def _rows(csv_path: Path, reader: csv.DictReader[str], identifier: str) -> Iterator[MetadataRow]:
    line_of: dict[str, int] = {}
    line_of_file: dict[Path, int] = {}
    for cells in reader:
        line = reader.line_num
        # DictReader files surplus cells under None, and fills missing ones with None.
        if None in cells or None in cells.values():
            raise MetadataError(f"{csv_path}, line {line}: has more or fewer cells than the header")
        track_id, path = cells.pop(identifier).strip(), cells.pop("path").strip()
        if not track_id or not path:
            raise MetadataError(f"{csv_path}, line {line}: {identifier} or path is blank")
        if track_id in line_of:
            raise MetadataError(
                f"{csv_path}: lines {line_of[track_id]} and {line} have the same {identifier} {track_id!r}"
            )
        file = (csv_path.parent / path).resolve()
        if file in line_of_file:
            raise MetadataError(f"{csv_path}: lines {line_of_file[file]} and {line} name the same file {path!r}")
        line_of[track_id] = line_of_file[file] = line
        yield MetadataRow(line=line, track_id=track_id, path=file, columns=cells)


def _missing(row: MetadataRow, csv_path: Path | None) -> CannotOpenError:
    return CannotOpenError(f"{row.path}: no such file ({csv_path}, line {row.line}, track {row.track_id!r})")


def _planned(file: Path, row: MetadataRow | None) -> PlannedTrack:
    if row is None:
        return PlannedTrack(path=file, track_id=file.stem)
    return PlannedTrack(path=file, track_id=row.track_id, metadata=row.columns)


def _refuse_equal_ids(tracks: Sequence[PlannedTrack]) -> None:
    seen: dict[str, Path] = {}
    for track in tracks:
        if track.track_id in seen:
            raise DuplicateIdError(
                f"{seen[track.track_id]} and {track.path} would both become track {track.track_id!r};"
                " rename one, or give ids by --metadata"
            )
        seen[track.track_id] = track.path
