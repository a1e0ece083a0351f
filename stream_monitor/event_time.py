"""When that was heard of which an event tells. It knows nothing of events' other parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def heard_at(data: Mapping[str, Any]) -> datetime | None:
    """The begin of a play or of a stretch of a stream on the wall clock.

    Args:
        data: The event's; the begin is `start_time`, else counted from the epoch, which is the producer's start.

    Returns:
        With its time zone; None for files, whose begin nobody knows.

    Raises:
        ValueError: `start_time` is no time with a zone.
    """
    told = data.get("start_time")
    if told is not None:
        return moment(told)
    epoch_ms = data.get("epoch")
    if not epoch_ms:
        return None
    try:
        return EARLIEST + timedelta(milliseconds=epoch_ms, seconds=data.get("start_s") or 0.0)
    except OverflowError:
        return None


def moment(text: Any) -> datetime:
    """RFC 3339 with its zone, in UTC.

    Raises:
        ValueError: It is none, or beyond the years 1 to 9999.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is beyond the calendar") from error
