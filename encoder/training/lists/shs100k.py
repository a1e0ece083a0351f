"""SHS100K (Xu et al. 2018) and SHS100K2: `list`, and the parts SHS100K-TRAIN, -VAL and -TEST. Opens no audio.

`list` has a recording a line, six columns between tabs: set_id, ver_id, title, performer, URL, status. A part has the
first two columns only. The audio is fetched by its users, so a file may be named `{set_id}_{ver_id}`,
`{set_id}-{ver_id}` or after the video.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from encoder.training.lists.version_list import ListedVersion, Problem, VersionList, read_lines, without_twins

COLUMNS = 5
"""Columns that are needed; the sixth, the status, says whether the video was there in 2018."""


def read_shs100k(list_path: Path, part_path: Path | None = None) -> VersionList:
    """The list's recordings, or those of a part, in that file's order.

    Raises:
        TrainingDataError: A file cannot be read.
    """
    versions, problems = [], []
    for number, line in enumerate(read_lines(list_path), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < COLUMNS or not cells[0].isdigit() or not cells[1].isdigit():
            reason = f"not set_id, ver_id, title, performer, URL and status between tabs: {line[:60]!r}"
            problems.append(Problem(where=f"{list_path}:{number}", reason=reason))
            continue
        versions.append(_version(cells[0], cells[1], cells[4]))
    listed = without_twins(versions, str(list_path))
    problems.extend(listed.problems)
    if part_path is None:
        return VersionList(versions=listed.versions, problems=tuple(problems))
    part = _part(part_path, {version.recording: version for version in listed.versions})
    return VersionList(versions=part.versions, problems=(*problems, *part.problems))


def video_of(url: str) -> str | None:
    """Identifier of a YouTube video; None where the address has none."""
    parts = urlsplit(url)
    named = parse_qs(parts.query).get("v", [])
    if named:
        return named[0]
    last = parts.path.rsplit("/", 1)[-1]
    return last if parts.netloc.endswith("youtu.be") and last else None


def _version(work: str, number: str, url: str) -> ListedVersion:
    video = video_of(url)
    keys = (f"{work}_{number}", f"{work}-{number}", *((video,) if video else ()))
    return ListedVersion(clique=work, recording=f"{work}_{number}", keys=keys)


def _part(path: Path, listed: Mapping[str, ListedVersion]) -> VersionList:
    versions, problems = [], []
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != 2 or not all(cell.isdigit() for cell in cells):
            problems.append(Problem(where=f"{path}:{number}", reason=f"not set_id and ver_id: {line[:60]!r}"))
        elif "_".join(cells) not in listed:
            problems.append(Problem(where=f"{path}:{number}", reason=f"{'_'.join(cells)} is not in the list"))
        else:
            versions.append(listed["_".join(cells)])
    once = without_twins(versions, str(path))
    return VersionList(versions=once.versions, problems=(*problems, *once.problems))
