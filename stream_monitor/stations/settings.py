"""How many stations are read at once, and by what. Values only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StationSettings(BaseModel):
    """How live addresses are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decode_threads: int = Field(default=2, ge=1, le=64)
    """Threads that decode, resample and encode all stations on the event loop together."""
    connecting: int = Field(default=64, ge=1, le=10_000)
    """Connections that are being opened at the same time; the others wait their turn."""
    reader_threads: int = Field(default=64, ge=1, le=4096)
    """Addresses that need a reader in a thread of its own (HLS, Ogg, files): so many at most. A live one beyond fails,
    a file waits."""
    verify_tls: bool = True
    """Whether the certificates of https addresses are checked; false reads stations whose certificate has run out."""
