"""A ledger as CSV or JSON. Knows nothing of where the ledger came from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from stream_monitor.reports.ledger import Ledger, Station

CSV_COLUMNS = (
    "row", "stream_kind", "stream_id", "epoch", "start_time", "end_time", "start_s", "end_s", "duration_s",
    "track_id", "work_id", "title", "artist", "isrc", "iswc", "match_type", "confidence", "score", "track_start_s",
    "track_end_s", "transposition_semitones", "tempo_ratio", "gaps_s", "status", "play_id", "monitored_s", "matched_s",
    "unmatched_s", "silence_s", "no_signal_s",
)  # fmt: skip
"""Columns of the CSV: a row `play` for each play, then one row `stream` with the seconds of each station."""


def as_csv(ledger: Ledger) -> str:
    """RFC 4180 text with a header; numbers in seconds with three decimals, an unknown value is an empty cell."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for station in ledger.stations:
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows_of(station))
    return out.getvalue()


def as_json(ledger: Ledger) -> str:
    """One object `{"stations": [{"stream_kind", "stream_id", "seconds", "retracted", "plays": [...]}]}`, indented."""
    stations = [
        {
            "stream_kind": station.kind,
            "stream_id": station.stream_id,
            "seconds": {name: round(value, 3) for name, value in sorted(station.seconds().items())},
            "retracted": station.retracted,
            "plays": station.reported(),
        }
        for station in ledger.stations
    ]
    return json.dumps({"stations": stations}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def rows_of(station: Station) -> Iterator[dict[str, Any]]:
    """A row by `CSV_COLUMNS` for each play, then one of the station; what is not known is None or left out."""
    for play in station.reported():
        row = {name: play[name] for name in CSV_COLUMNS if name in play}
        row.update({name: value for name, value in play["track"].items() if name in CSV_COLUMNS})
        row["row"] = "play"
        row["duration_s"] = play["end_s"] - play["start_s"]
        row["gaps_s"] = float(sum(end - start for start, end in play.get("gaps") or []))
        yield row
    seconds = station.seconds()
    yield {
        "row": "stream",
        "stream_kind": station.kind,
        "stream_id": station.stream_id,
        **{f"{name}_s": value for name, value in seconds.items() if f"{name}_s" in CSV_COLUMNS},
    }


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else value
