"""Makes the public benchmark: `python -m encoder.training.benchmark FOLDER`. Files that are there stay as they are.

Writes FOLDER/arrangements.csv and FOLDER/variants.csv, which `stream-monitor evaluate --dataset` takes, and the audio
beside them. It knows nothing of how recordings are made.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from encoder.errors import EncoderError
from encoder.training.benchmark.recordings import LADDER, Take, disguise_of, make
from encoder.training.benchmark.works import BenchmarkWork, arranged_works, variant_works
from encoder.training.csv_file import write_csv
from encoder.training.split import evenly_spread

COLUMNS = ("clique_id", "recording_id", "path", "subset", "arrangement", "disguise", "description")
SETS = ("arrangements", "variants")
Item = TypeVar("Item")


def takes_of(name: str, share: float, seed: int) -> list[tuple[BenchmarkWork, Take]]:
    """The recordings of a set: four arrangements of each work, or each variant once, in a mild arrangement."""
    if name == "arrangements":
        works = _share(arranged_works(), share)
        return [
            (work, Take(work_id=work.work_id, number=number, seed=seed))
            for work in works
            for number in range(len(LADDER))
        ]
    works = variant_works()
    cliques = set(_share(sorted({work.clique for work in works}), share))
    kept = [work for work in works if work.clique in cliques]
    return [(work, Take(work_id=work.work_id, number=0, seed=seed, plain_structure=True)) for work in kept]


def make_set(name: str, folder: Path, *, share: float, seed: int, processes: int) -> int:
    """Makes a set's recordings and its list; returns how many there are."""
    audio = folder / name
    audio.mkdir(parents=True, exist_ok=True)
    takes = takes_of(name, share, seed)
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        made = pool.map(partial(make, folder=audio), [take for _, take in takes])
        for done, ((work, take), (path, description)) in enumerate(zip(takes, made, strict=True), 1):
            rows.append(
                (work.clique, path.stem, f"{name}/{path.name}", work.subset, take.number,
                 disguise_of(take).description, description)
            )  # fmt: skip
            if done % 20 == 0 or done == len(takes):
                sys.stderr.write(f"{name}: {done} of {len(takes)}\n")
    write_csv(folder / f"{name}.csv", COLUMNS, rows)
    return len(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m encoder.training.benchmark", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the audio and the lists go; about 2.5 GB")
    parser.add_argument("--set", choices=SETS, action="append", dest="sets", help="only this one; may be given twice")
    parser.add_argument("--works", type=float, default=1.0, help="share of the works, for a quick try")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives another benchmark")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    if not 0 < options.works <= 1 or options.processes < 1:
        parser.error("--works lies above 0 and up to 1, --processes is 1 or more")
    try:
        for name in options.sets or SETS:
            make_set(name, options.folder, share=options.works, seed=options.seed, processes=options.processes)
    except (EncoderError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _share(items: Sequence[Item], share: float) -> list[Item]:
    """Evenly spread items."""
    return evenly_spread(items, max(1, round(share * len(items))))


if __name__ == "__main__":
    sys.exit(main())
