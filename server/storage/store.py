"""The SQL of the sync path: reader and transaction of `sync.store`, below the ORM, in bulk, for every engine.

As it stands here it suits one writer, as SQLite has it; `postgres.py` adds what several need. Positions are numbered while the
write lock is held, so the feed's order is its commit order and no cursor can pass a change that commits later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from sqlalchemy import bindparam, func, select

from server.storage import tables as t
from server.storage.horizon import Horizon, Roster
from server.storage.sql import compiled, insert_all, table_of, upsert
from sync import wire
from sync.facts import FactId, Key, Record
from sync.journal import fact_id, head_bytes
from sync.ledger import Ledger
from sync.problems import Refused
from sync.store import Chain, Device, Effects

ROWS_AT_ONCE = 50
"""Rows a statement of the sync path takes. Between two steps of SQLite every other thread wants to run: few steps, few of
their hand-overs."""

_p = bindparam
_counter, _history, _phone, _member = (table_of(m) for m in (t.Counter, t.History, t.Phone, t.Member))
_membership, _crew, _journal, _fact = (table_of(m) for m in (t.Membership, t.Crew, t.Journal, t.StoredFact))
_body, _record, _scope, _feed = (table_of(m) for m in (t.Body, t.StoredRecord, t.ScopeName, t.Feed))
_number, _ledger = table_of(t.TicketNumber), table_of(t.LedgerNode)

_POSITION = compiled(select(_counter.c.value).where(_counter.c.name == "position"))
_INCARNATION = compiled(select(_history.c.incarnation).order_by(_history.c.number.desc()).limit(1))
_HISTORY = compiled(select(_history.c.incarnation, _history.c.origin).order_by(_history.c.number.desc()).limit(1))
_FORK = compiled(select(_history.c.fork_position).where(_history.c.incarnation == _p("a")))
# One row for each crew the member ever belonged to, or one without a crew: a single statement, because every request asks.
_DEVICE = compiled(
    select(
        *(_phone.c.member, _phone.c.key, _phone.c.revoked_at, _member.c.revoked_at),
        *(_crew.c.id, _membership.c.until_ms, _crew.c.station),
    )
    .join_from(_phone, _member, _phone.c.member == _member.c.id)
    .join(_membership, _membership.c.member == _member.c.id, isouter=True)
    .join(_crew, _membership.c.crew == _crew.c.id, isouter=True)
    .where(_phone.c.id == _p("a"))
    .order_by(_membership.c.from_ms)
)
_CHAINS = compiled(select(_journal.c.key, _journal.c.doc).where(_journal.c.journal == _p("a")).order_by(_journal.c.key))
_HEAD_AT = compiled(select(_fact.c.id).where(_fact.c.chain == _p("a"), _fact.c.n == _p("b")))
FEED = compiled(
    select(_feed.c.position, _record.c.kind, _record.c.id, _feed.c.gone, _record.c.tail)
    .join_from(_feed, _record, _feed.c.record == _record.c.key)
    .where(_feed.c.scope == _p("a"), _feed.c.position > _p("b"))
    .order_by(_feed.c.position)
    .limit(_p("c"))
)
# A look at the end of each scope's part of the index: fast however much there is in it.
_NEWEST = compiled(
    select(_scope.c.name, select(func.max(_feed.c.position)).where(_feed.c.scope == _scope.c.id).scalar_subquery())
)
_SCOPE = compiled(select(_scope.c.id).where(_scope.c.name == _p("a")))
_RECORDS = compiled(
    select(_record.c.id, _record.c.key, _record.c.doc).where(
        _record.c.kind == _p("a"), _record.c.id.in_([_p(f"b{at}") for at in range(ROWS_AT_ONCE)])
    )
)
_NUMBER = compiled(select(_number.c.ticket).where(_number.c.number == _p("a")))
_LEDGER = compiled(select(_ledger.c.size, _ledger.c.frontier))
_LINE = compiled(
    select(_journal.c.doc, _fact.c.n, _body.c.line)
    .join_from(_fact, _journal, _fact.c.chain == _journal.c.key)
    .join(_body, _body.c.seq == _fact.c.seq)
    .where(_journal.c.name == _p("a"), _fact.c.id == _p("b"))
)
_PUT_COUNTER, _PUT_LEDGER = upsert(t.Counter, "name"), upsert(t.LedgerNode, "id")
_PUT_JOURNAL = upsert(t.Journal, "key", fixed=("journal", "name", "device"))
_PUT_RECORD = upsert(t.StoredRecord, "key", fixed=("kind", "id"))
_ADD_FACT, _ADD_BODY = insert_all(t.StoredFact), insert_all(t.Body)
_ADD_FEED, _ADD_SCOPE = insert_all(t.Feed), insert_all(t.ScopeName)
_ADD_PHOTO, _ADD_PHOTO_USE = insert_all(t.PhotoBytes, or_ignore=True), insert_all(t.PhotoUse, or_ignore=True)
_PUT_NUMBER = upsert(t.TicketNumber, "number")
_DROP_FEED = compiled(_feed.delete().where(_feed.c.scope == _p("a"), _feed.c.position == _p("b")))

AWAY_RETRY_S = 5


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection to a database of any engine, speaking the statements compiled here: `?` for parameters."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Rows: ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> object: ...

    def close(self) -> None: ...


class Away(Refused):
    """The database cannot be reached now; nothing was stored, or nobody can tell. It passes: the client keeps what it has."""

    def __init__(self, detail: str) -> None:
        super().__init__("busy", detail, retry_after_s=AWAY_RETRY_S)


class StoreReader:
    """A look at the store over one connection; use one per thread."""

    def __init__(self, connection: Connection, roster: Roster | None = None, horizon: Horizon | None = None) -> None:
        self._roster = roster
        self._horizon = horizon
        self._connection = connection
        self._run = connection.execute
        self._scope_ids: dict[str, int] = {}

    BEGIN_LOOK = "BEGIN"
    """How an engine begins a transaction whose reads are all of one moment."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside is of one moment."""
        self._run(self.BEGIN_LOOK)
        try:
            yield
        finally:
            if self._connection.in_transaction:  # an error may have ended it
                self._run("COMMIT")

    @contextmanager
    def page(self, wanted: Mapping[str, int]) -> Iterator[None]:
        """A snapshot for a page of changes. `wanted`: which feeds it will look at first, and after which position."""
        with self.snapshot():
            yield

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """A statement of the office's own."""
        return self._run(statement, parameters)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    @property
    def incarnation(self) -> str:
        return str(self._run(_INCARNATION).fetchone()[0])

    @property
    def position(self) -> int:
        return int(self._run(_POSITION).fetchone()[0])

    def fork_position(self, incarnation: str) -> int | None:
        row = self._run(_FORK, (incarnation,)).fetchone()
        return None if row is None else row[0]

    def device(self, identity: str) -> Device | None:
        roster = self._roster
        if roster is None:
            return self._read_device(identity)
        generation, known = roster.generation, roster.get(identity)
        if known is None:
            known = self._read_device(identity)
            if known is not None:
                roster.keep(generation, known)
        return known

    def _read_device(self, identity: str) -> Device | None:
        rows = self._run(_DEVICE, (identity,)).fetchall()
        if not rows:
            return None
        member, key, revoked, member_revoked = rows[0][:4]
        crews = [row[4:] for row in rows if row[4] is not None]
        present = next(((crew, station) for crew, until, station in reversed(crews) if until is None), (None, None))
        every = frozenset(crew for crew, _, _ in crews)
        return Device(
            identity, member, present[0], every, present[1], json.loads(key), (revoked, member_revoked) != (None, None)
        )

    def chains(self, journal: str) -> list[Chain]:
        horizon = self._horizon
        if horizon is None or self._connection.in_transaction:  # a snapshot shows journals as they were
            return self._read_chains(journal)
        generation, known = horizon.generation, horizon.journal(journal)
        if known is not None:
            return [known]
        found = self._read_chains(journal)
        if len(found) == 1:
            horizon.keep(generation, found[0])
        return found

    def _read_chains(self, journal: str) -> list[Chain]:
        return [chain_of(key, doc) for key, doc in self._run(_CHAINS, (journal,))]

    def head_at(self, chain: Chain, n: int) -> FactId | None:
        row = self._run(_HEAD_AT, (chain.key, n)).fetchone()
        return None if row is None else fact_id(row[0])

    def feed(self, scope: str, after: int, rows_max: int) -> Sequence[tuple[int, str, str, str | None, bytes]]:
        identity = self._scope_id(scope)
        return [] if identity is None else self._run(FEED, (identity, after, rows_max)).fetchall()

    def records(self, keys: Iterable[Key]) -> dict[Key, Record]:
        by_kind: dict[str, list[str]] = {}
        for kind, identity in keys:
            by_kind.setdefault(kind, []).append(identity)
        found: dict[Key, Record] = {}
        for kind, names in by_kind.items():
            for at in range(0, len(names), ROWS_AT_ONCE):
                some = names[at : at + ROWS_AT_ONCE]
                some += some[-1:] * (ROWS_AT_ONCE - len(some))
                for identity, number, doc in self._run(_RECORDS, (kind, *some)).fetchall():
                    found[(kind, identity)] = wire.load_record(doc)
                    self._seen_record((kind, identity), number)
        return found

    def line(self, journal: str, fact: FactId) -> tuple[Chain, int, bytes] | None:
        row = self._run(_LINE, (journal, head_bytes(fact))).fetchone()
        return None if row is None else (chain_of(0, row[0]), row[1], row[2])

    def look_ahead(self) -> tuple[dict[str, int], tuple[int, str]]:
        """What a `Horizon` begins with: the newest position of each scope, and the ledger."""
        newest = {scope: position or 0 for scope, position in self._run(_NEWEST).fetchall()} | {"": self.position}
        return newest, self.ledger_edge()

    def ledger_edge(self) -> tuple[int, str]:
        """(size, root) of the ledger."""
        ledger = self._read_ledger()
        return ledger.size, fact_id(ledger.root())

    def _read_ledger(self) -> Ledger:
        row = self._run(_LEDGER).fetchone()
        size, frontier = row if row else (0, b"")
        return Ledger(size, [frontier[i : i + 32] for i in range(0, len(frontier), 32)])

    def ticket_of_number(self, number: str) -> str | None:
        row = self._run(_NUMBER, (number,)).fetchone()
        return None if row is None else str(row[0])

    def _scope_id(self, scope: str) -> int | None:
        identity = self._scope_ids.get(scope)
        if identity is None:
            row = self._run(_SCOPE, (scope,)).fetchone()
            if row is not None:
                identity = self._scope_ids[scope] = row[0]
        return identity

    def _seen_record(self, key: Key, number: int) -> None:
        """A transaction remembers where it found a record; a reader does not care."""


