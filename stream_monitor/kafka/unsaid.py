"""What has come about since the last commit and is not said yet. It decides nothing and knows no broker."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_monitor.kafka.client import Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.outcome import Outcome
from stream_monitor.segments import StreamKey


@dataclass(kw_only=True, slots=True)
class Unsaid:
    """One worker's; after a commit, or where partitions are taken over, a new one begins."""

    outcomes: list[Outcome] = field(default_factory=list)
    poison: list[tuple[Received, PoisonError]] = field(default_factory=list)
    touched: set[StreamKey] = field(default_factory=set)
    """Streams that stand elsewhere now, whether or not anything came out."""
    records: int = 0
    """How many new records were heard: the frontier has moved."""

    @property
    def anything(self) -> bool:
        """Whether a commit has something to say."""
        return bool(self.outcomes or self.poison or self.records)

    @property
    def streams(self) -> set[StreamKey]:
        """Of which a snapshot, or a tombstone, is due."""
        return self.touched | {outcome.stream for outcome in self.outcomes}
