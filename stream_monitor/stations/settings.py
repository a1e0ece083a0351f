"""How many stations are read at once, and by what. Values only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StationSettings(BaseModel):
    """How live addresses are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decode_threads: int = Field(default=2, ge=1, le=64)
    """Threads that decode, resample and encode all stations on the event loop together."""
    connections_per_s: float = Field(default=50.0, gt=0.0, le=10_000.0)
    """Connections that are begun a second, at the start and after drops: 2,000 stations are asked within 40 s."""
    connecting: int = Field(default=1024, ge=1, le=10_000)
    """Connections that are being opened at the same time; the others wait their turn. An address that does not answer
    is one of them for `reconnect.connect_timeout_s`."""
    most_behind_s: float = Field(default=180.0, ge=1.0, le=3600.0)
    """A station whose audio is read so much later than it was sent is left and asked anew: its next epoch begins in
    the present. The log says how many."""
    ask_again_s: float | None = Field(default=None, ge=1.0, le=86_400.0)
    """A station that was given up (not there, or never heard) is asked anew after about so long, for ever, and
    `produce` does not end by itself; null is never."""
    reader_threads: int = Field(default=64, ge=1, le=4096)
    """Addresses that need a reader in a thread of its own (HLS, Ogg, files): so many at most. A live one beyond fails,
    a file waits."""
    verify_tls: bool = True
    """Whether the certificates of https addresses are checked; false reads stations whose certificate has run out."""
