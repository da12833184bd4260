"""What the storage tests share: a real SQLite database with a hub over it, and phones that push into it."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from server.storage import migrate, tables
from server.storage.sql import insert_all
from server.storage.sqlite import connect
from server.storage.store import StoreReader, StoreTransaction, begin_history, device_row
from sync.facts import FactId, Reading, Statement
from sync.hub import Hub, NoRules, Push, Receipt
from sync.journal import chain as heads_of
from sync.journal import fact_id, genesis, head_bytes
from sync.judge import Command, Rules
from sync.ledger import Ledger, root_of
from sync.memory import MemoryPocket
from sync.replica import Replica
from sync.store import Device
from sync.wire import encode
from tests.scene import NOON, RADIUS_MS, PhoneKeys, Seals

TABLES = ("counter", "history", "ledgernode", "journal", "fact", "body", "record", "scope", "feed", "ticket_number", "photo")
"""Everything the sync path writes."""


def new_database(path: Path) -> None:
    """A migrated, empty database with its first history."""
    path.write_bytes(_empty_database())


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        migrate.upgrade(migrate.engine_for(path))
        connection = connect(path, writer=True)
        with StoreTransaction(connection).group() as tx:
            begin_history(tx, "k1", NOON)
        connection.close()
        return path.read_bytes()


def enrol(tx: StoreTransaction, device: Device) -> None:
    """The rows that make `tx.device(device.id)` answer this device. Its present crew is the last it joined."""
    revoked = NOON if device.revoked else None
    tx.run(insert_all(tables.Member, or_ignore=True), (device.member, device.member, device.member, "", "member", "", None))
    for crew in device.crews:
        tx.run(insert_all(tables.Crew, or_ignore=True), (crew, device.station or "", crew, crew, "", "", None, None))
        until = None if crew == device.crew else NOON
        row = (None, device.member, crew, NOON - 1, until)
        tx.run(insert_all(tables.Membership, or_ignore=True), row)
    row_of_device = device_row(device.id, device.member, "", device.key, NOON)
    tx.run(insert_all(tables.Phone), (*row_of_device[:-1], revoked))


@dataclass
class Phone:
    """A replica whose clock is right and whose requests the test carries."""

    device: Device
    replica: Replica
    now: int = NOON

    def reading(self) -> Reading:
        self.now += 1000
        return Reading(self.now, self.now - NOON, "b1")

    def note(self, ticket: str, text: str = "ok") -> FactId:
        return self.replica.record("note", self.reading(), ticket=ticket, visit="v1", body={"text": text})

    def body(self) -> bytes:
        return self.replica.request().body

    def heard(self, receipt: Receipt) -> None:
        """Take in the statement that a receipt stands for."""
        statement = Statement(
            receipt.journal, receipt.n, receipt.head, self.now, RADIUS_MS, "k1", receipt.durable, receipt.ledger, receipt.root
        )
        self.replica.apply(encode({"statement": Seals().sign(statement)}) + b"\n", self.reading())


def new_phone(device: Device) -> Phone:
    pocket, made = MemoryPocket(), itertools.count(1)
    phone_keys = PhoneKeys(str(device.key["k"]))
    replica = Replica.enrol(
        pocket,
        phone_keys,
        lambda: f"{device.id}-journal-{next(made)}",
        device=device.id,
        member=device.member,
        app="1.0",
        reading=Reading(NOON, 0, "b1"),
    )
    return Phone(device, replica)


def new_device(name: str, *, crew: str = "A") -> Device:
    return Device(name, f"m-{name}", crew, frozenset({crew}), "S1", {"k": f"key-{name}"})


@dataclass
class Depot:
    """One database, its writing connection and a hub. `connection` may be a wrapper that misbehaves."""

    path: Path
    rules: Rules = field(default_factory=NoRules)
    connection: Any = None

    def __post_init__(self) -> None:
        if not self.path.exists():
            new_database(self.path)
        self.connection = self.connection or connect(self.path, writer=True)
        self.tx = StoreTransaction(self.connection)
        self.hub = Hub(Seals(), self.rules, radius_ms=RADIUS_MS)

    @contextmanager
    def reader(self) -> Iterator[StoreReader]:
        connection = connect(self.path, writer=False)
        yield StoreReader(connection)
        connection.close()

    def phone(self, name: str, *, crew: str = "A") -> Phone:
        """An enrolled phone. Only while no writer owns the connection."""
        device = new_device(name, crew=crew)
        with self.tx.group() as tx:
            enrol(tx, device)
        return new_phone(device)

    def ticket(self, name: str, *, crew: str = "A") -> None:
        """A ticket, opened and assigned. Only while no writer owns the connection."""
        with self.tx.group() as tx:
            self.hub.commit(tx, [], [opening(name, crew)])

    def prepare(self, phone: Phone) -> Push:
        with self.reader() as reader:
            return self.hub.prepare(reader, phone.body(), phone.now)

    def commit(self, pushes: Sequence[Push]) -> list[Receipt]:
        with self.tx.group() as tx:
            return self.hub.commit(tx, pushes)[0]

    def close(self) -> None:
        self.connection.close()


def opening(name: str, crew: str = "A") -> list[Command]:
    """What the office says to open a ticket and give it to a crew."""
    fields = {"kind": "fault_repair", "number": f"WO-{name}", "received_at": NOON}
    return [
        Command("created", "user:dispatcher", name, {"set": fields}, NOON),
        Command("assigned", "user:dispatcher", name, {"crew": crew}, NOON),
    ]


def dump(path: Path) -> dict[str, list[Any]]:
    """Every row the sync path keeps, in a fixed order."""
    connection = sqlite3.connect(path)
    found = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
    connection.close()
    return found


def stored_chains(path: Path) -> dict[str, list[FactId]]:
    """The ids of each chain's lines from 1, after checking that nothing is missing and every hash is right."""
    with closing(sqlite3.connect(path)) as connection:
        return chains_in(connection)


