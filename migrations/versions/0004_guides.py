"""Work guides by version, and the telephone number a station answers in an emergency."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.create_table(
        "guide",
        sa.Column("guide", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("imported_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("imported_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("guide", "version"),
    )
    op.rename_table("station", "station_before")
    op.create_table(
        "station",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("emergency_phone", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(
        "INSERT INTO station (id, name, name_en, lat, lon, emergency_phone)"
        " SELECT id, name, name_en, lat, lon, NULL FROM station_before"
    )
    op.drop_table("station_before")


def downgrade() -> None:
    raise NotImplementedError("Migrations only go forward; to go back, restore the backup taken before the upgrade.")
