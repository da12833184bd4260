"""The office's reads and small writes: people, phones, codes, tickets, photos. SQL built from the tables, run below the ORM.

Works over a reader, or over the writer's transaction where it writes. Knows rows; decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlmodel import SQLModel

from server.storage import tables as t
from server.storage.sql import columns, compiled, insert_all, table_of, upsert
from server.storage.store import StoreReader, StoreTransaction
from sync import wire
from sync.facts import Record
from sync.store import Chain

_p = bindparam
_record, _phone, _journal, _member = (table_of(m) for m in (t.StoredRecord, t.Phone, t.Journal, t.Member))
_photo, _code, _account = (table_of(m) for m in (t.PhotoBytes, t.EnrolCode, t.Account))
_membership, _shift, _number = (table_of(m) for m in (t.Membership, t.Shift, t.TicketNumber))
_use, _lease = table_of(t.PhotoUse), table_of(t.Lease)
_OPEN_STATES = ("dispatched", "accepted", "en_route", "on_site", "working", "suspended", "reopened")


@dataclass(frozen=True, slots=True)
class TicketLine:
    """A ticket in a list: its place in the feed and its projection as stored bytes of JSON."""

    key: int
    id: str
    position: int
    view: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """What headquarters knows of a phone: `known_n` − `stored_n` facts were only on it at its last contact."""

    device: str
    member: str
    name: str
    journal: str
    stored_n: int
    known_n: int
    waiting: int
    oldest_s: int
    heard_at: int
    revoked: bool


@lru_cache(256)
def _sql(model: type[SQLModel], *where: str) -> str:
    table = table_of(model)
    statement: Select[Any] = select(*table.columns)
    for name in where:
        statement = statement.where(table.c[name] == _p(name))
    return compiled(statement)


class Queries:
    """Over one connection. Methods that write need the writer's transaction."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self._run = store.run

    # ------------------------------------------------------------------------------------------------------- any table

    def rows(self, model: type[SQLModel], **where: Any) -> list[dict[str, Any]]:
        """Every row with these values."""
        names = columns(model)
        return [dict(zip(names, row, strict=True)) for row in self._run(_sql(model, *where), tuple(where.values()))]

    def one(self, model: type[SQLModel], **where: Any) -> dict[str, Any] | None:
        """The row with these values, if there is one."""
        return next(iter(self.rows(model, **where)), None)

    def put(self, model: type[SQLModel], rows: Iterable[Mapping[str, Any]], *keys: str) -> None:
        """Insert rows, or update those whose keys exist."""
        names = columns(model)
        self._writing().executemany(upsert(model, *keys), [[row.get(name) for name in names] for row in rows])

    def add(self, model: type[SQLModel], row: Mapping[str, Any]) -> None:
        """Insert one row."""
        self._writing().run(insert_all(model), [row.get(name) for name in columns(model)])

    def _writing(self) -> StoreTransaction:
        assert isinstance(self._store, StoreTransaction), "this writes, and needs the writer's transaction"
        return self._store

    # -------------------------------------------------------------------------------------------------- people and phones

    def take_code(self, code_hash: str, now_ms: int) -> str | None:
        """Use up an enrolment code; the member it was for, or None when it is unknown, used or expired."""
        row = self.one(t.EnrolCode, hash=code_hash)
        if row is None or row["used_at"] is not None or row["expires_at"] <= now_ms:
            return None
        used = _code.update().values(used_at=_p("u")).where(_code.c.hash == _p("h"), _code.c.used_at.is_(None))
        taken = self._writing().run(compiled(used), (now_ms, code_hash)).rowcount
        return str(row["member"]) if taken else None

    def join_crew(self, member: str, crew: str, now_ms: int) -> None:
        """Make `crew` the member's present crew; the membership before it ends and is kept."""
        open_rows = [row for row in self.rows(t.Membership, member=member) if row["until_ms"] is None]
        if any(row["crew"] == crew for row in open_rows):
            return
        end = (
            _membership.update()
            .values(until_ms=_p("u"))
            .where(_membership.c.member == _p("m"), _membership.c.until_ms.is_(None))
        )
        self._writing().run(compiled(end), (now_ms, member))
        self.add(t.Membership, {"member": member, "crew": crew, "from_ms": now_ms, "until_ms": None})

    def revoke_device(self, device: str, now_ms: int) -> bool:
        """End a device's right to pull; what it still pushes is stored and quarantined."""
        statement = _phone.update().values(revoked_at=_p("r")).where(_phone.c.id == _p("d"), _phone.c.revoked_at.is_(None))
        return bool(self._writing().run(compiled(statement), (now_ms, device)).rowcount)

    def devices(self) -> list[DeviceLine]:
        """Every phone with its newest journal and what it said last."""
        statement = (
            select(_phone.c.id, _phone.c.member, _phone.c.name, _phone.c.revoked_at, _journal.c.doc)
            .join_from(_phone, _journal, _phone.c.id == _journal.c.device, isouter=True)
            .order_by(_phone.c.id, _journal.c.key)
        )
        return [_device_line(*row) for row in self._run(compiled(statement))]

    # --------------------------------------------------------------------------------------------------------- due work

    def take_lease(self, name: str, holder: str, now_ms: int, until_ms: int) -> bool:
        """Get or keep the right to do a piece of due work; False while another process has it."""
        held = self.one(t.Lease, name=name)
        if held is not None and held["holder"] != holder and held["until_ms"] > now_ms:
            return False
        self.put(t.Lease, [{"name": name, "holder": holder, "until_ms": until_ms}], "name")
        return True

    def give_back_leases(self, holder: str) -> None:
        """Let others do what this process was to do."""
        self._writing().run(compiled(_lease.delete().where(_lease.c.holder == _p("h"))), (holder,))

    # ----------------------------------------------------------------------------------------------------------- tickets

    def tickets(self, *, state: str | None, crew: str | None, after: int, rows_max: int) -> list[TicketLine]:
        """Tickets in the order of their first appearance, `after` a key."""
        statement = select(_record.c.key, _record.c.id, _record.c.position, _record.c.tail)
        statement = statement.where(_record.c.kind == _p("kind"), _record.c.key > _p("after"))
        values: list[Any] = ["ticket", after]
        for column, value in ((_record.c.state, state), (_record.c.crew, crew)):
            if value is not None:
                statement = statement.where(column == _p(column.name))
                values.append(value)
        text = compiled(statement.order_by(_record.c.key)) + " LIMIT ?"
        found = self._run(text, (*values, rows_max))
        return [TicketLine(key, identity, position, _view(tail)) for key, identity, position, tail in found]

    def ticket_id(self, name: str) -> str | None:
        """The id of a ticket by id or by number."""
        statement = compiled(select(_record.c.id).where(_record.c.kind == _p("k"), _record.c.id == _p("i")))
        row = self._run(statement, ("ticket", name)).fetchone()
        return str(row[0]) if row else self._store.ticket_of_number(name)

    def record(self, kind: str, identity: str) -> tuple[Record, Mapping[str, Any]] | None:
        """A record with all its writes, and its projection."""
        statement = compiled(select(_record.c.doc, _record.c.tail).where(_record.c.kind == _p("k"), _record.c.id == _p("i")))
        row = self._run(statement, (kind, identity)).fetchone()
        return None if row is None else (wire.load_record(row[0]), _view(row[1]))

    def open_jobs(self) -> dict[str, int]:
        """How many tickets each crew has under way."""
        states = ", ".join("?" for _ in _OPEN_STATES)
        text = compiled(select(_record.c.crew, func.count()).where(_record.c.kind == _p("k")))
        text += f" AND record.state IN ({states}) GROUP BY record.crew"
        return {crew: count for crew, count in self._run(text, ("ticket", *_OPEN_STATES)) if crew}

    def counts(self) -> dict[str, int]:
        """Tickets by state."""
        text = compiled(select(_record.c.state, func.count()).where(_record.c.kind == _p("k"))) + " GROUP BY record.state"
        return {state: count for state, count in self._run(text, ("ticket",)) if state}

    def position(self) -> int:
        """The feed's newest position."""
        return self._store.position

    # ------------------------------------------------------------------------------------------------------------ photos

    def photo(self, sha256: str) -> t.PhotoBytes | None:
        """What is known of a photo's bytes."""
        row = self.one(t.PhotoBytes, sha256=sha256)
        return t.PhotoBytes(**row) if row else None

    def photo_uses(self, sha256: str) -> list[t.PhotoUse]:
        """What stored facts call these bytes, in the order they did; what was erased does not count."""
        return self._uses(_use.c.sha256, sha256)

    def photo_forms(self, original: str) -> list[t.PhotoUse]:
        """The smaller forms that stored facts name of a photo, first named first."""
        return [use for use in self._uses(_use.c.original, original) if use.form != "original"]

    def _uses(self, column: Any, sha256: str) -> list[t.PhotoUse]:
        names, use = columns(t.PhotoUse), (column == _p("s"), _use.c.erased_at.is_(None))
        found = self._run(compiled(select(*_use.columns).where(*use).order_by(_use.c.key)), (sha256,))
        return [t.PhotoUse(**dict(zip(names, row, strict=True))) for row in found]

    def photo_erased(self, sha256: str) -> bool:
        """Whether tickets used these bytes and none does any more."""
        uses = self.rows(t.PhotoUse, sha256=sha256)
        return bool(uses) and all(use["erased_at"] is not None for use in uses)

    def photos_without_details(self) -> list[str]:
        """Photos whose bytes are here and whose pictures were not made yet."""
        statement = select(_photo.c.sha256).where(_photo.c.received_at.is_not(None), _photo.c.details.is_(None))
        return [row[0] for row in self._run(compiled(statement))]

    def mark_photo_received(self, sha256: str, size_bytes: int, now_ms: int) -> None:
        """Remember that the bytes are here, and how many they truly are: who named them first may have been wrong."""
        fresh = _photo.c.received_at.is_(None)
        statement = _photo.update().values(size_bytes=_p("b"), received_at=_p("r")).where(_photo.c.sha256 == _p("s"), fresh)
        self._writing().run(compiled(statement), (size_bytes, now_ms, sha256))

    def mark_tickets_told(self, sha256: str, tickets: Iterable[str], now_ms: int) -> None:
        """Remember that these tickets know of the photo's bytes."""
        original = (_use.c.sha256 == _p("s"), _use.c.ticket == _p("t"), _use.c.form == "original")
        statement = compiled(_use.update().values(told_at=_p("n")).where(*original))
        self._writing().executemany(statement, [(now_ms, sha256, ticket) for ticket in tickets])

    def set_photo_details(self, sha256: str, details: str) -> None:
        statement = _photo.update().values(details=_p("d")).where(_photo.c.sha256 == _p("s"))
        self._writing().run(compiled(statement), (details, sha256))


def _view(tail: bytes) -> Mapping[str, Any]:
    view: Mapping[str, Any] = json.loads(b"{" + tail)["put"]
    return view


def _device_line(device: str, member: str, name: str, revoked_at: int | None, doc: bytes | None) -> DeviceLine:
    chain = wire.load_chain(doc) if doc else Chain("", "", device, 0, "")  # type: ignore[arg-type]
    known = max([chain.n, *(n for n, _, _ in chain.known)])
    return DeviceLine(
        device, member, name, chain.name, chain.n, known, chain.waiting, chain.oldest_s, chain.heard_at, revoked_at is not None
    )


def as_rows(lines: Sequence[DeviceLine]) -> list[dict[str, Any]]:
    """Plain rows for a reply."""
    return [asdict(line) for line in lines]
