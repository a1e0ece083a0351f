"""What every list's format is read into, and the columns of its CSV. Knows no format and no audio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from encoder.errors import TrainingDataError

COLUMNS = ("clique_id", "recording_id", "path")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedVersion:
    """A recording that a list names.

    Attributes:
        clique: The work.
        recording: The recording, alone under this name in the list.
        keys: Names that its audio file may have, without suffix, likeliest first.
    """

    clique: str
    recording: str
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A line or recording that cannot be used, and why."""

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionList:
    """A list as read."""

    versions: tuple[ListedVersion, ...]
    problems: tuple[Problem, ...] = ()


def read_lines(path: Path) -> list[str]:
    """Lines of a text file in UTF-8, with or without a byte order mark.

    Raises:
        TrainingDataError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"cannot read {path}: {error}; it must be a text file in UTF-8") from error


def without_twins(versions: Iterable[ListedVersion], where: str) -> VersionList:
    """The versions, each named once; further ones of a name are problems."""
    kept: dict[str, ListedVersion] = {}
    problems = []
    for version in versions:
        if version.recording in kept:
            problems.append(
                Problem(where=where, reason=f"{version.recording} stands in the list twice; the first counts")
            )
        else:
            kept[version.recording] = version
    return VersionList(versions=tuple(kept.values()), problems=tuple(problems))
