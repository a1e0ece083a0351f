"""`python -m tests.chaos`: the long failure tests, as JSON lines; where asked for, the table in the documentation.

python -m tests.chaos [--case NAME ...] [--scale small|full] [--seed N] [--streams 40] [--output FILE]
python -m tests.chaos --table FILE ...     # puts these results into the table; other rows stay
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from stream_monitor.bench.machine import describe
from stream_monitor.cli.logging import quiet_logging
from tests.chaos.case import FULL, SMALL
from tests.chaos.cases import CASES
from tests.chaos.running import run_cases
from tests.chaos.table import write_table
from tests.chaos.world import make_world


def main() -> int:
    """Runs the cases; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--case", action="append", choices=list(CASES), dest="cases")
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--table", type=Path, nargs="+")
    options = parser.parse_args()
    if options.table:
        write_table(options.table, CASES)
        return 0
    quiet_logging()
    machine = describe(2, " ".join(["python", "-m", "tests.chaos", *sys.argv[1:]]))
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-chaos.jsonl"
    bad = 0
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL is another user than root
        world = make_world(Path(folder), streams=options.streams, seed=options.seed)
        for result in run_cases(
            options.cases or list(CASES), world, Path(folder), scale=FULL if options.scale == "full" else SMALL,
            seed=options.seed,
        ):  # fmt: skip
            bad += not result["good"]
            line = json.dumps(
                {**result, "date": machine["date"], "revision": machine["revision"], "cpu": machine["cpu"]}
            )
            with path.open("a", encoding="utf-8") as sink:
                sink.write(line + "\n")
            sys.stderr.write(line + "\n")
    sys.stderr.write(f"put them into the table: python -m tests.chaos --table {path}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
