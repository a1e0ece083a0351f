"""How `produce` works. Values only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from stream_monitor.stations.settings import StationSettings


class ProduceSettings(BaseModel):
    """How audio is put into Kafka."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment_s: float = Field(default=5.0, ge=1.0, le=10.0)
    """Seconds of audio in a segment. It is sent when it is full, so events come as much later; shorter ones are more
    records and take more processor time."""
    trace: bool = False
    """Whether each segment begins a trace: its record carries a W3C `traceparent`, which events hand on."""
    deliver_s: float = Field(default=120.0, ge=2.0, le=3600.0)
    """How long the brokers may take to have a record, all retries included. Where they take longer, what comes of a
    live address meanwhile is dropped, counted and told, and is a gap; what was on its way is still sent. A file or
    standard input fails."""
    drain_s: float = Field(default=10.0, gt=0.0, le=600.0)
    """After Ctrl-C or SIGTERM, how long what was read may take to be sent and acknowledged; the rest is dropped, and
    told. The process ends within a few seconds more."""
    stations: StationSettings = StationSettings()
