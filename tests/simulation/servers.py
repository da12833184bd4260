"""The simulated server machine: the production hub over a real SQLite file (or the store in memory), which can be killed
between any two statements, backed up, and come back from a backup with or without knowing it.

It answers requests exactly as `server/endpoints/sync.py` does, without HTTP; it decides nothing.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from sqlmodel import SQLModel, create_engine

from server.storage import tables as t
from server.storage.horizon import Horizon
from server.storage.sql import insert_all
from server.storage.sqlite import connect
from server.storage.store import StoreReader, StoreTransaction, begin_history, device_row
from sync import wire
from sync.memory import MemoryStore
from sync.store import Device, Effects, Reader, Transaction


class ServerKilled(Exception):
    """The server's process ended in the middle of something."""


@dataclass(slots=True)
class Fuse:
    """Kills the server at the n-th statement of a transaction, or right after its commit (`after_commit`)."""

    statements: int = 0
    after_commit: bool = False

    def burn(self) -> None:
        self.statements -= 1
        if self.statements == 0:
            raise ServerKilled


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One line as the store keeps it."""

    chain: str
    n: int
    fact: str
    raw: bytes
    lower: int | None
    upper: int | None
    slug: str


@dataclass(slots=True)
class Dump:
    """Everything a store holds, as plain data: what an oracle may look at."""

    lines: list[StoredLine]
    chains: list[dict[str, Any]]
    records: dict[tuple[str, str], dict[str, Any]]
    views: dict[tuple[str, str], dict[str, Any]]
    feed: dict[str, list[tuple[int, str, str, str | None]]]
    ledger: tuple[int, str]


class Machine(Protocol):
    """What the world does with a server, whatever its store."""

    def reader(self) -> Reader: ...

    def group(self, fuse: Fuse | None = None) -> Any: ...

    def start(self) -> None: ...

    def ledger(self) -> tuple[int, str]: ...

    def found_crews(self, crews: Sequence[str]) -> None: ...

    def enrol(self, device: Device) -> None: ...

    def move(self, member: str, crew: str, now: int) -> None: ...

    def revoke(self, device: str, now: int) -> None: ...

    def backup(self) -> Any: ...

    def restore(self, backup: Any) -> None: ...

    def begin(self, incarnation: str, now: int) -> None: ...

    def promise(self, durable: Mapping[str, int]) -> None: ...

    def fact_ids(self) -> set[str]: ...

    def dump(self) -> Dump: ...

    def close(self) -> None: ...


Wrap = Callable[[Any], Any]
"""How a test bends a transaction before the hub gets it."""


def _straight(transaction: Any) -> Any:
    return transaction


# ------------------------------------------------------------------------------------------------------------ real SQLite


class _Wire:
    """A SQLite connection whose server can die before any statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.fuse: Fuse | None = None

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        fuse = self.fuse
        if fuse is not None and statement != "ROLLBACK":
            fuse.burn()
            if statement == "COMMIT" and fuse.after_commit:
                self._connection.execute(statement)
                raise ServerKilled
        return self._connection.execute(statement, parameters)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        if self.fuse is not None:
            self.fuse.burn()
        return self._connection.executemany(statement, rows)

    def close(self) -> None:
        self._connection.close()


