"""Results of cases as the table in docs/reliability.md. It runs nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def write_table(paths: Sequence[Path]) -> None:
    """Puts the newest result of each case between the marks of the page."""
    newest: dict[str, dict[str, Any]] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            result = json.loads(line)
            newest[result["case"]] = result
    rows = [
        "| case | came out | scale, seed | seconds | what shows that it hit | revision, date |",
        "|---|---|---|---|---|---|",
    ]
    rows += [_row(result) for result in newest.values()]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}", encoding="utf-8")


def _row(result: dict[str, Any]) -> str:
    proof = result.get("proof") or {key: result[key] for key in ("reason", "streams", "events") if key in result}
    words = "; ".join(f"{key.replace('_', ' ')}: {_short(value)}" for key, value in proof.items())
    scale = f"{result['scale']}, {result['seed']}" if "scale" in result else ""
    out = "as undisturbed" if result["good"] else "**FAILED**"
    cells = [result["case"], out, scale, str(result.get("seconds", "")), words.replace("|", "/")[:300]]
    cells.append(f"{result['revision']}, {result['date'][:10]}")
    return f"| {' | '.join(cells)} |"


def _short(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
