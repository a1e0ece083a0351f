"""Which run is reported, and what was erased."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _scope() -> list[sa.Column[Any]]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return [
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("stream_kind", sa.String()),
        sa.Column("stream_id", sa.String()),
        sa.Column("since", sa.DateTime(timezone=True)),
    ]


def upgrade() -> None:
    """Makes both tables; so far everything live is reported and nothing was erased."""
    op.create_table(
        "promotions",
        *_scope(),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_promotions_run_id"),
    )
    op.create_table(
        "erasures",
        *_scope(),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )


def downgrade() -> None:
    """Removes both: everything live is reported again."""
    op.drop_table("erasures")
    op.drop_table("promotions")
