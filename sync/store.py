"""What the hub needs of a store, and the nouns that travel between them. Every store passes one contract suite.

A transaction sees the whole past, holds the one writing right until it ends, and applies one `Effects` at the end: several
pushes that arrived together share it (group commit). Nothing here knows SQL or a web request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sync.clock import Anchor
from sync.facts import FactId, Key, Reading, Record, Scope
from sync.ledger import Ledger

OFFICE_JOURNAL = "office"


@dataclass(frozen=True, slots=True)
class Device:
    """One enrolment of one member on one phone. `crews` are all the member ever belonged to, `crew` the present one."""

    id: str
    member: str
    crew: str | None
    crews: frozenset[str]
    station: str | None
    key: Mapping[str, str]
    revoked: bool = False

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What this device may pull; follows from its member alone, so a cursor needs no seal."""
        names = [f"device:{self.id}", f"member:{self.member}"]
        names += [f"crew:{self.crew}"] if self.crew else []
        names += [f"station:{self.station}"] if self.station else []
        return tuple(Scope(name) for name in names)


@dataclass(slots=True)
class Chain:
    """A journal as far as the server holds it, or a rival branch of one (`name` = journal~…, `trunk` = where it left).

    `known` lists (n, head, server time) of heads the server was told of before it had the lines. `anchor` and `last` are
    the latest anchor and clock reading, `heard_at`, `waiting` and `oldest_s` what the phone said at its last contact.
    """

    journal: str
    name: str
    device: str
    n: int
    head: FactId
    key: int = 0
    trunk: tuple[str, int] | None = None
    anchor: Anchor | None = None
    last: Reading | None = None
    durable: int = 0
    known: list[tuple[int, str, int]] = field(default_factory=list)
    previous: str | None = None
    heard_at: int = 0
    waiting: int = 0
    oldest_s: int = 0


class Line(NamedTuple):
    """A line to store: h(n) as text and as bytes, the bytes as they came, and what was resolved once on accept."""

    chain: Chain
    n: int
    id: FactId
    digest: bytes
    raw: bytes
    kind: str
    ticket: str | None
    received: int
    lower: int | None
    upper: int
    slug: str = ""


class Photo(NamedTuple):
    """Bytes a stored fact names, so that they may be uploaded: a photo itself, or a smaller form of the photo `original`."""

    sha256: str
    size_bytes: int
    ticket: str
    device: str
    form: str = "original"
    original: str = ""
    """The photo a preview or copy shows; empty for a photo itself."""


@dataclass(slots=True)
class Effects:
    """Everything one transaction writes, in bulk. `tails` holds the feed row of each changed record."""

    chains: list[Chain] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    tails: list[bytes] = field(default_factory=list)
    views: list[Mapping[str, Any]] = field(default_factory=list)
    feed: list[tuple[str, int, int, Key, str | None]] = field(default_factory=list)
    """(scope, the position it had there or 0, the new position, record, why gone or None)"""
    photos: list[Photo] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)
    """(ticket number, ticket id)"""


class Reader(Protocol):
    """A consistent look at the store; it may lag behind a commit but never see half of one."""

    @property
    def incarnation(self) -> str: ...

    @property
    def position(self) -> int:
        """The highest position given out."""

    def fork_position(self, incarnation: str) -> int | None:
        """Where an earlier history of this server was left, or None if it never was one of ours."""

    def device(self, identity: str) -> Device | None: ...

    def chains(self, journal: str) -> list[Chain]:
        """The trunk first, then its rival branches; empty when the journal is unknown. The caller may change them."""

    def head_at(self, chain: Chain, n: int) -> FactId | None:
        """h(n) if the line is stored in this very chain."""

    def feed(self, scope: str, after: int, rows_max: int) -> Sequence[tuple[int, str, str, str | None, bytes]]:
        """(position, kind, id, why gone or None, tail) after a position, in order."""


class Transaction(Reader, Protocol):
    """A reader with the writing right."""

    def hold(self, journals: Iterable[str], keys: Iterable[Key]) -> None:
        """What will be read and written: a store with several writers locks it here, sorted, before anything is read of it.

        What turns out to be needed besides may be read without; two transactions may then wait for each other, and one of
        them is begun anew.
        """

    @property
    def ledger(self) -> Ledger: ...

    def records(self, keys: Iterable[Key]) -> dict[Key, Record]:
        """The records that exist among these keys."""

    def line(self, journal: str, fact: FactId) -> tuple[Chain, int, bytes] | None:
        """The chain, place and bytes of a stored fact, or None when unknown or erased."""

    def ticket_of_number(self, number: str) -> str | None:
        """The ticket that carries a number, if any."""

    def take_positions(self, count: int) -> int:
        """The first of `count` new positions, larger than every one before."""

    def apply(self, effects: Effects) -> None:
        """Write everything; visible and durable when the transaction ends."""
