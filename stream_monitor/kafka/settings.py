"""Where Kafka is, who we are there, and which topics there are. Values only; secrets are read from files when used."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream_monitor.kafka.sandbox import SandboxSettings
from stream_monitor.segments import StreamKind

MiB = 1 << 20
TOPIC_NAME: Final = r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$"
"""What brokers take; `.` and `..` are none."""
LONGEST_NAME: Final = 245
"""Brokers take 249 characters; four are left for the dead letters' `.dlq`."""

TopicName = Annotated[str, Field(pattern=TOPIC_NAME, max_length=LONGEST_NAME)]


class KafkaSettings(BaseModel):
    """The brokers, and how to get in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: str = Field(default="127.0.0.1:9092", pattern=r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$")
    """host:port of some brokers, with commas between."""
    group_id: str = Field(default="stream-monitor", min_length=1)
    """Workers of one group share the partitions."""
    instance_id: str | None = Field(default=None, min_length=1)
    """Name of this worker, kept over restarts, which no other of its group has; null takes the machine's."""
    static_membership: bool = False
    """The group waits for a worker that restarts within `service.session_s` and moves nothing meanwhile."""
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How connections are secured."""
    ca_file: Path | None = None
    """Certificates that the brokers' are checked against; null takes the system's."""
    certificate_file: Path | None = None
    """Our own certificate, where brokers ask for one."""
    key_file: Path | None = None
    """Its key."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How user and password are shown."""
    username: str | None = None
    """Of SASL."""
    password_file: Path | None = None
    """File that holds the password of SASL; its end of line does not count."""
    connect_s: float = Field(default=10.0, gt=0.0, le=300.0)
    """How long a broker may take to answer at the start."""

    @property
    def instance(self) -> str:
        """This worker's name: `instance_id`, or the machine's."""
        return self.instance_id or socket.gethostname()

    def beside(self, suffix: str) -> KafkaSettings:
        """Of a group beside the workers'. Static members are for workers, whose state takes time to move: here one that
        goes would hold its partitions until its session is over, and two on one machine would end each other.
        """
        return self.model_copy(
            update={"group_id": f"{self.group_id}-{suffix}", "static_membership": False, "instance_id": None}
        )

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security.endswith("ssl")

    @property
    def uses_sasl(self) -> bool:
        """Whether user and password are shown."""
        return self.security.startswith("sasl")

    @model_validator(mode="after")
    def _complete(self) -> KafkaSettings:
        if self.uses_sasl and (self.username is None or self.password_file is None):
            raise ValueError("sasl needs username and password_file")
        if not self.uses_sasl and (self.username or self.password_file):
            raise ValueError(f"username or password_file is given and security is {self.security}")
        if not self.uses_tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError(f"certificates are given and security is {self.security}")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs certificate_file")
        return self


class TopicSettings(BaseModel):
    """Names of the topics, and how they are created."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broadcast: TopicName = "audio.broadcast"
    """Segments of broadcasts."""
    uploads: TopicName = "audio.uploads"
    """Segments of uploads."""
    events: TopicName = "match.events"
    """Plays, verdicts, status."""
    state: TopicName = "monitor.state"
    """Snapshots of streams, compacted; as many partitions as the audio has."""
    catalog: TopicName = "catalog.tracks"
    """Tracks, compacted."""
    partitions: int = Field(default=12, ge=1, le=10_000)
    """Of the audio and of the state. It cannot be changed later: streams would move away from their state."""
    replication: int = Field(default=3, ge=1, le=9)
    """Copies of everything; 1 for a single broker."""
    min_in_sync: int = Field(default=2, ge=1, le=9)
    """Copies that must have a record before it counts."""
    audio_hours: float = Field(default=24.0, gt=0.0)
    """How long audio is kept: the longest time for which workers may be down without loss."""
    event_days: float = Field(default=30.0, gt=0.0)
    """How long events and dead letters are kept."""
    tombstone_hours: float = Field(default=168.0, gt=0.0)
    """How long a removed track or a closed stream is still told to those that were away."""
    state_segment_minutes: float = Field(default=2.0, ge=0.1, le=1440.0)
    """Snapshots of the last minutes cannot be compacted: a worker that takes over reads them all, those of two or three
    times as long."""
    state_dirty_ratio: float = Field(default=0.1, ge=0.0, le=1.0)
    """The state is compacted when so much of it may be superseded."""

    @model_validator(mode="after")
    def _possible(self) -> TopicSettings:
        if self.min_in_sync > self.replication:
            raise ValueError(f"min_in_sync is {self.min_in_sync}, more than the {self.replication} copies")
        names = self.names
        if len(set(names)) < len(names):
            raise ValueError(f"two topics have one name: {', '.join(names)}")
        for name in (self.broadcast, self.uploads, self.events):
            if dead_letters(name) in names:
                raise ValueError(f"{dead_letters(name)} is where the dead letters of {name} go: choose another name")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All but the dead letters'."""
        return (self.broadcast, self.uploads, self.events, self.state, self.catalog)

    @property
    def of_audio(self) -> tuple[str, str]:
        """What a worker reads."""
        return self.broadcast, self.uploads

    def audio(self, kind: str) -> str:
        """The topic of segments of a kind of stream."""
        return self.broadcast if kind == "broadcast" else self.uploads

    def kind(self, topic: str) -> StreamKind | None:
        """What the streams of a topic are; None for one that is not for audio, or is none of ours."""
        kinds: dict[str, StreamKind] = {self.broadcast: "broadcast", self.uploads: "upload"}
        return kinds.get(topic)


def is_topic_name(text: str) -> bool:
    """Whether brokers take it as a topic's name."""
    return len(text) <= LONGEST_NAME and re.fullmatch(TOPIC_NAME, text) is not None


def dead_letters(topic: str) -> str:
    """The topic of what could not be read of another one."""
    return f"{topic}.dlq"


class ServiceSettings(BaseModel):
    """How a worker works."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit_s: float = Field(default=1.0, gt=0.0, le=60.0)
    """Events, snapshots and offsets go out together, so often: an event waits so long at most."""
    poll_records: int = Field(default=200, ge=1, le=10_000)
    """Segments that are taken at a time."""
    queue_records: int = Field(default=64, ge=1, le=10_000)
    """A partition of which so many segments wait is not read on; an assigned partition may use some MB."""
    queue_mb: int = Field(default=16, ge=1, le=1024)
    """The same by their size."""
    idle_s: float = Field(default=30.0, ge=5.0, le=3600.0)
    """A stream whose partition goes on without it for so long has ended, by the brokers' clock."""
    session_s: float = Field(default=10.0, ge=6.0, le=300.0)
    """A worker that the brokers do not hear of for so long has lost its partitions."""
    transaction_s: float = Field(default=15.0, ge=5.0, le=900.0)
    """A transaction that is left open for so long is aborted."""
    drain_s: float = Field(default=30.0, ge=2.0, le=600.0)
    """At SIGTERM what was heard is committed within so long, or the process ends as by the watchdog."""
    watchdog_s: float = Field(default=12.0, ge=2.0, le=600.0)
    """A commit that takes longer ends the process (exit code 4): nobody could say what became of it."""
    sandbox: SandboxSettings = SandboxSettings()
