"""The table of results: rows are merged by case."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.table import BEGIN, END, write_table


def _line(case: str, seconds: int) -> str:
    result = {"case": case, "good": True, "scale": "full", "seed": 1, "proof": {"kills": 2}, "seconds": seconds}
    return json.dumps({**result, "revision": "abc", "date": "2026-11-25T10:00:00"}) + "\n"


def test_results_of_one_case_leave_the_rows_of_others(tmp_path: Path) -> None:
    """A row is replaced by a newer result of its case, others stay, and those of cases that are no more go."""
    page, results = tmp_path / "page.md", tmp_path / "results.jsonl"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    results.write_text(_line("second", 1) + _line("first", 2) + _line("no more", 3))
    write_table([results], ("first", "second", "no more"), page)
    results.write_text(_line("second", 4))
    write_table([results], ("first", "second"), page)
    lines = page.read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == ["| case", "| first", "| second"]
    assert [line.split(" | ")[3] for line in lines if line.startswith("| ")] == ["seconds", "2", "4"]
    assert (lines[0], lines[-1]) == ("before", "after")
