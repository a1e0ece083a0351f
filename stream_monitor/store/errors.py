"""What can go wrong between the monitor and its database.

MonitorError
├── SettingsError
│   ├── StoreSettingsError   exit 2: an address that cannot be used, a run that is not there
│   └── SchemaError          exit 2: the database's schema is another version's; the message says what to do
└── StoreError
    ├── UnavailableError     retriable: the database does not answer, or not now
    ├── OvertakenError       retriable: another store has written what we were about to write
    └── UnstorableError      the database refuses a value that we took for good
"""

from __future__ import annotations

from typing import ClassVar

from stream_monitor.errors import MonitorError, SettingsError


class StoreSettingsError(SettingsError):
    """An address, an option or a run that cannot be used."""


class SchemaError(SettingsError):
    """The database's schema is of another version."""


class StoreError(MonitorError):
    """The database does not do what it is asked to."""


class UnavailableError(StoreError):
    """The database does not answer, or not now."""

    retriable: ClassVar[bool] = True


class OvertakenError(StoreError):
    """Another store of the group has gone on from our position; nothing of ours was written."""

    retriable: ClassVar[bool] = True


class UnstorableError(StoreError):
    """The database refuses a value."""
