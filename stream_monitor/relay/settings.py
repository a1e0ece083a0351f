"""How events are read and told on, whatever the destination. Values only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RelaySettings(BaseModel):
    """What `relay` does for every destination."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = Field(default=1000, ge=1, le=100_000)
    """Events that wait or are on their way, for each destination; more stay in Kafka."""
    commit_s: float = Field(default=1.0, gt=0.0, le=60.0)
    """What was acknowledged is committed so often: what may be told twice after a crash."""
    state_hours: float = Field(default=6.0, ge=0.0, le=720.0)
    """How far back events are read at the start to know which plays are open. A play without news for so long is not
    held for open."""
    stop_s: float = Field(default=20.0, ge=0.0, le=600.0)
    """How long SIGTERM waits for what is on its way; the rest is told after the next start. Whoever kills a service
    that does not end has to wait longer."""
    retry_first_s: float = Field(default=0.5, gt=0.0, le=60.0)
    """First wait before a refusal is tried again or a connection is made anew; it doubles, with jitter."""
    retry_most_s: float = Field(default=30.0, gt=0.0, le=3600.0)
    """The longest."""
