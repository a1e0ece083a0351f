"""Da-TACOS (Yesiler et al. 2019): the JSON of a subset's metadata. Opens no audio.

`{"W_163992": {"P_547131": {...}, ...}, ...}`: works, in each its performances, in each what is known about it, of which
nothing is needed here. Audio files are named after the performance.
"""

from __future__ import annotations

import json
from pathlib import Path

from encoder.errors import TrainingDataError
from encoder.training.lists.version_list import ListedVersion, Problem, VersionList, without_twins


def read_da_tacos(path: Path) -> VersionList:
    """The performances of a subset, in the file's order.

    Raises:
        TrainingDataError: The file cannot be read or holds no works.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TrainingDataError(f"cannot read {path}: {error}; it must be the metadata of a subset as JSON") from error
    if not isinstance(table, dict):
        raise TrainingDataError(f"{path} holds no works; it must be the metadata of a subset, works by identifier")
    versions, problems = [], []
    for work, performances in table.items():
        if isinstance(performances, dict) and performances:
            versions += [ListedVersion(clique=work, recording=name, keys=(name,)) for name in performances]
        else:
            problems.append(Problem(where=f"{path}: {work}", reason="the work has no performances"))
    once = without_twins(versions, str(path))
    return VersionList(versions=once.versions, problems=(*problems, *once.problems))
