"""The split by work, as committed in ``data/split.csv``: which works train, validate, test, or belong to the demo.

Reads only; `make_split.py` wrote the file once, before any training. Works of one group (the same melody) are in one
part. Knows nothing of notes.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from encoder.errors import TrainingDataError

SPLIT_FILE = Path(__file__).parent / "data" / "split.csv"
PARTS = ("train", "validation", "test", "demo")

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Where one work belongs: its `group` of works with the same melody, and the `part` of all of them."""

    work_id: str
    group: str
    part: str


@lru_cache(maxsize=1)
def load_split() -> dict[str, Assignment]:
    """Assignment of every work, by work_id, in the file's order.

    Raises:
        TrainingDataError: If the file is missing or a row is not of the form work_id,group,part.
    """
    if not SPLIT_FILE.is_file():
        raise TrainingDataError(f"{SPLIT_FILE} is missing: install the package again")
    assignments: dict[str, Assignment] = {}
    with SPLIT_FILE.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            part = row.get("part")
            if part not in PARTS:
                raise TrainingDataError(f"{SPLIT_FILE.name} line {number}: part {part!r}, not one of {PARTS}")
            assignments[row["work_id"]] = Assignment(work_id=row["work_id"], group=row["group"], part=part)
    return assignments


def works(part: str) -> list[str]:
    """Names of the works of a part, in the file's order.

    Raises:
        TrainingDataError: If there is no such part.
    """
    if part not in PARTS:
        raise TrainingDataError(f"no part named {part!r}; there are {', '.join(PARTS)}")
    return [work_id for work_id, assignment in load_split().items() if assignment.part == part]


def part_of(work_id: str) -> str:
    """Part of a work.

    Raises:
        TrainingDataError: If the work is not in the split.
    """
    return _assignment(work_id).part


def group_of(work_id: str) -> str:
    """Name that all works with this one's melody share: one tune may stand in several books.

    Raises:
        TrainingDataError: If the work is not in the split.
    """
    return _assignment(work_id).group


def _assignment(work_id: str) -> Assignment:
    assignment = load_split().get(work_id)
    if assignment is None:
        raise TrainingDataError(f"work {work_id!r} is in no part of the split")
    return assignment


def evenly_spread(items: Sequence[Item], count: int) -> list[Item]:
    """So many of the items, evenly spread over them; all of them where there are not more."""
    kept = min(count, len(items))
    return [items[index * len(items) // kept] for index in range(kept)]
