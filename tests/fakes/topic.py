"""A topic of one partition in memory: `client.Tail`'s protocol, compacted on demand, without transactions."""

from __future__ import annotations

from collections.abc import Iterable

from stream_monitor.kafka.client import Partition, Received

PARTITION = Partition(topic="catalog.tracks", number=0)


class FakeTopic:
    """Appends, reads on from an offset, compacts."""

    def __init__(self) -> None:
        self.records: list[Received] = []
        self.read: list[int] = []
        """Offsets that were handed out."""
        self.most = 1_000
        """Records of one poll, whatever is asked for."""
        self._end = 0
        self._at = 0

    def append(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Writes records."""
        for key, value in records:
            self.records.append(
                Received(partition=PARTITION, offset=self._end, appended_ms=0, key=key, value=value, headers=())
            )
            self._end += 1

    def compact(self, *, tombstones: bool = False) -> None:
        """Keeps the newest record of each key; without tombstones where their time is over."""
        newest = {record.key: record for record in self.records}
        self.records = [r for r in self.records if newest[r.key] is r and (r.value is not None or not tombstones)]

    def seek(self, offset: int) -> None:
        self._at = offset

    def begins(self) -> int:
        return 0

    def ends(self) -> int:
        return self._end

    def position(self) -> int:
        return self._at

    def poll(self, wait_s: float, at_most: int) -> list[Received]:
        at_most = min(at_most, self.most)
        found = [record for record in self.records if record.offset >= self._at][:at_most]
        self._at = found[-1].offset + 1 if len(found) == at_most else self._end
        self.read += [record.offset for record in found]
        return found
