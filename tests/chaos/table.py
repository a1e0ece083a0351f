"""Results of cases as the table in docs/reliability.md. It runs nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def write_table(paths: Sequence[Path], known: Collection[str], page: Path = PAGE) -> None:
    """Puts the newest result of each case between the marks of the page; cases without one keep their rows.

    Args:
        paths: Results as JSON lines, the newest last.
        known: All cases; rows of others are taken away.
        page: What holds the table.
    """
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    told, _, after = rest.partition(END)
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in told.strip().splitlines()[2:]}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            result = json.loads(line)
            rows[result["case"]] = _row(result)
    lines = [
        "| case | came out | scale, seed | seconds | what shows that it hit | revision, date |",
        "|---|---|---|---|---|---|",
        *(rows[name] for name in ("undisturbed", *known) if name in rows),
    ]
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


def _row(result: dict[str, Any]) -> str:
    proof = result.get("proof") or {key: result[key] for key in ("reason",) if key in result}
    words = "; ".join(f"{key.replace('_', ' ')}: {_short(value)}" for key, value in proof.items())
    scale = f"{result['scale']}, {result['seed']}" if "scale" in result else ""
    out = "as undisturbed" if result["good"] else "**FAILED**"
    cells = [result["case"], out, scale, str(result.get("seconds", "")), words.replace("|", "/")[:600]]
    cells.append(f"{result['revision']}, {result['date'][:10]}")
    return f"| {' | '.join(cells)} |"


def _short(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
