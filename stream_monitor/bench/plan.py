"""What the benchmarks measure and how much of it. Knows nothing of how."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Probe = Literal["stages", "capacity", "latency", "memory"]
PROBES: tuple[Probe, ...] = ("stages", "capacity", "latency", "memory")


class BenchPlan(BaseModel):
    """Sizes of one benchmark; the defaults take a few minutes on two idle cores once the music is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache: Path
    """Where rendered music and the catalogue are kept between benchmarks."""
    tracks: int = Field(default=10_000, ge=2)
    """Recordings in the catalogue."""
    streams: int = Field(default=64, ge=1)
    """Stations, each with music of its own."""
    minutes: float = Field(default=3.0, ge=1.0)
    """Length of each station."""
    mp3_streams: int = Field(default=32, ge=1)
    """Stations that are there as MP3 too; encoding them takes longer than all the rest."""
    threads: int = Field(default=2, ge=1)
    """Cores that the monitor may use."""
    repeats: int = Field(default=3, ge=1)
    """Runs of each capacity figure; the median is told."""
    naive_chunks: int = Field(default=40, ge=1)
    """Chunks that the naive pipelines get; their time per chunk is steady."""
    latency_s: float = Field(default=45.0, ge=25.0, le=60.0)
    """How long streams are played in real time."""
    latency_streams: int = Field(default=200, ge=1)
    """Streams played together for the latency under load, as far as there is different music for them."""
    memory_streams: int = Field(default=64, ge=2)
    """Most streams open at once for the memory of a stream."""

    @property
    def small_tracks(self) -> int:
        """Recordings in the smaller catalogue, from which the memory of an enrolled hour is told."""
        return max(1, self.tracks // 4)


def quick(plan: BenchPlan) -> BenchPlan:
    """A minute's worth of the same: rough figures, to see that everything works."""
    return plan.model_copy(
        update={
            "tracks": min(plan.tracks, 500),
            "streams": min(plan.streams, 8),
            "minutes": min(plan.minutes, 1.0),
            "mp3_streams": min(plan.mp3_streams, 4),
            "repeats": 1,
            "naive_chunks": 4,
            "latency_s": 26.0,
            "latency_streams": min(plan.latency_streams, 8),
            "memory_streams": min(plan.memory_streams, 8),
        }
    )


def default_cache() -> Path:
    """The user's cache folder for benchmarks."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "stream-monitor" / "bench"
