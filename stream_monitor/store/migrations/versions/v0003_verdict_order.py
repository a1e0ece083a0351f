"""The order of the verdicts on an upload, as columns; filled in from what is stored."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBERS: Final = ("revision", "replays")
NUMBER: Final = {
    "sqlite": "CASE json_type(data, '$.{name}') WHEN 'integer' THEN json_extract(data, '$.{name}') ELSE 0 END",
    "postgresql": "CASE WHEN data->>'{name}' ~ '^[0-9]{{1,18}}$' THEN (data->>'{name}')::bigint ELSE 0 END",
}
EARLY: Final = {"sqlite": "json_type(data, '$.early') IS 'true'", "postgresql": "coalesce(data->>'early', '') = 'true'"}


def upgrade() -> None:
    """Adds the columns; where a stored verdict does not say one (none of ours), it is 0 or false."""
    for name in NUMBERS:
        op.add_column("verdicts", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("verdicts", sa.Column("early", sa.Boolean(), server_default=sa.false(), nullable=False))
    dialect = op.get_bind().dialect.name
    told = [f"{name} = {NUMBER[dialect].format(name=name)}" for name in NUMBERS]
    op.execute(f"UPDATE verdicts SET {', '.join(told)}, early = {EARLY[dialect]}")


def downgrade() -> None:
    """Removes them: the events have them still."""
    for name in (*NUMBERS, "early"):
        op.drop_column("verdicts", name)
