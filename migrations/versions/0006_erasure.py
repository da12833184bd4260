"""Since when a ticket's use of a photo is erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    op.add_column("photo_use", sa.Column("erased_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Migrations only go forward; to go back, restore the backup taken before the upgrade.")
