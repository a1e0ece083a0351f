"""Which records are acknowledged, and how far without a gap. It knows nothing of records."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_monitor.kafka.client import Partition


@dataclass(kw_only=True, slots=True)
class _Page:
    """One partition."""

    upto: int
    """Everything before is acknowledged."""
    committed: int
    waiting: deque[int] = field(default_factory=deque)
    """Offsets that were taken, in order, from the first that is not acknowledged."""
    done: set[int] = field(default_factory=set)
    """Those of them that are acknowledged."""


class Ledger:
    """One group's partitions."""

    def __init__(self) -> None:
        self._pages: dict[Partition, _Page] = {}

    def begin(self, starts: Mapping[Partition, int], committed: Mapping[Partition, int]) -> None:
        """Forgets all and begins with these partitions, each at an offset, which may be past its commit."""
        self._pages = {each: _Page(upto=start, committed=committed[each]) for each, start in starts.items()}

    def take(self, partition: Partition, offset: int) -> None:
        """A record is on its way."""
        self._pages[partition].waiting.append(offset)

    def settle(self, partition: Partition, offset: int) -> None:
        """A record is acknowledged."""
        page = self._pages[partition]
        page.done.add(offset)
        while page.waiting and page.waiting[0] in page.done:
            page.upto = page.waiting.popleft()
            page.done.discard(page.upto)
            page.upto += 1

    def pass_by(self, positions: Mapping[Partition, int]) -> None:
        """Nothing to tell was before these positions beyond what was taken (marks of transactions are no records)."""
        for partition, position in positions.items():
            page = self._pages[partition]
            if not page.waiting:
                page.upto = max(page.upto, position)

    @property
    def outstanding(self) -> int:
        """Records that were taken and are before or at the first that is not acknowledged, or behind it."""
        return sum(len(page.waiting) for page in self._pages.values())

    def upto(self) -> dict[Partition, int]:
        """The next offset of each partition."""
        return {partition: page.upto for partition, page in self._pages.items()}

    def uncommitted(self) -> dict[Partition, int]:
        """The same, of those that moved since the last commit."""
        return {partition: page.upto for partition, page in self._pages.items() if page.upto > page.committed}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These were committed."""
        for partition, offset in offsets.items():
            self._pages[partition].committed = offset
