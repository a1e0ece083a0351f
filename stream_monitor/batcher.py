"""Gathers items of all streams into batches, by size or by the age of the oldest one.

It knows nothing of what the items are or of who runs them. Items leave in the order in which they came, so each
stream's order is kept. The clock is the caller's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class BatcherConfig(BaseModel):
    """When a batch is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=32, ge=1, le=1024)
    """Blocks in a full batch; also the encoder's batch shape. One block is 10 s of one stream, about 1 MB."""
    deadline_s: float = Field(default=0.25, ge=0.0, le=60.0)
    """A block waits at most so long for others, then its batch runs as it is."""


class Batcher(Generic[T]):
    """A queue that gives out batches; whoever puts must also take, so it stays as small as a batch."""

    def __init__(self, config: BatcherConfig | None = None) -> None:
        self._config = config or BatcherConfig()
        self._waiting: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def due_s(self) -> float | None:
        """When the oldest item's deadline passes, on the caller's clock; None where nothing waits."""
        return self._waiting[0][0] + self._config.deadline_s if self._waiting else None

    def put(self, item: T, now_s: float) -> None:
        """Adds an item that came at `now_s`."""
        self._waiting.append((now_s, item))

    def full(self) -> Iterator[list[T]]:
        """Takes every full batch."""
        while len(self._waiting) >= self._config.size:
            yield self._take()

    def due(self, now_s: float) -> Iterator[list[T]]:
        """Takes every full batch, and the rest where its oldest item has reached its deadline at `now_s`."""
        yield from self.full()
        if self._waiting and now_s >= self._waiting[0][0] + self._config.deadline_s:
            yield self._take()

    def _take(self) -> list[T]:
        return [self._waiting.popleft()[1] for _ in range(min(len(self._waiting), self._config.size))]
