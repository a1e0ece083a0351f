"""Where a service answers those who look after it. Values only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TelemetrySettings(BaseModel):
    """Metrics and health of `run`, `relay`, `store` and `produce` over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address that answers GET /metrics, /healthz and /readyz; 0.0.0.0 answers everybody, so keep it inside the
    cluster."""
    port: int | None = Field(default=None, ge=0, le=65_535)
    """Its port; null is no server, 0 takes any free port and tells it in the log."""
    stalled_s: float = Field(default=60.0, ge=1.0, le=3600.0)
    """A service whose loop has not turned for so long is no longer healthy."""
