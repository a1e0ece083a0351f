"""Carries out an enrolment plan: hears the files and puts them into a catalogue, one outcome for each.

It knows nothing of the command line. Each track is on disk before its outcome is given, so that an interruption loses
nothing that was reported and the same plan can be run again: a file whose path, size and time of change are those of
an enrolled one is not decoded again, any other is told by the hash of its samples.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from encoder.grid import SAMPLE_RATE
from index.catalogue import Catalogue
from index.errors import DuplicateTrack, InvalidEmbedding, InvalidTrack
from index.track import AlreadyEnrolled, Track
from stream_monitor.enrol import HeardFile, Listener, UnheardFile, new_track
from stream_monitor.metadata import EnrolmentPlan, PlannedTrack

SOURCE_PATH, SOURCE_BYTES, SOURCE_MTIME = "source.path", "source.bytes", "source.mtime_ns"
"""Columns that are added to a track's metadata, so that its file is known again without decoding."""

Status = Literal["added", "unchanged", "already", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one file of a plan."""

    path: Path
    track_id: str
    status: Status
    """`added`; `unchanged`: known by its path, size and time; `already`: the same audio is there; `failed`."""
    duration_s: float = 0.0
    reason: str | None = None
    """Why it failed, or which track has the same audio."""


def enrol(plan: EnrolmentPlan, catalogue: Catalogue, listener: Listener) -> Generator[Outcome, None, None]:
    """Yields the outcome of every file of the plan; of enrolled ones once they are on disk.

    Raises:
        CatalogueError: The catalogue cannot be written; what was reported as added is there.
        StoppedError: The listener was stopped.
    """
    for row, error in plan.missing:
        yield Outcome(path=row.path, track_id=row.track_id, status="failed", reason=str(error))
    known = {path: track for track in catalogue.tracks() if (path := track.extra.get(SOURCE_PATH)) is not None}
    work: dict[Path, PlannedTrack] = {}
    for planned in plan.tracks:
        fingerprint = file_fingerprint(planned.path)
        if is_unchanged(planned.track_id, fingerprint, known.get(fingerprint.get(SOURCE_PATH, ""))):
            yield Outcome(path=planned.path, track_id=planned.track_id, status="unchanged")
        else:
            work[planned.path] = planned
    with closing(listener.hear(list(work))) as heard_files:
        for heard in heard_files:
            yield _put(work[heard.path], heard, catalogue)


def file_fingerprint(path: Path) -> dict[str, str]:
    """The columns that tell a file apart without reading it; empty where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return {}
    return {
        SOURCE_PATH: str(path.resolve()),
        SOURCE_BYTES: str(status.st_size),
        SOURCE_MTIME: str(status.st_mtime_ns),
    }


def is_unchanged(track_id: str, fingerprint: Mapping[str, str], track: Track | None) -> bool:
    """Whether `track` was made from this very file, under this id."""
    if track is None or not fingerprint or track.track_id != track_id:
        return False
    return all(track.extra.get(column) == value for column, value in fingerprint.items())


def _put(planned: PlannedTrack, heard: HeardFile | UnheardFile, catalogue: Catalogue) -> Outcome:
    if isinstance(heard, UnheardFile) or heard.problem is not None:
        return Outcome(path=planned.path, track_id=planned.track_id, status="failed", reason=str(heard.problem))
    duration_s = heard.duration_samples / SAMPLE_RATE
    metadata = {**planned.metadata, **file_fingerprint(planned.path)}
    try:
        result = catalogue.add(new_track(heard, planned.track_id, metadata))
    except (DuplicateTrack, InvalidTrack, InvalidEmbedding) as error:
        return Outcome(path=planned.path, track_id=planned.track_id, status="failed", reason=f"{planned.path}: {error}")
    if isinstance(result, AlreadyEnrolled):
        return Outcome(
            path=planned.path,
            track_id=planned.track_id,
            status="already",
            duration_s=duration_s,
            reason=f"the same audio is enrolled as {result.track.track_id!r}",
        )
    return Outcome(path=planned.path, track_id=planned.track_id, status="added", duration_s=duration_s)
