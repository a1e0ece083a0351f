"""Turns a published list into a CSV of versions: `python -m encoder.training.lists shs100k|da-tacos|covers80 --help`.

The CSV (clique_id, recording_id, path) holds what audio there is. What is missing or malformed is told on stderr and
listed in full in `<output>.problems.csv`. Exit code 0: all is there; 1: something is missing, the CSV holds the rest;
2: nothing could be used, nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from encoder.errors import TrainingDataError
from encoder.training.csv_file import write_csv
from encoder.training.lists.audio_files import AudioFiles
from encoder.training.lists.covers80 import read_covers80
from encoder.training.lists.da_tacos import read_da_tacos
from encoder.training.lists.shs100k import read_shs100k
from encoder.training.lists.version_list import COLUMNS, Problem, VersionList

SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    output: Path = options.output
    try:
        listed = _read(options)
        files = AudioFiles(options.audio)
        rows, missing = _located(listed, files)
        problems = (*listed.problems, *missing)
        if not rows:
            why = f"; first of {len(problems)} problems: {problems[0].where}: {problems[0].reason}" if problems else ""
            raise TrainingDataError(f"no recording of the list has audio below {files.folder}{why}")
        write_csv(output, COLUMNS, rows)
        _write_problems(output.with_name(f"{output.name}.problems.csv"), problems)
    except (TrainingDataError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    works = len({clique for clique, _, _ in rows})
    sys.stderr.write(f"{output}: {len(rows)} of {len(listed.versions)} recordings, {works} works\n")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m encoder.training.lists",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = parser.add_subparsers(dest="format", required=True)
    shs100k = formats.add_parser("shs100k", help="SHS100K: list, and a part of it")
    shs100k.add_argument("--list", type=Path, required=True, help="the file `list`")
    shs100k.add_argument("--part", type=Path, help="SHS100K-TRAIN, -VAL or -TEST; all of the list without it")
    da_tacos = formats.add_parser("da-tacos", help="Da-TACOS: the metadata of a subset")
    da_tacos.add_argument("--metadata", type=Path, required=True, help="e.g. da-tacos_benchmark_subset_metadata.json")
    covers80 = formats.add_parser("covers80", help="Covers80: list1.list and list2.list")
    covers80.add_argument("--list", type=Path, required=True, action="append", help="may be given several times")
    for each in (shs100k, da_tacos, covers80):
        each.add_argument("--audio", type=Path, required=True, help="folder of the audio, with folders in it or not")
        each.add_argument("--output", type=Path, required=True, help="the CSV to write")
    return parser


def _read(options: argparse.Namespace) -> VersionList:
    if options.format == "shs100k":
        return read_shs100k(options.list, options.part)
    if options.format == "da-tacos":
        return read_da_tacos(options.metadata)
    return read_covers80(options.list)


def _located(listed: VersionList, files: AudioFiles) -> tuple[list[tuple[str, str, str]], list[Problem]]:
    """Rows of the CSV, and recordings without audio."""
    rows, missing = [], []
    for version in listed.versions:
        try:
            rows.append((version.clique, version.recording, str(files.find(version.keys))))
        except TrainingDataError as error:
            missing.append(Problem(where=version.recording, reason=str(error)))
    return rows, missing


def _write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Names the first on stderr and all in the file; no file where there are none."""
    if not problems:
        path.unlink(missing_ok=True)
        return
    for problem in problems[:SHOWN]:
        sys.stderr.write(f"{problem.where}: {problem.reason}\n")
    if len(problems) > SHOWN:
        sys.stderr.write(f"... and {len(problems) - SHOWN} more in {path}\n")
    write_csv(path, ("where", "reason"), [(problem.where, problem.reason) for problem in problems])


if __name__ == "__main__":
    sys.exit(main())
