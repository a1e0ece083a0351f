"""The store's database: is it there, are its tables ours, may we write? It knows no SQL."""

from __future__ import annotations

from collections.abc import Sequence

from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, bad, good, warn
from stream_monitor.store.database import Database
from stream_monitor.store.errors import SchemaError, UnavailableError
from stream_monitor.store.trial import try_database


def store_checks(config: Config) -> list[Check]:
    """In the order in which they are told."""
    return [Check(name="store", look=lambda: _store(config), deadline_s=3 * config.store.timeout_s + 10.0)]


def _store(config: Config) -> Sequence[Finding]:
    if "store" not in config.model_fields_set:
        return [good("store", "not configured: there is no key store")]
    with Database(config.store) as database:
        try:
            trial = try_database(database)
        except (UnavailableError, SchemaError) as error:
            return [bad("store", str(error), "")]  # which says what to do
        where = database.where
    if trial.refused is not None:
        return [bad("store", f"{where} answers and cannot be written: {trial.refused}", "give the user its rights")]
    if trial.schema is None:
        return [good("store", f"{where} can be written; `stream-monitor store` makes its tables at its start")]
    if trial.schema != trial.needed:
        advice = "nothing: `stream-monitor store` upgrades it at its start; a backup first does no harm"
        return [warn("store", f"{where} has the schema {trial.schema}, this version needs {trial.needed}", advice)]
    return [good("store", f"{where} can be written, its tables are of this version ({trial.schema})")]
