"""A ledger as Parquet: the columns of the CSV with their types. Knows nothing of where the ledger came from."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet

from stream_monitor.reports.formats import CSV_COLUMNS, rows_of
from stream_monitor.reports.ledger import Ledger

TIMES: Final = ("start_time", "end_time")
WHOLE: Final = ("epoch", "transposition_semitones")
NUMBERS: Final = ("confidence", "score", "tempo_ratio")


def as_parquet(ledger: Ledger) -> bytes:
    """One file: times as UTC timestamps, seconds as doubles, what is not known as null."""
    rows = [row for station in ledger.stations for row in rows_of(station)]
    schema = pa.schema([(name, _type(name)) for name in CSV_COLUMNS])
    columns = [pa.array([_value(name, row.get(name)) for row in rows], _type(name)) for name in CSV_COLUMNS]
    out = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_arrays(columns, schema=schema), out)
    return out.getvalue()


def _type(name: str) -> Any:
    if name in TIMES:
        return pa.timestamp("ms", tz="UTC")
    if name in WHOLE:
        return pa.int64()
    return pa.float64() if name.endswith("_s") or name in NUMBERS else pa.string()


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TIMES:
        return datetime.fromisoformat(value)
    return float(value) if pa.types.is_floating(_type(name)) else value
