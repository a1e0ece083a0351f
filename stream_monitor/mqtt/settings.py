"""Where the MQTT broker is, how to get in, and under which topics events are told. Values only."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stream_monitor.mqtt.topic import checked
from stream_monitor.relay.filter import FilterSettings


class MqttSettings(BaseModel):
    """The broker, and what it is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = Field(default="127.0.0.1", min_length=1)
    """The broker's name; null tells nothing by MQTT."""
    port: int = Field(default=1883, ge=1, le=65_535)
    """Its port; with TLS usually 8883."""
    client_id: str | None = None
    """Of two clients with one name a broker throws out one; null takes a name by chance."""
    tls: bool = False
    """Whether the connection is secured."""
    ca_file: Path | None = None
    """Certificates that the broker's is checked against; null takes the system's."""
    certificate_file: Path | None = None
    """Our own certificate, where the broker asks for one."""
    key_file: Path | None = None
    """Its key."""
    username: str | None = None
    """Null gives none."""
    password_file: Path | None = None
    """File that holds the password; its end of line does not count."""
    topic: str = "music/{stream_kind}/{stream_id}/{status}"
    """Of events. `{stream_kind}`, `{stream_id}`, `{status}` and `{type}` are filled in, percent-encoded."""
    state_topic: str | None = "music/{stream_kind}/{stream_id}/state"
    """Of what is open in a stream, retained; null tells none."""
    upload_state_hours: float = Field(default=24.0, gt=0.0, le=720.0)
    """That nothing is open in an upload any more stays at the broker for so long, and goes by itself."""
    filter: FilterSettings = FilterSettings()
    """What is told."""
    in_flight: int = Field(default=16, ge=1, le=1000)
    """Messages that are not acknowledged, at most; the broker may allow less, and those of one stream wait for each
    other."""
    keepalive_s: int = Field(default=20, ge=5, le=3600)
    """A broker that is silent for one and a half times as long is gone."""
    answer_s: float = Field(default=10.0, gt=0.0, le=300.0)
    """How long the broker may take to accept a connection or acknowledge a message before the connection is made
    anew."""

    @field_validator("topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        return checked(value)

    @field_validator("state_topic")
    @classmethod
    def _state_topic(cls, value: str | None) -> str | None:
        return None if value is None else checked(value, of_stream=True)

    @model_validator(mode="after")
    def _complete(self) -> MqttSettings:
        if not self.tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("certificates are given and tls is false")
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs username")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs certificate_file")
        return self
