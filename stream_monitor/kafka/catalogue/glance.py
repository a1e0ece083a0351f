"""Whose tracks a topic holds, as a few of its records tell it. It reads neither all of them nor what is in them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from stream_monitor.kafka.catalogue.track_record import parse
from stream_monitor.kafka.client import Received, Tail
from stream_monitor.kafka.errors import BrokerError, PoisonError

LOOKED_AT: Final = 16
"""Records at either end; each may be as large as a record may be."""
POLL_S, DEADLINE_S = 0.5, 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """What was seen."""

    looked_at: int
    """Records, without tombstones."""
    encoders: frozenset[str]
    """Fingerprints."""
    unreadable: int
    """Of another format, or torn."""


def glance(tail: Tail) -> Glance:
    """Looks at the newest records, and where those only remove tracks at the oldest ones.

    Raises:
        BrokerError: The brokers refuse, or it takes too long.
    """
    begins, ends = tail.begins(), tail.ends()
    newest = max(begins, ends - 2 * LOOKED_AT)  # the marks of transactions lie between records
    return _seen(_read(tail, newest, ends)) or _seen(_read(tail, begins, newest)) or _seen_nothing()


def _read(tail: Tail, first: int, end: int) -> list[Received]:
    found: list[Received] = []
    deadline = time.monotonic() + DEADLINE_S
    tail.seek(first)
    while tail.position() < end and len(found) < LOOKED_AT:
        if time.monotonic() > deadline:
            raise BrokerError(f"offset {tail.position()} was not read within {DEADLINE_S:g} s")
        found += [record for record in tail.poll(POLL_S, LOOKED_AT) if record.value is not None]
    return found


def _seen(records: list[Received]) -> Glance | None:
    """None where there is no record."""
    encoders, unreadable = set(), 0
    for record in records:
        try:
            encoders.add(parse(record.key, record.value or b"").encoder)
        except PoisonError:
            unreadable += 1
    if not records:
        return None
    return Glance(looked_at=len(records), encoders=frozenset(encoders), unreadable=unreadable)


def _seen_nothing() -> Glance:
    return Glance(looked_at=0, encoders=frozenset(), unreadable=0)