def chains_in(connection: Any) -> dict[str, list[FactId]]:
    """The same over an open connection of any engine."""
    found: dict[str, list[FactId]] = {}
    for key, journal, name, n, doc in connection.execute(
        "SELECT key, journal, name, n, doc FROM journal ORDER BY key"
    ).fetchall():
        query = "SELECT f.n, f.id, b.line FROM fact f JOIN body b ON b.seq = f.seq WHERE f.chain = ? ORDER BY f.n"
        rows = connection.execute(query, (key,)).fetchall()
        chain = json.loads(doc)
        first, after = 1, genesis(journal)
        if chain["trunk"]:
            first = chain["trunk"][1] + 1
            after = head_bytes(found[chain["trunk"][0]][first - 2]) or b""
        assert [row[0] for row in rows] == list(range(first, n + 1)), f"{name} has gaps"
        assert [row[1] for row in rows] == heads_of(after, [row[2] for row in rows]), f"{name} does not hash"
        before = found[chain["trunk"][0]][: first - 1] if chain["trunk"] else []
        found[name] = before + [fact_id(row[1]) for row in rows]
        assert (chain["n"], chain["head"]) == (n, found[name][-1])
    return found


def check_whole(path: Path) -> dict[str, list[FactId]]:
    """The stored chains, when nothing is half there: file, lines, ledger, and the feed with its records agree."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return check_agrees(connection)


def check_agrees(connection: Any) -> dict[str, list[FactId]]:
    """The same over an open connection of any engine, but for what an engine knows of its own files."""
    leaves = [row[0] for row in connection.execute("SELECT id FROM fact ORDER BY seq").fetchall()]
    seqs = [row[0] for row in connection.execute("SELECT seq FROM fact ORDER BY seq").fetchall()]
    assert seqs == list(range(1, len(leaves) + 1))
    for size, frontier in connection.execute("SELECT size, frontier FROM ledgernode").fetchall():
        roots = [frontier[at : at + 32] for at in range(0, len(frontier), 32)]
        assert (size, Ledger(size, roots).root()) == (len(leaves), root_of(leaves))
    records = connection.execute("SELECT key, position, doc FROM record").fetchall()
    feed = connection.execute(
        "SELECT s.name, f.record, f.position, f.gone FROM feed f JOIN scope s ON s.id = f.scope"
    ).fetchall()
    wanted = {(scope, key, at, gone) for key, _, doc in records for scope, (at, gone) in json.loads(doc)["scopes"].items()}
    assert set(feed) == wanted and len(feed) == len(wanted)
    newest = connection.execute("SELECT value FROM counter WHERE name = 'position'").fetchone()[0]
    assert max((position for _, position, _ in records), default=0) == newest
    return chains_in(connection)
