"""Covers80 (Ellis and Cotton 2007): `list1.list` and `list2.list` of covers32k. Opens no audio.

A line is a path without suffix, `Work_Title/artist+album+number-title`; its folder is the work. Line n of one list is a
cover of line n of the other, which the folder says already.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from encoder.training.lists.audio_files import SUFFIXES
from encoder.training.lists.version_list import ListedVersion, Problem, VersionList, read_lines, without_twins


def read_covers80(paths: Sequence[Path]) -> VersionList:
    """The recordings of the lists, in their order.

    Raises:
        TrainingDataError: A list cannot be read.
    """
    versions, problems = [], []
    for path in paths:
        for number, line in enumerate(read_lines(path), 1):
            name = line.strip()
            if not name:
                continue
            place = PurePosixPath(name)
            if place.suffix.lower() in SUFFIXES:
                place = place.with_suffix("")
            if len(place.parts) != 2 or place.is_absolute():
                problems.append(Problem(where=f"{path}:{number}", reason=f"not a work and a recording: {name[:60]!r}"))
                continue
            versions.append(ListedVersion(clique=place.parts[0], recording=place.name, keys=(str(place), place.name)))
    once = without_twins(versions, ", ".join(str(path) for path in paths))
    return VersionList(versions=once.versions, problems=(*problems, *once.problems))