@cache
def _empty_database() -> bytes:
    """The image of a database with all tables, made once per process."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        SQLModel.metadata.create_all(connection)
        connection.commit()
        raw: Any = connection.connection.dbapi_connection
        return bytes(raw.serialize())


class SqliteMachine:
    """The embedded store on a file."""

    def __init__(self, folder: Path, incarnation: str, now: int, bend: Wrap = _straight) -> None:
        self._folder = folder
        self._bend = bend
        self._files = 0
        self._path = self._write(_empty_database())
        self.start()
        self.begin(incarnation, now)

    def _write(self, image: bytes) -> Path:
        self._files += 1
        path = self._folder / f"server-{self._files}.db"
        path.write_bytes(image)
        return path

    def start(self) -> None:
        """A new process over the same file."""
        self._wire = _Wire(connect(self._path, writer=True))
        self._horizon = Horizon()
        self._transaction = StoreTransaction(cast(sqlite3.Connection, self._wire), self._horizon)
        self._bent = self._bend(self._transaction)

    def reader(self) -> StoreReader:
        return StoreReader(cast(sqlite3.Connection, self._wire), horizon=self._horizon)

    @contextmanager
    def group(self, fuse: Fuse | None = None) -> Iterator[Transaction]:
        self._wire.fuse = fuse
        try:
            with self._transaction.group():
                yield self._bent
        except ServerKilled:
            self._wire.close()
            self.start()
            raise
        finally:
            self._wire.fuse = None

    def ledger(self) -> tuple[int, str]:
        ledger = self._transaction.ledger
        return ledger.size, _text(ledger.root())

    def found_crews(self, crews: Sequence[str]) -> None:
        with self._transaction.group() as tx:
            for crew in crews:
                tx.run(insert_all(t.Crew), (crew, "s1", crew, crew, "", "", None, None))

    def enrol(self, device: Device) -> None:
        with self._transaction.group() as tx:
            tx.run(insert_all(t.Member), (device.member, device.member, device.member, "", "member", "", None))
            tx.run(insert_all(t.Membership), (None, device.member, device.crew, 0, None))
            tx.run(insert_all(t.Phone), device_row(device.id, device.member, device.id, device.key, 0))

    def move(self, member: str, crew: str, now: int) -> None:
        with self._transaction.group() as tx:
            tx.run("UPDATE membership SET until_ms = ? WHERE member = ? AND until_ms IS NULL", (now, member))
            tx.run(insert_all(t.Membership), (None, member, crew, now, None))

    def revoke(self, device: str, now: int) -> None:
        with self._transaction.group() as tx:
            tx.run("UPDATE device SET revoked_at = ? WHERE id = ?", (now, device))

    def backup(self) -> bytes:
        return bytes(self._wire._connection.serialize())

    def restore(self, backup: bytes) -> None:
        self._wire.close()
        self._path = self._write(backup)
        self.start()

    def begin(self, incarnation: str, now: int) -> None:
        with self._transaction.group() as tx:
            begin_history(tx, incarnation, now)

    def promise(self, durable: Mapping[str, int]) -> None:
        """What a verified backup lets the server say: every chain up to there survives a restore."""
        with self._transaction.group(alone=True) as tx:
            for key, doc in tx.run("SELECT key, doc FROM journal ORDER BY key").fetchall():
                chain = wire.load_chain(doc)
                chain.durable = durable.get(chain.name, 0)
                tx.run("UPDATE journal SET doc = ? WHERE key = ?", (wire.dump_chain(chain), key))

    def fact_ids(self) -> set[str]:
        return {_text(row[0]) for row in self._transaction.run("SELECT id FROM fact")}

    def dump(self) -> Dump:
        run = self._transaction.run
        rows = run(
            "SELECT journal.name, fact.n, fact.id, body.line, fact.lower, fact.upper, fact.slug FROM fact"
            " JOIN journal ON journal.key = fact.chain JOIN body ON body.seq = fact.seq ORDER BY fact.seq"
        )
        lines = [StoredLine(name, n, _text(head), raw, low, high, slug) for name, n, head, raw, low, high, slug in rows]
        chains = [json.loads(doc) for (doc,) in run("SELECT doc FROM journal ORDER BY key")]
        records, views = {}, {}
        for kind, identity, doc, tail in run("SELECT kind, id, doc, tail FROM record ORDER BY key").fetchall():
            records[(kind, identity)] = json.loads(doc)
            views[(kind, identity)] = json.loads(b"{" + tail)["put"]
        feed: dict[str, list[tuple[int, str, str, str | None]]] = {}
        for scope, position, kind, identity, gone in run(
            "SELECT scope.name, feed.position, record.kind, record.id, feed.gone FROM feed JOIN scope ON scope.id = feed.scope"
            " JOIN record ON record.key = feed.record ORDER BY scope.name, feed.position"
        ):
            feed.setdefault(scope, []).append((position, kind, identity, gone))
        return Dump(lines, chains, records, views, feed, self.ledger())

    def close(self) -> None:
        self._wire.close()


def _text(head: bytes) -> str:
    return urlsafe_b64encode(head).rstrip(b"=").decode()


# ------------------------------------------------------------------------------------------------------- store in memory


class _Mortal:
    """A draft of the store in memory whose `apply` may be the server's last act."""

    def __init__(self, draft: MemoryStore, fuse: Fuse | None) -> None:
        self._draft = draft
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._draft, name)

    def apply(self, effects: Effects) -> None:
        self._draft.apply(effects)
        if self._fuse is not None and not self._fuse.after_commit:
            raise ServerKilled


@dataclass
class MemoryMachine:
    """The store in memory, for comparison and for places without a file."""

    incarnation: str
    bend: Wrap = _straight
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.incarnation)

    def start(self) -> None:
        """Nothing to open."""

    def reader(self) -> MemoryStore:
        return self.store

    @contextmanager
    def group(self, fuse: Fuse | None = None) -> Iterator[Transaction]:
        with self.store.transaction() as draft:
            yield self.bend(cast(Transaction, _Mortal(draft, fuse)))
        if fuse is not None and fuse.after_commit:
            raise ServerKilled

    def ledger(self) -> tuple[int, str]:
        return self.store.ledger.size, _text(self.store.ledger.root())

    def found_crews(self, crews: Sequence[str]) -> None:
        """A device names its crews itself here."""

    def enrol(self, device: Device) -> None:
        self.store.devices[device.id] = device

    def move(self, member: str, crew: str, now: int) -> None:
        for device in [known for known in self.store.devices.values() if known.member == member]:
            self.store.devices[device.id] = replace(device, crew=crew, crews=device.crews | {crew})

    def revoke(self, device: str, now: int) -> None:
        self.store.devices[device] = replace(self.store.devices[device], revoked=True)

    def backup(self) -> MemoryStore:
        return deepcopy(self.store)

    def restore(self, backup: MemoryStore) -> None:
        self.store = deepcopy(backup)

    def begin(self, incarnation: str, now: int) -> None:
        self.store.begin_incarnation(incarnation)

    def promise(self, durable: Mapping[str, int]) -> None:
        for chains in self.store._chains.values():
            for chain in chains:
                chain.durable = durable.get(chain.name, 0)

    def fact_ids(self) -> set[str]:
        return {fact for fact, _ in self.store.lines().values()}

    def dump(self) -> Dump:
        store = self.store
        lines = [StoredLine(name, n, fact, raw, None, None, "") for (name, n), (fact, raw) in store.lines().items()]
        chains = [json.loads(wire.dump_chain(chain)) for chains in store._chains.values() for chain in chains]
        records = {key: json.loads(raw) for key, raw in store._records.items()}
        views = {key: json.loads(b"{" + tail)["put"] for key, tail in store._tails.items()}
        feed = {
            scope: [(at, key[0], key[1], gone) for at, (key, gone) in sorted(rows.items())]
            for scope, rows in store._feed.items()
        }
        return Dump(lines, chains, records, views, feed, self.ledger())

    def close(self) -> None:
        """Nothing to close."""
