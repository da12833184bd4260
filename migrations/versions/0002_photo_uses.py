"""A picture may be named by several tickets: each is told once that its bytes are here. The first table's `ticket` stays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.create_table(
        "photo_use",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("told_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("sha256", "ticket"),
    )
    op.execute("INSERT INTO photo_use (sha256, ticket, told_at) SELECT sha256, ticket, received_at FROM photo")


def downgrade() -> None:
    raise NotImplementedError("Migrations only go forward; to go back, restore the backup taken before the upgrade.")
