"""The same bytes may be a photo here and a smaller form of a photo there; each use has its own row and its own size."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.rename_table("photo_use", "photo_use_before")
    op.create_table(
        "photo_use",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("original", sa.String(), nullable=False),
        _big("size_bytes", nullable=False),
        _big("told_at", nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("sha256", "ticket", "form", "original", name="uq_photo_use_sha256_ticket_form_original"),
    )
    op.create_index("ix_photo_use_original", "photo_use", ["original"])
    op.execute(
        "INSERT INTO photo_use (sha256, ticket, form, original, size_bytes, told_at)"
        " SELECT used.sha256, used.ticket, 'original', used.sha256, photo.size_bytes, used.told_at"
        " FROM photo_use_before AS used JOIN photo ON photo.sha256 = used.sha256"
    )
    op.drop_table("photo_use_before")


def downgrade() -> None:
    raise NotImplementedError("Migrations only go forward; to go back, restore the backup taken before the upgrade.")


def _big(name: str, *, nullable: bool) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=nullable)
