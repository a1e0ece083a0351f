"""What can go wrong between the monitor and Kafka.

MonitorError
├── SettingsError
│   ├── TopicError       exit 2: a topic is missing, or is not as it has to be; the message says what to do
│   └── PartitionsError  exit 5: a topic has another number of partitions than the state was made with
├── BrokerError          retriable: no broker answers, or it refuses
│   ├── AccessError      exit 2, not retriable: they let us not in, or not do what we are about to; says what to do
│   └── PositionError    an offset to read from is not there (any more), or none is known: the reader has to decide
└── PoisonError          a record that cannot be read; it goes to the dead letters with its code
"""

from __future__ import annotations

from typing import ClassVar

from stream_monitor.errors import MonitorError, SettingsError


class TopicError(SettingsError):
    """A topic is missing or has other settings than the service needs."""


class PartitionsError(SettingsError):
    """Streams would be looked for in other partitions than those that their state is in."""

    exit_code: ClassVar[int] = 5


class BrokerError(MonitorError):
    """No broker answers, or the one that does refuses."""

    retriable: ClassVar[bool] = True


class AccessError(BrokerError):
    """The brokers let us not in, or do not let us do what we are about to: trying again mends nothing."""

    retriable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 2


class PositionError(BrokerError):
    """An offset to read from is not there, or none is known."""


class FencedError(MonitorError):
    """Another worker has taken over; nothing of ours counts any more."""

    exit_code: ClassVar[int] = 3


class PoisonError(MonitorError):
    """A record that cannot be read.

    Attributes:
        code: One word for headers and metrics, e.g. `bad_header`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
