"""The tables, as the newest migration leaves them. It knows nothing of what is written or read.

    runs ─┬─ events      every event as it came, by its id
          ├─ plays       the newest revision of each play
          ├─ statuses    where a stretch of a stream's time went
          ├─ verdicts    what is said of uploads
          ├─ positions   how far each partition was stored, in the same transaction as the rows
          └─ rejects     values that are no events, and events that contradict the one of their id
    promotions           which run is reported for which streams and times
    erasures             what was erased, so that it stays so when Kafka is read again

Everything that came from Kafka belongs to a run: `live`, or the name of a re-processing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)

LIVE: Final = "live"


class Moment(TypeDecorator[datetime]):
    """A time with its zone; SQLite, which has none, keeps UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc if dialect.name != "sqlite" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC, whatever the session's zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is INTEGER."""


def _run() -> Column[Any]:
    return Column("run_id", String, ForeignKey("runs.run_id"), primary_key=True)


def _stream() -> list[Column[Any]]:
    return [
        Column("stream_kind", String, nullable=False),
        Column("stream_id", String, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("heard_at", Moment),
    ]


runs = Table("runs", metadata, Column("run_id", String, primary_key=True), Column("created_at", Moment, nullable=False))

events = Table(
    "events",
    metadata,
    _run(),
    Column("id", String, primary_key=True),
    Column("type", String, nullable=False),
    *_stream(),
    Column("time", Moment, nullable=False),
    Column("digest", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("kafka_topic", String, nullable=False),
    Column("kafka_partition", Integer, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Index(None, "stream_kind", "stream_id", "heard_at"),
)

plays = Table(
    "plays",
    metadata,
    _run(),
    Column("play_id", String, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    *_stream(),
    Column("track_id", String, nullable=False),
    Column("work_id", String, nullable=False),
    Column("start_s", Float, nullable=False),
    Column("end_s", Float, nullable=False),
    Column("event_id", String, nullable=False),
    Column("data", JSON, nullable=False),
    Index(None, "stream_kind", "stream_id", "heard_at"),
    Index(None, "heard_at"),
    Index(None, "track_id", "heard_at"),
    Index(None, "work_id", "heard_at"),
)

statuses = Table(
    "statuses",
    metadata,
    _run(),
    Column("event_id", String, primary_key=True),
    *_stream(),
    Column("state", String, nullable=False),
    Column("start_s", Float, nullable=False),
    Column("end_s", Float, nullable=False),
    Column("monitored_s", Float, nullable=False),
    Column("data", JSON, nullable=False),
    Index(None, "stream_kind", "stream_id", "heard_at"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _run(),
    Column("event_id", String, primary_key=True),
    *_stream(),
    Column("verdict", String),
    Column("action", String),
    Column("time", Moment, nullable=False),
    Column("data", JSON, nullable=False),
    Column("revision", BigInteger, server_default="0", nullable=False),
    Column("replays", BigInteger, server_default="0", nullable=False),
    Column("early", Boolean, server_default=false(), nullable=False),
    Index(None, "stream_kind", "stream_id", "time"),
)

positions = Table(
    "positions",
    metadata,
    _run(),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("topic_id", String, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
)

rejects = Table(
    "rejects",
    metadata,
    _run(),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("code", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", LargeBinary),
    Column("rejected_at", Moment, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("run_id", String, ForeignKey("runs.run_id"), nullable=False),
    Column("stream_kind", String),
    Column("stream_id", String),
    Column("since", Moment),
    Column("until", Moment),
    Column("promoted_at", Moment, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("stream_kind", String),
    Column("stream_id", String),
    Column("since", Moment),
    Column("until", Moment, nullable=False),
    Column("erased_at", Moment, nullable=False),
)