class StoreTransaction(StoreReader):
    """The one writer. It lives as long as the connection; `begin` and `end` bracket a group."""

    def __init__(self, connection: Connection, horizon: Horizon | None = None) -> None:
        super().__init__(connection)
        self.horizon = horizon or Horizon()
        self._record_keys: dict[Key, int] = {}
        self._next: dict[str, int] = {}
        self._taken = 0
        self._ledger: Ledger | None = None
        self._moved: dict[str, int] = {}
        self._journals: set[str] = set()

    @contextmanager
    def group(self, *, alone: bool = False) -> Iterator[StoreTransaction]:
        """One transaction: durable (fsync) when the block ends well, without trace when it does not.

        `alone`: no other process's transaction runs beside it, as for the office's work on tables.
        """
        if self._connection.in_transaction:
            self._run("ROLLBACK")  # the last group's own rollback failed
        self._record_keys.clear()
        self._moved.clear()
        self._journals.clear()
        self._taken = 0
        self._begin(alone=alone)
        try:
            yield self
            ledger = self.edge() if self._ledger is not None else None
            self._commit()
            self.horizon.advance(self._moved, ledger, None if alone else self._journals)
        except BaseException:
            self._forget()
            if self._connection.in_transaction:
                self._run("ROLLBACK")
            raise

    def _begin(self, *, alone: bool) -> None:
        self._run("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._run("COMMIT")

    def _forget(self) -> None:
        """Nothing remembered from a transaction that did not happen may be trusted."""
        self._ledger = None
        self._next.clear()
        self._scope_ids.clear()

    def passing(self, error: BaseException) -> bool:
        """Whether the same group may do well when it is begun anew: what stood in its way was another transaction."""
        return False

    def hold(self, journals: Iterable[str], keys: Iterable[Key]) -> None:
        """Nobody else writes to this database."""

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the file or its log. Between two groups only; writing waits meanwhile."""
        self._run("VACUUM")
        self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """The same for many rows."""
        self._connection.executemany(statement, rows)

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self._read_ledger()
        return self._ledger

    def edge(self) -> tuple[int, str]:
        """(size, root) of the ledger."""
        return self.ledger.size, fact_id(self.ledger.root())

    def take_positions(self, count: int) -> int:
        first = self.position + self._taken + 1
        self._taken += count
        return first

    def apply(self, effects: Effects) -> None:
        """Bulk statements only, each table once."""
        many = self.executemany
        self._journals |= {chain.journal for chain in effects.chains}
        for chain in effects.chains:
            chain.key = chain.key or self._new_key("journal", _journal.c.key)
        many(_PUT_JOURNAL, [(c.key, c.journal, c.name, c.device, c.n, wire.dump_chain(c)) for c in effects.chains])
        self._apply_lines(effects)
        self._apply_records(effects)
        many(_ADD_PHOTO, [(p.sha256, p.size_bytes, p.ticket, p.device, None, None) for p in effects.photos])
        many(
            _ADD_PHOTO_USE,
            [(None, p.sha256, p.ticket, p.form, p.original or p.sha256, p.size_bytes, None, None) for p in effects.photos],
        )
        many(_PUT_NUMBER, list(dict(effects.numbers).items()))
        if self._taken:
            last = self.position + self._taken
            self._run(_PUT_COUNTER, ("position", last))
            self._moved |= {"": last, **{scope: new for scope, _, new, _, _ in effects.feed}}
            self._taken = 0
        ledger = self.ledger
        self._run(_PUT_LEDGER, (1, ledger.size, b"".join(ledger.frontier)))

    def _apply_lines(self, effects: Effects) -> None:
        if not effects.lines:
            return
        first = self._new_key("fact", _fact.c.seq, len(effects.lines))
        rows = [
            (
                seq,
                line.chain.key,
                line.n,
                line.digest,
                line.kind,
                line.ticket,
                line.received,
                line.lower,
                line.upper,
                line.slug,
            )
            for seq, line in enumerate(effects.lines, first)
        ]
        self._insert(_ADD_FACT, rows)
        self._insert(_ADD_BODY, [(seq, line.raw) for seq, line in enumerate(effects.lines, first)])

    def _insert(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """An INSERT of many rows, as many of them at once as a statement takes."""
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        for at in range(0, whole, ROWS_AT_ONCE):
            self._run(_widened(statement), [cell for row in rows[at : at + ROWS_AT_ONCE] for cell in row])
        self._connection.executemany(statement, rows[whole:])

    def _apply_records(self, effects: Effects) -> None:
        rows = []
        for record, tail, view in zip(effects.records, effects.tails, effects.views, strict=True):
            name = (record.kind, record.id)
            if name not in self._record_keys:
                self._record_keys[name] = self._new_key("record", _record.c.key)
            state, crew = (view.get("state"), view.get("assigned_crew")) if record.kind == "ticket" else (None, None)
            doc = wire.dump_record(record)
            rows.append((self._record_keys[name], record.kind, record.id, record.position, state, crew, tail, doc))
        self._insert(_PUT_RECORD, rows)
        scopes = {scope: self._make_scope(scope) for scope in {row[0] for row in effects.feed}}
        self.executemany(_DROP_FEED, [(scopes[scope], old) for scope, old, _, _, _ in effects.feed if old])
        self._insert(
            _ADD_FEED, [(scopes[scope], new, self._record_keys[key], gone) for scope, _, new, key, gone in effects.feed]
        )

    def _make_scope(self, scope: str) -> int:
        identity = self._scope_id(scope)
        if identity is None:
            identity = self._scope_ids[scope] = self._new_key("scope", _scope.c.id)
            self._run(_ADD_SCOPE, (identity, scope))
        return identity

    def _new_key(self, name: str, column: Any, count: int = 1) -> int:
        if name not in self._next:
            self._next[name] = int(self._run(f"SELECT coalesce(max({column.name}), 0) FROM {column.table.name}").fetchone()[0])
        first = self._next[name] + 1
        self._next[name] += count
        return first

    def _seen_record(self, key: Key, number: int) -> None:
        self._record_keys[key] = number


@cache
def _widened(statement: str) -> str:
    """An INSERT of one row as one of `ROWS_AT_ONCE` rows."""
    head, _, rest = statement.partition(" VALUES ")
    row, _, conflict = rest.partition(")")
    return f"{head} VALUES {', '.join([row + ')'] * ROWS_AT_ONCE)}{conflict}"


def chain_of(key: int, doc: bytes) -> Chain:
    chain = wire.load_chain(doc)
    chain.key = key or chain.key
    return chain


def begin_history(tx: StoreTransaction, incarnation: str, now_ms: int, origin: str | None = None) -> None:
    """Start a server's first history, or the next one after its database came back from a backup or lost its newest part.

    `origin` names the database server this history is written on, where an engine can tell.
    """
    last = tx.run(compiled(select(_history.c.number).order_by(_history.c.number.desc()).limit(1))).fetchone()
    if last is not None:
        tx.run(
            compiled(_history.update().values(fork_position=_p("f")).where(_history.c.number == _p("n"))),
            (tx.position, last[0]),
        )
    else:
        tx.run(_PUT_COUNTER, ("position", 0))
    tx.run(insert_all(t.History), ((last[0] if last else 0) + 1, incarnation, now_ms, None, origin))


def newest_history(store: StoreReader) -> tuple[str, str | None] | None:
    """(incarnation, origin) of the history being written; None in a database that has none."""
    row = store.run(_HISTORY).fetchone()
    return None if row is None else (row[0], row[1])


def adopt_history(tx: StoreTransaction, origin: str) -> None:
    """The present history, moved here from elsewhere, goes on on this database server."""
    tx.run(compiled(_history.update().values(origin=_p("o")).where(_history.c.origin.is_(None))), (origin,))


def device_row(identity: str, member: str, name: str, key: Mapping[str, str], now_ms: int) -> tuple[Any, ...]:
    """A row of the device table."""
    return identity, member, name, json.dumps(dict(key), sort_keys=True), now_ms, None
