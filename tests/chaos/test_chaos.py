"""The short form of the failure tests: one small world, four cases; `make chaos` runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.case import SMALL
from tests.chaos.namespace import Namespace
from tests.chaos.running import run_cases
from tests.chaos.world import make_world
from tests.stack.kafka import jars
from tests.stack.needed import or_skipped

CASES = ("zombie", "links reset", "poison", "log begins later")


@pytest.mark.timeout(900)
def test_workers_links_and_records_break_and_the_events_are_those_of_a_quiet_run(tmp_path: Path) -> None:
    """A worker that sleeps past its session while another takes over, a proxy that resets every link, records that no
    worker can read, and a log that begins later than the workers need."""
    with or_skipped():
        jars()
        Namespace().close()
    world = make_world(tmp_path, streams=10, seed=3)
    results = list(run_cases(CASES, world, tmp_path, scale=SMALL, seed=3))
    assert [result["case"] for result in results if not result["good"]] == [], results
