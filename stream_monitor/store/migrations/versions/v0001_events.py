"""Events and what is made of them: plays, statuses, verdicts; positions and rejects."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _table(name: str, keys: list[sa.Column[Any]], *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("run_id", sa.String(), nullable=False),
        *keys,
        *columns,
        sa.PrimaryKeyConstraint("run_id", *[key.name for key in keys], name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{name}_run_id"),
    )


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=False)


def _place() -> list[sa.Column[Any]]:
    return [sa.Column("topic", sa.String(), nullable=False), sa.Column("partition", sa.Integer(), nullable=False)]


def _stream() -> list[sa.Column[Any]]:
    return [
        sa.Column("stream_kind", sa.String(), nullable=False),
        sa.Column("stream_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True)),
    ]


def upgrade() -> None:
    """Makes the tables, and the run that is live."""
    runs = op.create_table(
        "runs",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    _table(
        "events",
        [_key("id")],
        sa.Column("type", sa.String(), nullable=False),
        *_stream(),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("kafka_topic", sa.String(), nullable=False),
        sa.Column("kafka_partition", sa.Integer(), nullable=False),
        sa.Column("kafka_offset", sa.BigInteger(), nullable=False),
    )
    _table(
        "plays",
        [_key("play_id")],
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        *_stream(),
        sa.Column("track_id", sa.String(), nullable=False),
        sa.Column("work_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    _table(
        "statuses",
        [_key("event_id")],
        *_stream(),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("monitored_s", sa.Float(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    _table(
        "verdicts",
        [_key("event_id")],
        *_stream(),
        sa.Column("verdict", sa.String()),
        sa.Column("action", sa.String()),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
    )
    _table(
        "positions",
        _place(),
        sa.Column("topic_id", sa.String(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
    )
    _table(
        "rejects",
        [*_place(), sa.Column("offset", sa.BigInteger(), nullable=False)],
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False),
    )
    for table in ("events", "plays", "statuses"):
        columns = ["stream_kind", "stream_id", "heard_at"]
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    op.create_index("ix_verdicts_stream_kind_stream_id_time", "verdicts", ["stream_kind", "stream_id", "time"])
    op.create_index("ix_plays_heard_at", "plays", ["heard_at"])
    op.create_index("ix_plays_track_id_heard_at", "plays", ["track_id", "heard_at"])
    op.create_index("ix_plays_work_id_heard_at", "plays", ["work_id", "heard_at"])
    op.execute(runs.insert().values(run_id="live", created_at=sa.func.now()))


def downgrade() -> None:
    """Removes them with all that is in them."""
    for table in ("rejects", "positions", "verdicts", "statuses", "plays", "events", "runs"):
        op.drop_table(table)
