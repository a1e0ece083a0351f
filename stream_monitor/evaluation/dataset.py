"""A version dataset: a CSV of recordings and of the works (cliques) that they are versions of. It opens no audio."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from encoder.training.split import evenly_spread
from stream_monitor.errors import SettingsError
from stream_monitor.metadata import read_metadata


class DatasetError(SettingsError):
    """The dataset cannot be evaluated on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One recording of a work."""

    clique_id: str
    recording_id: str
    path: Path
    subset: str = ""
    """Part of the dataset that is also scored apart; may be empty."""


def read_dataset(csv_path: Path, works: int | None = None) -> list[Version]:
    """Reads a list in which something can be found: `read_versions`, and some work has two recordings.

    Args:
        csv_path: The list.
        works: Only so many cliques, evenly spread over the list; None for all.

    Raises:
        MetadataError, DatasetError: As `read_versions`.
        DatasetError: No work has two recordings.
    """
    versions = read_versions(csv_path)
    if works is not None:
        kept = set(evenly_spread(list(dict.fromkeys(version.clique_id for version in versions)), works))
        versions = [version for version in versions if version.clique_id in kept]
    check_answers(versions, str(csv_path))
    return versions


def read_versions(csv_path: Path) -> list[Version]:
    """Reads a CSV with the columns `clique_id`, `recording_id` and `path` (relative to the CSV).

    A column `subset` names parts that are also scored apart; other columns are ignored.

    Raises:
        MetadataError: It cannot be read, lacks a column, has a broken row or one recording twice.
        DatasetError: A clique is not named.
    """
    versions = [
        Version(
            clique_id=row.columns["clique_id"].strip(),
            recording_id=row.track_id,
            path=row.path,
            subset=row.columns.get("subset", "").strip(),
        )
        for row in read_metadata(csv_path, identifier="recording_id", required=["clique_id"])
    ]
    unnamed = next((version for version in versions if not version.clique_id), None)
    if unnamed is not None:
        raise DatasetError(f"{csv_path}: recording {unnamed.recording_id!r} has no clique_id")
    return versions


def check_answers(versions: list[Version], name: str) -> None:
    """Raises a DatasetError where no work has two recordings: no query would have an answer."""
    if max(Counter(version.clique_id for version in versions).values(), default=0) < 2:
        raise DatasetError(f"{name}: no clique_id has two recordings that can be heard, so there is nothing to find")
