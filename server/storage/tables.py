"""Every table, in one place. Columns are named here and nowhere else; the sync path compiles its SQL from these.

Facts and bodies know no UPDATE: a body may be erased, its hash stays. The feed is an index: one row per (scope, record).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

# SQLite gives rowids to INTEGER keys only; PostgreSQL wants BIGINT.
_BIG = BigInteger().with_variant(Integer(), "sqlite")

# A constraint without a name cannot be altered by a later migration.
SQLModel.metadata.naming_convention = {"ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}


def _big(*, key: bool = False, nullable: bool = False) -> Column[int]:
    return Column(_BIG, primary_key=key, nullable=nullable)


class Counter(SQLModel, table=True):
    """Named numbers that only grow: `position` of the feed."""

    name: str = Field(primary_key=True)
    value: int = Field(sa_column=_big())


class History(SQLModel, table=True):
    """One history of this server (incarnation). `fork_position` is where it was left for the next one.

    `origin` names the database server it is written on and its timeline, where the engine can tell; a history moved from
    elsewhere has none until the server there takes it over.
    """

    number: int = Field(primary_key=True)
    incarnation: str = Field(unique=True)
    begun_at: int = Field(sa_column=_big())
    fork_position: int | None = Field(default=None, sa_column=_big(nullable=True))
    origin: str | None = None


class Lease(SQLModel, table=True):
    """A process's hold on a piece of due work, until it is done or the time is up."""

    name: str = Field(primary_key=True)
    holder: str
    until_ms: int = Field(sa_column=_big())


class LedgerNode(SQLModel, table=True):
    """The right edge of the Merkle ledger: `size` leaves, `frontier` the 32-byte hashes of its full subtrees."""

    id: int = Field(primary_key=True)
    size: int = Field(sa_column=_big())
    frontier: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Station(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    name_en: str
    lat: float | None = None
    lon: float | None = None
    emergency_phone: str | None = None


class Area(SQLModel, table=True):
    """A polygon of ground (网格) as GeoJSON geometry, WGS-84."""

    id: str = Field(primary_key=True)
    name: str
    station: str
    area_class: str
    geometry: str


class Crew(SQLModel, table=True):
    id: str = Field(primary_key=True)
    station: str
    name: str
    name_en: str
    vehicle: str = ""
    skills: str = ""
    lat: float | None = None
    lon: float | None = None


class Member(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    name_en: str
    phone: str = ""
    role: str = "member"
    skills: str = ""
    revoked_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class Membership(SQLModel, table=True):
    """A member's time in a crew; the open one (no `until_ms`) is the present crew. Rows are kept for ever: facts recorded for
    an earlier crew are judged by them."""

    __table_args__ = (UniqueConstraint("member", "crew", "from_ms"),)
    id: int | None = Field(default=None, primary_key=True)
    member: str = Field(index=True)
    crew: str
    from_ms: int = Field(sa_column=_big())
    until_ms: int | None = Field(default=None, sa_column=_big(nullable=True))


class Shift(SQLModel, table=True):
    __table_args__ = (UniqueConstraint("crew", "from_ms"),)
    id: int | None = Field(default=None, primary_key=True)
    crew: str = Field(index=True)
    from_ms: int = Field(sa_column=_big())
    until_ms: int = Field(sa_column=_big())


class Guide(SQLModel, table=True):
    """One version of a work guide (作业指导卡). `content` is its JSON; never updated, because answers name the version."""

    guide: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    content: str
    imported_at: int = Field(sa_column=_big())
    imported_by: str


class Account(SQLModel, table=True):
    """A person of the office. `password` is a scrypt hash."""

    login: str = Field(primary_key=True)
    password: str
    role: str
    disabled_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class EnrolCode(SQLModel, table=True):
    """A one-time code, stored hashed."""

    hash: str = Field(primary_key=True)
    member: str
    expires_at: int = Field(sa_column=_big())
    used_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class Phone(SQLModel, table=True):
    """An enrolled device (终端) with its public P-256 key as a JWK."""

    __tablename__ = "device"
    id: str = Field(primary_key=True)
    member: str = Field(index=True)
    name: str = ""
    key: str
    enrolled_at: int = Field(sa_column=_big())
    revoked_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class Journal(SQLModel, table=True):
    """One chain of one device: the trunk of a journal, or a rival branch. `doc` is the whole `sync.store.Chain`."""

    key: int = Field(primary_key=True)
    journal: str = Field(index=True)
    name: str = Field(unique=True)
    device: str = Field(index=True)
    n: int = Field(sa_column=_big())
    doc: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class StoredFact(SQLModel, table=True):
    """One journal line in commit order (`seq` is its leaf in the ledger). Never updated."""

    __tablename__ = "fact"
    __table_args__ = (Index("fact_place", "chain", "n", unique=True),)
    seq: int = Field(sa_column=_big(key=True))
    chain: int
    n: int = Field(sa_column=_big())
    id: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    kind: str
    ticket: str | None = None
    received: int = Field(sa_column=_big())
    lower: int | None = Field(default=None, sa_column=_big(nullable=True))
    upper: int = Field(sa_column=_big())
    slug: str = ""


class Body(SQLModel, table=True):
    """The bytes of a line. Only erasure deletes from here."""

    seq: int = Field(sa_column=_big(key=True))
    line: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class StoredRecord(SQLModel, table=True):
    """A record's newest projection (`tail`, the bytes of its feed row) and all its writes (`doc`).

    `doc` stands last: reading a page of the feed then never walks the overflow pages that hold it.
    """

    __tablename__ = "record"
    __table_args__ = (
        Index("record_name", "kind", "id", unique=True),
        Index(
            "record_state", "state", "crew", sqlite_where=text("state IS NOT NULL"), postgresql_where=text("state IS NOT NULL")
        ),
    )
    key: int = Field(primary_key=True)
    kind: str
    id: str
    position: int = Field(sa_column=_big())
    state: str | None = None
    crew: str | None = None
    tail: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    doc: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ScopeName(SQLModel, table=True):
    __tablename__ = "scope"
    id: int = Field(primary_key=True)
    name: str = Field(unique=True)


class Feed(SQLModel, table=True):
    """What each scope sees, in commit order."""

    __table_args__ = {"sqlite_with_rowid": False}
    scope: int = Field(primary_key=True)
    position: int = Field(sa_column=_big(key=True))
    record: int
    gone: str | None = None


class TicketNumber(SQLModel, table=True):
    __tablename__ = "ticket_number"
    number: str = Field(primary_key=True)
    ticket: str


class PhotoBytes(SQLModel, table=True):
    """Bytes a stored fact names; `received_at` once they are all here and re-hashed. `details` are the decoder's hints."""

    __tablename__ = "photo"
    sha256: str = Field(primary_key=True)
    size_bytes: int = Field(sa_column=_big())
    ticket: str = Field(index=True)
    device: str
    received_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    details: str | None = None


class PhotoUse(SQLModel, table=True):
    """What a ticket's facts call these bytes: a photo (`form` original), or the preview or copy of the photo `original`.

    One picture may be filed twice, and the same bytes be a photo here and a preview there. `told_at` once the ticket knows
    that the photo's bytes are here; of smaller forms it is not told.
    """

    __tablename__ = "photo_use"
    __table_args__ = (UniqueConstraint("sha256", "ticket", "form", "original"),)
    key: int | None = Field(default=None, primary_key=True)
    sha256: str
    ticket: str
    form: str
    original: str = Field(index=True)
    size_bytes: int = Field(sa_column=_big())
    told_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    erased_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    """Since when this ticket's use does not count any more; bytes that nothing else uses are gone."""
