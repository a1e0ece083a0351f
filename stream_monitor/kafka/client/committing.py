"""Records in, as a member of a group, and offsets out without a transaction: for those who write somewhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from stream_monitor.kafka.client.consumer import Consumer
from stream_monitor.kafka.client.records import Partition, Received, place_of
from stream_monitor.kafka.errors import BrokerError, PositionError

ANSWER_MS: Final = 10_000
"""How long brokers may take for what is asked here; the client itself waits for three times as long, or for ever."""
POSITION_MS: Final = 100
"""For our own position nobody is asked; the client may be comparing it with a broker's that is away."""
MOVED_ON: Final = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)
NOT_THERE: Final = (LogTruncationError, NoOffsetForPartitionError, OffsetOutOfRangeError)


class CommittingConsumer(Consumer):
    """A `Consumer` that can say how far it is. Nothing is committed unless it is asked for."""

    def poll(self, wait_s: float, at_most: int = 500) -> list[Received]:
        """The next records, each partition's in order.

        Raises:
            PositionError: With `reset="none"`: an offset is not there, or none is known. The caller seeks.
            BrokerError: The brokers refuse.
        """
        try:
            return super().poll(wait_s, at_most)
        except BrokerError as error:
            if isinstance(error.__cause__, NOT_THERE):
                raise PositionError(str(error)) from error
            raise

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commits the next offset of each partition; False where the group has moved on and nothing was committed.

        Raises:
            BrokerError: The brokers refuse, or do not answer in time.
        """
        wanted = {place_of(partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}

        def ask() -> bool:
            try:
                self._client.commit(wanted, timeout_ms=ANSWER_MS)
            except MOVED_ON:
                return False
            return True

        return bool(self._ask(ask))

    def position(self, partition: Partition) -> int | None:
        """The next offset that will be read; it is past the marks of transactions, which are no records.

        None where it is not known yet, or where the partition is no longer ours.
        """
        place = place_of(partition)
        try:
            found = self._ask(lambda: self._client.position(place, timeout_ms=POSITION_MS))
        except (BrokerError, KeyError):
            if place in self._client.assignment():
                raise
            return None
        return None if found is None else int(found)

    def committed(
        self, partition: Partition, between: Callable[[], None] = lambda: None, within_s: float = ANSWER_MS / 1e3
    ) -> tuple[int, str] | None:
        """As its base, and sooner: no transaction of ours holds an offset, so whoever does not answer is away."""
        return super().committed(partition, between, within_s)

    def begins(self, partition: Partition) -> int:
        """The first offset that is still there.

        Raises:
            BrokerError: The brokers refuse, or do not answer in time.
        """
        place = place_of(partition)
        return int(self._ask(lambda: self._client.beginning_offsets([place], timeout_ms=ANSWER_MS))[place])

    def since(self, partition: Partition, moment_ms: int) -> int | None:
        """The first offset that was appended at a moment or later; None where there is none."""
        place = place_of(partition)
        found = self._ask(lambda: self._client.offsets_for_times({place: max(0, moment_ms)}, timeout_ms=ANSWER_MS))[
            place
        ]
        return None if found is None else int(found.offset)

    def ends(self, partition: Partition) -> int:
        """The offset after the last one that can be read now."""
        place = place_of(partition)
        return int(self._ask(lambda: self._client.end_offsets([place], timeout_ms=ANSWER_MS))[place])
