"""Where a worker's catalogue comes from and how much memory it may take. Values only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from stream_monitor.kafka.settings import MiB

SHARE_OF_MACHINE: Final = 0.5
CGROUP: Final = Path("/sys/fs/cgroup/memory.max")


class CatalogueSettings(BaseModel):
    """Where `run` has its catalogue from, and how much memory that may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    follow_topic: bool = False
    """Follow `topics.catalog`: the folder `catalog` is then a copy of the topic that `run` makes and keeps, shared by
    the workers of a machine. Off: the folder is a catalogue of its own."""
    refresh_s: float = Field(default=1.0, gt=0.0, le=3600.0)
    """How often a worker looks for what has come into the copy."""
    late_s: float = Field(default=60.0, ge=5.0)
    """A copy that has not been in step with the topic for so long makes its workers not ready."""
    memory_mb: int | None = Field(default=None, ge=1)
    """Memory that one worker's catalogue may need: `run` refuses a larger one, and leaves out a track that comes later
    and does not fit. null is half of the memory of the machine or container: set it where several workers share it."""

    @property
    def memory_bytes(self) -> int:
        """The budget of one worker."""
        if self.memory_mb is not None:
            return self.memory_mb * MiB
        return round(SHARE_OF_MACHINE * machine_bytes())


def machine_bytes() -> int:
    """Memory of the machine, or of the container where that has less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = CGROUP.read_text(encoding="ascii").strip()
    except OSError:  # no cgroup of version 2 here
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine
