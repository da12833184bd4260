"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    _create_counters()
    _create_organisation()
    _create_access()
    _create_journals()
    _create_records()


def downgrade() -> None:
    raise NotImplementedError("Migrations only go forward; to go back, restore the backup taken before the upgrade.")


def _create_counters() -> None:
    op.create_table("counter", _text("name"), _big("value"), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "history",
        _int("number"),
        _text("incarnation"),
        _big("begun_at"),
        _big("fork_position", nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("incarnation", name="uq_history_incarnation"),
    )
    op.create_table("ledgernode", _int("id"), _big("size"), _bytes("frontier"), sa.PrimaryKeyConstraint("id"))


def _create_organisation() -> None:
    op.create_table(
        "station",
        _text("id"),
        _text("name"),
        _text("name_en"),
        _degrees("lat"),
        _degrees("lon"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "area",
        _text("id"),
        _text("name"),
        _text("station"),
        _text("area_class"),
        _text("geometry"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "crew",
        _text("id"),
        _text("station"),
        _text("name"),
        _text("name_en"),
        _text("vehicle"),
        _text("skills"),
        _degrees("lat"),
        _degrees("lon"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "member",
        _text("id"),
        _text("name"),
        _text("name_en"),
        _text("phone"),
        _text("role"),
        _text("skills"),
        _big("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "membership",
        _int("id"),
        _text("member"),
        _text("crew"),
        _big("from_ms"),
        _big("until_ms", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("member", "crew", "from_ms", name="uq_membership_member_crew_from_ms"),
    )
    op.create_index("ix_membership_member", "membership", ["member"])
    op.create_table(
        "shift",
        _int("id"),
        _text("crew"),
        _big("from_ms"),
        _big("until_ms"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("crew", "from_ms", name="uq_shift_crew_from_ms"),
    )
    op.create_index("ix_shift_crew", "shift", ["crew"])


def _create_access() -> None:
    op.create_table(
        "account",
        _text("login"),
        _text("password"),
        _text("role"),
        _big("disabled_at", nullable=True),
        sa.PrimaryKeyConstraint("login"),
    )
    op.create_table(
        "enrolcode",
        _text("hash"),
        _text("member"),
        _big("expires_at"),
        _big("used_at", nullable=True),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "device",
        _text("id"),
        _text("member"),
        _text("name"),
        _text("key"),
        _big("enrolled_at"),
        _big("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_device_member", "device", ["member"])


def _create_journals() -> None:
    op.create_table(
        "journal",
        _int("key"),
        _text("journal"),
        _text("name"),
        _text("device"),
        _big("n"),
        _bytes("doc"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("name", name="uq_journal_name"),
    )
    op.create_index("ix_journal_journal", "journal", ["journal"])
    op.create_index("ix_journal_device", "journal", ["device"])
    op.create_table(
        "fact",
        _big("seq"),
        _int("chain"),
        _big("n"),
        _bytes("id"),
        _text("kind"),
        _text("ticket", nullable=True),
        _big("received"),
        _big("lower", nullable=True),
        _big("upper"),
        _text("slug"),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("fact_place", "fact", ["chain", "n"], unique=True)
    op.create_table("body", _big("seq"), _bytes("line"), sa.PrimaryKeyConstraint("seq"))
    op.create_table(
        "photo",
        _text("sha256"),
        _big("size_bytes"),
        _text("ticket"),
        _text("device"),
        _big("received_at", nullable=True),
        _text("details", nullable=True),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_photo_ticket", "photo", ["ticket"])


def _create_records() -> None:
    op.create_table(
        "record",
        _int("key"),
        _text("kind"),
        _text("id"),
        _big("position"),
        _text("state", nullable=True),
        _text("crew", nullable=True),
        _bytes("tail"),
        _bytes("doc"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("record_name", "record", ["kind", "id"], unique=True)
    has_state = sa.text("state IS NOT NULL")
    op.create_index("record_state", "record", ["state", "crew"], sqlite_where=has_state, postgresql_where=has_state)
    op.create_table(
        "scope",
        _int("id"),
        _text("name"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name="uq_scope_name"),
    )
    op.create_table(
        "feed",
        _int("scope"),
        _big("position"),
        _int("record"),
        _text("gone", nullable=True),
        sa.PrimaryKeyConstraint("scope", "position"),
        sqlite_with_rowid=False,
    )
    op.create_table("ticket_number", _text("number"), _text("ticket"), sa.PrimaryKeyConstraint("number"))


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _int(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _big(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    # SQLite gives rowids to INTEGER keys only; PostgreSQL wants BIGINT.
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=nullable)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _degrees(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Float(), nullable=True)
