"""Where plays are kept, and how patient the store is. Values only; the password is read from its file when used."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class StoreSettings(BaseModel):
    """The database of plays, which `store` fills and `report` reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(default="sqlite:///stream-monitor.db", min_length=1, repr=False)
    """`sqlite:///FILE`, or `postgresql://USER@HOST:PORT/DATABASE`. The password belongs into `password_file`."""
    password_file: Path | None = None
    """File that holds the database's password; its end of line does not count."""
    batch_records: int = Field(default=500, ge=1, le=10_000)
    """Events that are written in one transaction at most."""
    timeout_s: float = Field(default=30.0, ge=1.0, le=600.0)
    """How long the database may take to connect, to answer, or to give up a lock."""
    retry_max_s: float = Field(default=30.0, ge=0.1, le=600.0)
    """Longest pause between two attempts while the database is away; the first is 0.2 s, each next one twice that."""
