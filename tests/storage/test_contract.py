"""What every store keeps: one suite over the stores in memory, SQLite and PostgreSQL, through the promises of `sync.store`."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from server.storage.horizon import Horizon
from server.storage.postgres import PostgresReader, PostgresTransaction
from server.storage.session import Session
from server.storage.sqlite import connect
from server.storage.store import Connection, StoreReader, StoreTransaction, begin_history
from sync import wire
from sync.clock import Anchor
from sync.facts import FactId, Key, Reading, Record, Scope, Side, Write
from sync.hub import ROWS_A_PAGE, Hub, NoRules
from sync.journal import chain as heads_of
from sync.journal import fact_id, genesis, head_bytes
from sync.ledger import root_of
from sync.memory import MemoryStore
from sync.scopes import place
from sync.store import Chain, Device, Effects, Line, Photo, Reader, Transaction
from tests.scene import NOON, RADIUS_MS, Seals
from tests.storage.world import enrol, new_database, new_device, new_phone, opening


class World(Protocol):
    """A store as the tests handle it, whatever it is made of."""

    def group(self) -> AbstractContextManager[Transaction]: ...

    @property
    def reader(self) -> Reader: ...

    def reopen(self) -> None:
        """What a restart of the process does."""

    def enrol(self, device: Device) -> None: ...

    def begin(self, incarnation: str) -> None: ...

    def photos(self) -> dict[str, int]: ...

    def fact_ids(self) -> list[bytes]:
        """All facts in commit order."""


class InMemory:
    def __init__(self) -> None:
        self.store = MemoryStore("k1")

    def group(self) -> AbstractContextManager[Transaction]:
        return self.store.transaction()

    @property
    def reader(self) -> Reader:
        return self.store

    def reopen(self) -> None:
        """Nothing of it outlives its process."""

    def enrol(self, device: Device) -> None:
        self.store.devices[device.id] = device

    def begin(self, incarnation: str) -> None:
        self.store.begin_incarnation(incarnation)

    def photos(self) -> dict[str, int]:
        return self.store.photos

    def fact_ids(self) -> list[bytes]:
        return [head_bytes(identity) or b"" for identity, _ in self.store.lines().values()]


class InDatabase:
    """Any engine, as a server has it: writer and reader share what was last committed."""

    def __init__(self, connect: Callable[[bool], Connection]) -> None:
        self._connect = connect
        self._open()

    def _open(self) -> None:
        self._writing, self._reading = self._connect(True), self._connect(False)
        horizon = Horizon()
        if isinstance(self._writing, Session) and isinstance(self._reading, Session):
            self._tx: StoreTransaction = PostgresTransaction(self._writing, horizon)
            self._reader: StoreReader = PostgresReader(self._reading, horizon=horizon)
        else:
            self._tx = StoreTransaction(self._writing, horizon)
            self._reader = StoreReader(self._reading, horizon=horizon)
        horizon.begin(*self._reader.look_ahead())

    def group(self) -> AbstractContextManager[Transaction]:
        return self._tx.group()

    @property
    def reader(self) -> StoreReader:
        return self._reader

    def reopen(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        self._reading.close()
        self._writing.close()

    def enrol(self, device: Device) -> None:
        with self._tx.group() as tx:
            enrol(tx, device)

    def begin(self, incarnation: str) -> None:
        with self._tx.group(alone=True) as tx:
            begin_history(tx, incarnation, NOON)

    def photos(self) -> dict[str, int]:
        return dict(self._reading.execute("SELECT sha256, size_bytes FROM photo").fetchall())

    def fact_ids(self) -> list[bytes]:
        return [row[0] for row in self._reading.execute("SELECT id FROM fact ORDER BY seq")]


def in_sqlite(folder: Path) -> InDatabase:
    path = folder / "district.db"
    new_database(path)
    return InDatabase(lambda writer: connect(path, writer=writer))


@contextmanager
def open_database(engine: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[InDatabase]:
    if engine == "sqlite":
        world = in_sqlite(folder)
    else:
        address = request.getfixturevalue("empty_postgres")
        world = InDatabase(lambda writer: Session(address, writer=writer))
    yield world
    world.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        yield InMemory()
    else:
        with open_database(request.param, request, tmp_path) as world:
            yield world


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InDatabase]:
    with open_database(request.param, request, tmp_path) as world:
        yield world


# -------------------------------------------------------------------------------------------------------- making effects


def new_chain(journal: str = "j1", *, name: str | None = None) -> Chain:
    return Chain(journal, name or journal, "d1", 0, fact_id(genesis(journal)))


def branch_of(trunk: Chain, n: int, head: FactId, name: str) -> Chain:
    return Chain(trunk.journal, name, trunk.device, n, head, trunk=(trunk.name, n))


def extend(chain: Chain, *raw: bytes) -> Effects:
    """These lines at the end of the chain, and the chain as it stands then."""
    effects = Effects(chains=[chain])
    for line, head in zip(raw, heads_of(head_bytes(chain.head) or b"", raw), strict=True):
        chain.n, chain.head = chain.n + 1, fact_id(head)
        digest = head_bytes(chain.head) or b""
        effects.lines.append(Line(chain, chain.n, chain.head, digest, line, "note", "t1", NOON, None, NOON + 500))
    return effects


def record(identity: str, kind: str = "ticket") -> Record:
    return Record(kind, identity)


def put(tx: Transaction, changed: Iterable[tuple[Record, Iterable[str]]], note: str = "") -> Effects:
    """Give every record its new position in exactly these scopes, as the end of a commit does."""
    effects, changed = Effects(), list(changed)
    position = tx.take_positions(len(changed))
    for found, scopes in changed:
        key = (found.kind, found.id)
        wanted = dict.fromkeys([Scope(scope) for scope in scopes])
        effects.feed += [(scope, old, position, key, gone) for scope, old, gone in place(found, wanted, position)]
        view = {"state": "dispatched", "note": note}
        effects.records.append(found)
        effects.views.append(view)
        effects.tails.append(wire.record_tail(*key, view))
        position += 1
    return effects


def load(tx: Transaction, *keys: Key) -> list[Record]:
    found = tx.records(keys)
    return [found.get(key) or Record(*key) for key in keys]


def rows(reader: Reader, scope: str = "hq") -> list[tuple[int, str, str | None]]:
    return [(at, identity, gone) for at, _, identity, gone, _ in reader.feed(scope, 0, 10**6)]


def look(world: World) -> Any:
    """Everything a reader can see of the names these tests use."""
    reader = world.reader
    with world.group() as tx:
        hidden = (
            tx.ledger.size,
            tx.ledger.root(),
            {key: wire.dump_record(found) for key, found in tx.records([("ticket", f"t{n}") for n in range(9)]).items()},
        )
    return (
        reader.position,
        [replace(chain, key=0) for chain in reader.chains("j1")],
        [reader.feed(scope, 0, 10**6) for scope in ("hq", "crew:A", "crew:B")],
        world.photos(),
        world.fact_ids(),
        hidden,
    )


# ------------------------------------------------------------------------------------------------------------- journals


def test_an_empty_store_answers_every_question(world: World) -> None:
    reader = world.reader
    assert (reader.incarnation, reader.position) == ("k1", 0)
    assert reader.chains("j1") == [] and reader.device("d1") is None and list(reader.feed("hq", 0, 10)) == []
    assert reader.fork_position("k1") is None and reader.fork_position("never") is None
    with world.group() as tx:
        assert tx.records([("ticket", "t1")]) == {} and tx.ticket_of_number("WO-1") is None
        assert tx.line("j1", fact_id(genesis("j1"))) is None and tx.ledger.size == 0


def test_a_chain_comes_back_with_everything_known_of_it(world: World) -> None:
    chain = new_chain()
    chain.anchor, chain.last = Anchor(NOON, 500, Reading(NOON + 7, 7, "启动-1")), Reading(NOON + 9, 9, "启动-1")
    chain.known, chain.previous, chain.durable = [(40, "x" * 43, NOON), (50, "y" * 43, NOON + 1)], "j0", 3
    chain.heard_at, chain.waiting, chain.oldest_s = NOON, 57, 86_400
    with world.group() as tx:
        tx.apply(extend(chain, b"one"))
    world.reopen()
    (found,) = world.reader.chains("j1")
    assert replace(found, key=0) == replace(chain, key=0)


def test_heads_told_before_their_lines_need_no_lines_to_be_kept(world: World) -> None:
    chain = new_chain()
    with world.group() as tx:
        tx.apply(extend(chain, b"one"))
    with world.group() as tx:
        (found,) = tx.chains("j1")
        found.known.append((9, "h" * 43, NOON))
        tx.apply(Effects(chains=[found]))
    (found,) = world.reader.chains("j1")
    assert (found.n, found.known) == (1, [(9, "h" * 43, NOON)]) and len(world.fact_ids()) == 1


def test_the_trunk_comes_before_its_branches_whatever_their_names_and_whichever_was_written_last(world: World) -> None:
    trunk = new_chain()
    with world.group() as tx:
        tx.apply(extend(trunk, b"one", b"two"))
        one = world_head(tx, trunk, 1)
        tx.apply(extend(branch_of(trunk, 1, one, "a~before-the-trunk-by-name"), b"other two"))
    with world.group() as tx:
        found = tx.chains("j1")
        tx.apply(extend(found[0], b"three"))
    found = world.reader.chains("j1")
    assert [(chain.name, chain.n) for chain in found] == [("j1", 3), ("a~before-the-trunk-by-name", 2)]
    assert found[1].trunk == ("j1", 1)


def world_head(tx: Transaction, chain: Chain, n: int) -> FactId:
    head = tx.head_at(next(known for known in tx.chains(chain.journal) if known.name == chain.name), n)
    assert head is not None
    return head


def test_a_head_is_known_in_its_very_chain_only(world: World) -> None:
    trunk = new_chain()
    with world.group() as tx:
        tx.apply(extend(trunk, b"one", b"two"))
        tx.apply(extend(branch_of(trunk, 1, world_head(tx, trunk, 1), "j1~b"), b"other two", b"other three"))
    stored, branch = world.reader.chains("j1")
    heads = [fact_id(head) for head in heads_of(genesis("j1"), [b"one", b"two"])]
    others = [fact_id(head) for head in heads_of(head_bytes(heads[0]) or b"", [b"other two", b"other three"])]
    assert [world.reader.head_at(stored, n) for n in range(4)] == [None, *heads, None]
    assert [world.reader.head_at(branch, n) for n in range(5)] == [None, None, *others, None]
    assert world.reader.head_at(new_chain("unknown"), 1) is None


def test_changing_a_chain_that_was_read_changes_nothing_stored(world: World) -> None:
    with world.group() as tx:
        tx.apply(extend(new_chain(), b"one"))
    for chain in world.reader.chains("j1"):
        chain.n, chain.waiting = 99, 99
        chain.known.append((1, "x", 1))
    (found,) = world.reader.chains("j1")
    assert (found.n, found.waiting, found.known) == (1, 0, [])


def test_a_journal_that_was_looked_at_goes_on_for_the_next_look(world: World) -> None:
    for said in range(1, 4):
        with world.group() as tx:
            (chain,) = tx.chains("j1") or [new_chain()]
            tx.apply(extend(chain, b"said %d" % said))
            assert [found.n for found in world.reader.chains("j1")] in ([said - 1], [])
        assert [found.n for found in world.reader.chains("j1")] == [said]
        assert [found.n for found in world.reader.chains("j1")] == [said]
    with world.group() as tx:
        (trunk,) = tx.chains("j1")
        tx.apply(extend(branch_of(trunk, 1, world_head(tx, trunk, 1), "j1~b"), b"other two"))
    assert [found.n for found in world.reader.chains("j1")] == [3, 2]


def test_a_line_comes_back_byte_for_byte_by_chain_and_id(world: World) -> None:
    odd = [b"plain", b"\x00\xff\xfe not text", "换了熔断器".encode(), b""]
    chain = new_chain()
    effects = extend(chain, *odd)
    with world.group() as tx:
        tx.apply(effects)
        tx.apply(extend(new_chain("j2"), b"elsewhere"))
    world.reopen()
    with world.group() as tx:
        for line in effects.lines:
            found = tx.line("j1", line.id)
            assert found is not None and (found[0].name, found[1:]) == ("j1", (line.n, line.raw))
        assert tx.line("j2", effects.lines[0].id) is None
        assert tx.line("j1", fact_id(genesis("j1"))) is None


def test_a_line_of_a_branch_is_found_under_the_branch(world: World) -> None:
    trunk = new_chain()
    with world.group() as tx:
        tx.apply(extend(trunk, b"one", b"two"))
        effects = extend(branch_of(trunk, 1, world_head(tx, trunk, 1), "j1~b"), b"other two")
        tx.apply(effects)
    with world.group() as tx:
        found = tx.line("j1~b", effects.lines[0].id)
        assert found is not None and found[0].trunk == ("j1", 1) and found[1:] == (2, b"other two")


# -------------------------------------------------------------------------------------------------------------- records


def full_record() -> Record:
    body = {
        "text": '塌方\n\t"quoted" \\ \u2028 😀',
        "lat": 27.94921,
        "big": 2**53,
        "small": -0.1,
        "none": None,
        "list": [[], {}],
    }
    write = Write(
        FactId("f" * 43), "note", Side.FIELD, "member:m", None, "j1", 3, 17, NOON, None, NOON + 1, "v1", 2, body, position=9,
        trunk=("j1", 2), ticket="other", flags=("far", "stale"), device="d1",
    )  # fmt: skip
    office = Write(FactId("g" * 43), "assigned", Side.OFFICE, "user:a", "A", "office", 1, 0, NOON, NOON, NOON, None, 0, {})
    derived = {"contested": {"f" * 43: "stale-fence"}, "points": [1, 2.5, None]}
    return Record("ticket", "t1", [write, office], 12, {"hq": (12, None), "crew:A": (9, "reassigned")}, "t2", derived)


def test_a_record_comes_back_byte_for_byte(world: World) -> None:
    wanted = full_record()
    with world.group() as tx:
        tx.apply(Effects(records=[wanted], tails=[b"tail"], views=[{}]))
    world.reopen()
    with world.group() as tx:
        found = tx.records([("ticket", "t1"), ("ticket", "absent"), ("outcome", "t1")])
    assert list(found) == [("ticket", "t1")]
    assert found[("ticket", "t1")] == wanted
    assert wire.dump_record(found[("ticket", "t1")]) == wire.dump_record(full_record())


def test_changing_a_record_that_was_read_changes_nothing_until_it_is_written(world: World) -> None:
    with world.group() as tx:
        tx.apply(Effects(records=[full_record()], tails=[b"tail"], views=[{}]))
    with world.group() as tx:
        load(tx, ("ticket", "t1"))[0].writes.clear()
    with world.group() as tx:
        assert len(load(tx, ("ticket", "t1"))[0].writes) == 2


def test_records_of_two_kinds_may_share_an_id(world: World) -> None:
    with world.group() as tx:
        tx.apply(put(tx, [(record("x"), ["hq"]), (record("x", "outcome"), ["hq"])]))
    with world.group() as tx:
        assert set(tx.records([("ticket", "x"), ("outcome", "x")])) == {("ticket", "x"), ("outcome", "x")}
    assert [(kind, identity) for _, kind, identity, _, _ in world.reader.feed("hq", 0, 9)] == [
        ("ticket", "x"),
        ("outcome", "x"),
    ]


def test_a_record_made_and_changed_in_one_group_is_one_record(world: World) -> None:
    with world.group() as tx:
        tx.apply(put(tx, [(record("t1"), ["hq"])], "first"))
        tx.apply(put(tx, [(load(tx, ("ticket", "t1"))[0], ["hq"])], "second"))
    ((at, _, identity, _, tail),) = world.reader.feed("hq", 0, 9)
    assert (at, identity) == (2, "t1") and b"second" in tail


# ----------------------------------------------------------------------------------------------------------------- feed


def test_the_feed_is_in_commit_order_and_a_newer_row_replaces_the_older(world: World) -> None:
    with world.group() as tx:
        tx.apply(put(tx, [(record("t1"), ["hq"]), (record("t2"), ["hq"]), (record("t3"), ["hq"])], "old"))
    with world.group() as tx:
        tx.apply(put(tx, [(load(tx, ("ticket", "t1"))[0], ["hq"])], "new"))
    assert rows(world.reader) == [(2, "t2", None), (3, "t3", None), (4, "t1", None)]
    tails = {identity: tail for _, _, identity, _, tail in world.reader.feed("hq", 0, 9)}
    assert b"new" in tails["t1"] and b"old" in tails["t2"]
    assert tails["t1"] == wire.record_tail("ticket", "t1", {"state": "dispatched", "note": "new"})


def test_pages_of_the_feed_join_without_gap_or_overlap(world: World) -> None:
    for turn in range(5):
        with world.group() as tx:
            tx.apply(put(tx, [(record(f"r{turn}-{n}"), ["hq"]) for n in range(7)]))
    whole = world.reader.feed("hq", 0, 10**6)
    for size in (1, 2, 7, 34, 35, 36):
        joined: list[Any] = []
        while page := world.reader.feed("hq", joined[-1][0] if joined else 0, size):
            assert len(page) <= size and page[0][0] > (joined[-1][0] if joined else 0)
            joined += page
        assert joined == list(whole)
    assert [row[0] for row in whole] == list(range(1, 36))
    assert list(world.reader.feed("hq", 35, 10)) == [] and list(world.reader.feed("hq", 10**12, 10)) == []


def test_a_scope_that_loses_a_record_is_told_why_once(world: World) -> None:
    with world.group() as tx:
        tx.apply(put(tx, [(record("t1"), ["hq", "crew:A"])]))
    with world.group() as tx:
        tx.apply(put(tx, [(load(tx, ("ticket", "t1"))[0], ["hq", "crew:B"])]))
    with world.group() as tx:
        tx.apply(put(tx, [(load(tx, ("ticket", "t1"))[0], ["hq", "crew:B"])]))
    assert rows(world.reader, "crew:A") == [(2, "t1", "reassigned")]
    assert rows(world.reader, "crew:B") == rows(world.reader) == [(3, "t1", None)]
    with world.group() as tx:
        tx.apply(put(tx, [(load(tx, ("ticket", "t1"))[0], ["hq", "crew:A"])]))
    assert rows(world.reader, "crew:A") == [(4, "t1", None)]


def test_scopes_see_their_own_rows_only(world: World) -> None:
    with world.group() as tx:
        tx.apply(put(tx, [(record("t1"), ["hq", "crew:A"]), (record("t2"), ["hq", "crew:B"]), (record("t3"), ["hq"])]))
    assert [row[1] for row in rows(world.reader, "crew:A")] == ["t1"]
    assert [row[1] for row in rows(world.reader, "crew:B")] == ["t2"]
    assert [row[1] for row in rows(world.reader)] == ["t1", "t2", "t3"]
    assert rows(world.reader, "crew:a") == rows(world.reader, "crew:") == rows(world.reader, "") == []


def test_a_reader_that_asked_for_a_scope_too_early_finds_it_later(world: World) -> None:
    assert rows(world.reader, "member:new") == []
    with world.group() as tx:
        tx.apply(put(tx, [(record("t1"), ["member:new"])]))
    assert rows(world.reader, "member:new") == [(1, "t1", None)]


def test_positions_only_grow_and_none_is_seen_twice_although_groups_fail(world: World) -> None:
    seen: dict[int, str] = {}
    newest = 0
    for turn in range(12):
        try:
            with world.group() as tx:
                tx.apply(put(tx, [(record(f"r{turn}-{n}"), ["hq"]) for n in range(3)]))
                if turn % 3 == 1:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert world.reader.position == newest
            continue
        fresh = world.reader.feed("hq", newest, 99)
        assert len(fresh) == 3 and all(
            at > newest and seen.setdefault(at, identity) == identity for at, _, identity, _, _ in fresh
        )
        newest = fresh[-1][0]
        assert world.reader.position == newest
    assert len(rows(world.reader)) == len(seen) == 24


def test_several_takings_in_one_group_follow_each_other(world: World) -> None:
    with world.group() as tx:
        first, second = tx.take_positions(3), tx.take_positions(2)
        assert second == first + 3
        tx.apply(Effects())
        assert tx.position == first + 4 and tx.take_positions(1) == first + 5
        tx.apply(Effects())
    assert world.reader.position == 6


# --------------------------------------------------------------------------------------------- numbers, photos, devices


def test_a_ticket_number_leads_to_the_ticket_that_carries_it_last(world: World) -> None:
    with world.group() as tx:
        tx.apply(Effects(numbers=[("WO-1", "t1"), ("WO-2", "t2")]))
    with world.group() as tx:
        tx.apply(Effects(numbers=[("WO-1", "t3")]))
    world.reopen()
    with world.group() as tx:
        assert [tx.ticket_of_number(number) for number in ("WO-1", "WO-2", "WO-3", "wo-1")] == ["t3", "t2", None, None]


def test_a_photo_is_named_once_however_many_facts_name_it(world: World) -> None:
    with world.group() as tx:
        tx.apply(Effects(photos=[Photo("a" * 64, 100, "t1", "d1"), Photo("a" * 64, 100, "t2", "d2")]))
    with world.group() as tx:
        tx.apply(Effects(photos=[Photo("a" * 64, 999, "t1", "d1"), Photo("b" * 64, 7, "t1", "d1")]))
    assert world.photos() == {"a" * 64: 100, "b" * 64: 7}


@pytest.mark.parametrize(
    "device",
    [
        Device("d1", "m1", "A", frozenset({"A"}), "S1", {"kty": "EC", "x": "…"}),
        Device("d1", "m1", "B", frozenset({"A", "B", "C"}), "S1", {}),
        Device("d1", "m1", None, frozenset({"A"}), None, {}),
        Device("d1", "m1", "A", frozenset({"A"}), "S1", {}, revoked=True),
    ],
    ids=["one crew", "moved between crews", "in no crew now", "revoked"],
)
def test_a_device_is_known_with_its_present_crew_and_all_it_had(world: World, device: Device) -> None:
    world.enrol(device)
    assert world.reader.device("d1") == device and world.reader.device("d2") is None


# --------------------------------------------------------------------------------------------------------------- ledger


def test_the_ledger_is_the_tree_over_all_facts_in_commit_order_also_after_a_restart(world: World) -> None:
    for turn, count in enumerate([1, 2, 5, 8, 3, 13]):
        with world.group() as tx:
            effects = extend(new_chain(f"j{turn}"), *(b"%d" % n for n in range(count)))
            tx.ledger.extend([line.digest for line in effects.lines])
            tx.apply(effects)
        if turn % 2:
            world.reopen()
        with world.group() as tx:
            facts = world.fact_ids()
            assert (tx.ledger.size, tx.ledger.root()) == (len(facts), root_of(facts))


# ------------------------------------------------------------------------------------------------------- all or nothing


def spoil_before_apply(tx: Transaction) -> None:
    tx.ledger.extend([b"x" * 32])
    tx.take_positions(5)


def spoil_after_apply(tx: Transaction) -> None:
    (chain,) = tx.chains("j1")
    effects = extend(chain, b"never")
    tx.ledger.extend([line.digest for line in effects.lines])
    tx.apply(effects)
    tx.apply(put(tx, [(load(tx, ("ticket", "t1"))[0], ["hq", "crew:B"]), (record("t5"), ["hq", "crew:B"])]))
    tx.apply(Effects(numbers=[("WO-9", "t5")], photos=[Photo("c" * 64, 1, "t5", "d1")]))


def spoil_inside_apply(tx: Transaction) -> None:
    (chain,) = tx.chains("j1")
    effects = extend(chain, b"never")
    effects.lines *= 2  # a line is stored once
    tx.apply(effects)


@pytest.mark.parametrize("spoil", [spoil_before_apply, spoil_after_apply, spoil_inside_apply])
def test_a_failed_group_leaves_no_trace_and_the_next_one_works(world: World, spoil: Callable[[Transaction], None]) -> None:
    with world.group() as tx:
        effects = extend(new_chain(), b"one")
        tx.ledger.extend([line.digest for line in effects.lines])
        tx.apply(effects)
        tx.apply(put(tx, [(record("t1"), ["hq", "crew:A"])]))
    before = look(world)
    spoiled = (ZeroDivisionError, AssertionError, sqlite3.IntegrityError, psycopg.IntegrityError)
    with pytest.raises(spoiled), world.group() as tx:
        spoil(tx)
        raise ZeroDivisionError
    assert look(world) == before
    with world.group() as tx:
        assert tx.ticket_of_number("WO-9") is None
        (chain,) = tx.chains("j1")
        effects = extend(chain, b"two")
        tx.ledger.extend([line.digest for line in effects.lines])
        tx.apply(effects)
        tx.apply(put(tx, [(record("t5"), ["hq", "crew:B"]), (load(tx, ("ticket", "t1"))[0], ["hq", "crew:A"])]))
    assert rows(world.reader) == [(2, "t5", None), (3, "t1", None)]
    assert rows(world.reader, "crew:B") == [(2, "t5", None)] and rows(world.reader, "crew:A") == [(3, "t1", None)]
    world.reopen()
    with world.group() as tx:
        assert (tx.ledger.size, tx.ledger.root()) == (2, root_of(world.fact_ids()))
        assert [chain.n for chain in tx.chains("j1")] == [2]


def test_a_reader_sees_nothing_of_a_group_before_it_ends(world: World) -> None:
    with world.group() as tx:
        tx.apply(extend(new_chain(), b"one"))
        tx.apply(put(tx, [(record("t1"), ["hq"])]))
        assert world.reader.position == 0 and world.reader.chains("j1") == [] and rows(world.reader) == []
    assert world.reader.position == 1 and rows(world.reader) == [(1, "t1", None)]


# ------------------------------------------------------------------------------------------------------------ histories


def test_each_earlier_history_is_known_with_the_position_where_it_was_left(world: World) -> None:
    with world.group() as tx:
        tx.apply(put(tx, [(record(f"r{n}"), ["hq"]) for n in range(3)]))
    world.begin("k2")
    with world.group() as tx:
        tx.apply(put(tx, [(record(f"s{n}"), ["hq"]) for n in range(2)]))
    world.begin("k3")
    world.reopen()
    reader = world.reader
    assert (reader.incarnation, reader.position) == ("k3", 5)
    assert [reader.fork_position(name) for name in ("k1", "k2", "k3", "k4")] == [3, 5, None, None]


# --------------------------------------------------------------------------------------------- the stores tell one story


@pytest.mark.parametrize("seed", range(4))
def test_both_stores_give_the_same_answers_to_the_same_conversation(tmp_path: Path, seed: int) -> None:
    chance, hub = random.Random(seed), Hub(Seals(), NoRules(), radius_ms=RADIUS_MS)
    worlds: list[World] = [InMemory(), in_sqlite(tmp_path)]
    devices = [new_device(name, crew=crew) for name, crew in (("a", "A"), ("b", "A"), ("c", "B"))]
    phones = [new_phone(device) for device in devices]
    for world in worlds:
        for device in devices:
            world.enrol(device)
    for turn in range(25):
        phone, ticket = chance.choice(phones), f"t{chance.randrange(4)}"
        commands = [opening(f"t{turn}", chance.choice("AB"))] if chance.random() < 0.4 else []
        for _ in range(chance.randrange(4)):
            phone.note(ticket, f"{turn}")
        body, answers = phone.body(), []
        if chance.random() < 0.2:
            phone.replica.state.journals[-1].stated = 0  # sends everything again
        for world in worlds:
            push = hub.prepare(world.reader, body, phone.now)
            with world.group() as tx:
                receipts, positions = hub.commit(tx, [push], commands)
            feeds = [list(world.reader.feed(scope, 0, 10**6)) for scope in ("hq", "crew:A", "crew:B", "device:a", "device:c")]
            answers.append((receipts, positions, feeds, world.fact_ids(), world.reader.position))
        assert answers[0] == answers[1], f"they part at turn {turn}"
        phone.heard(answers[0][0][0])
    worlds[1].close()  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------- only where it is SQL


def test_an_erased_line_is_unknown_and_its_hash_stays(tmp_path: Path) -> None:
    world = in_sqlite(tmp_path)
    effects = extend(new_chain(), b"one", b"personal", b"three")
    with world.group() as tx:
        tx.apply(effects)
    with world._tx.group() as writing:
        writing.run("DELETE FROM body WHERE seq = 2")
    with world.group() as tx:
        assert tx.line("j1", effects.lines[1].id) is None
        assert tx.head_at(tx.chains("j1")[0], 2) == effects.lines[1].id
        tx.apply(extend(tx.chains("j1")[0], b"four"))
    assert len(world.fact_ids()) == 4
    world.close()


def follow(path: Path, scope: str, done: threading.Event, seen: list[tuple[int, str, bytes]]) -> None:
    """Page through a scope with a cursor until the writer is done and nothing is left."""
    connection = connect(path, writer=False)
    reader = StoreReader(connection)
    at = 0
    while True:
        ended = done.is_set()
        page = reader.feed(scope, at, 7)
        for position, _, identity, _, tail in page:
            assert position > at, "a row came out of order"
            at = position
            seen.append((position, identity, tail))
        if ended and not page:
            connection.close()
            return


def watch_whole(path: Path, done: threading.Event, generations: list[int]) -> None:
    """In every snapshot all rows must be of one group, and the position must be the newest row's."""
    connection = connect(path, writer=False)
    reader = StoreReader(connection)
    while not done.is_set():
        with reader.snapshot():
            position, found = reader.position, reader.feed("hq", 0, 10**6)
        notes = {tail.split(b'"note":"')[1].split(b'"')[0] for *_, tail in found}
        assert len(notes) <= 1, "half a commit was seen"
        assert position == (found[-1][0] if found else 0)
        generations += [int(note) for note in notes]
    connection.close()


def test_a_page_sees_every_row_of_its_feeds_and_of_those_nobody_announced(database: InDatabase) -> None:
    with database.group() as tx:
        tx.apply(put(tx, [(record(f"t{n}"), ["hq", "crew:A"] if n % 2 else ["hq"]) for n in range(ROWS_A_PAGE + 7)]))
    reader = database.reader
    alone = {scope: [*reader.feed(scope, 3, 10**6)] for scope in ("hq", "crew:A", "crew:B")}
    with reader.page({"hq": 3, "crew:B": 3}):
        first = [*reader.feed("hq", 3, ROWS_A_PAGE)]
        rest = [*reader.feed("hq", first[-1][0], ROWS_A_PAGE)]
        assert (len(first), first + rest) == (ROWS_A_PAGE, alone["hq"])
        assert [*reader.feed("hq", 3, 2)] == alone["hq"][:2] and [*reader.feed("hq", 3, 10**6)] == alone["hq"]
        assert [*reader.feed("crew:A", 3, ROWS_A_PAGE)] == alone["crew:A"] and [*reader.feed("crew:B", 3, 5)] == []
        assert reader.position == ROWS_A_PAGE + 7 and reader.incarnation == "k1"
    with reader.page({}):
        assert [*reader.feed("hq", 3, 10**6)] == alone["hq"]


def test_a_page_is_of_one_moment(database: InDatabase) -> None:
    with database.group() as tx:
        tx.apply(put(tx, [(record("t1"), ["hq", "crew:A"])], "before"))
    reader = database.reader
    with reader.page({"hq": 0, "crew:A": 0}):
        reader.feed("hq", 0, 5)
        with database.group() as tx:
            tx.apply(put(tx, [(found, ["hq", "crew:A"]) for found in load(tx, ("ticket", "t1"))], "after"))
        assert [b"before" in row[4] for scope in ("hq", "crew:A") for row in reader.feed(scope, 0, 5)] == [True, True]
        assert reader.position == 1
    assert [b"after" in row[4] for row in reader.feed("crew:A", 0, 5)] == [True] and reader.position == 2


def test_readers_beside_the_writer_skip_nothing_and_never_see_half_a_commit(tmp_path: Path) -> None:
    world, path, done, failures = in_sqlite(tmp_path), tmp_path / "district.db", threading.Event(), []
    keys: list[Key] = [("ticket", f"t{n}") for n in range(20)]
    seen: dict[str, list[tuple[int, str, bytes]]] = {"hq": [], "crew:A": []}
    generations: list[int] = []

    def guarded(run: Callable[[], None]) -> Callable[[], None]:
        def body() -> None:
            try:
                run()
            except BaseException as error:
                failures.append(error)

        return body

    jobs: list[Callable[[], None]] = [
        lambda: follow(path, "hq", done, seen["hq"]),
        lambda: follow(path, "crew:A", done, seen["crew:A"]),
        lambda: watch_whole(path, done, generations),
    ]
    threads = [threading.Thread(target=guarded(job)) for job in jobs]
    for thread in threads:
        thread.start()
    for generation in range(1, 201):
        try:
            with world.group() as tx:
                tx.apply(put(tx, [(found, ["hq", "crew:A"]) for found in load(tx, *keys)], str(generation)))
                if generation % 10 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    for scope, found in seen.items():
        final = world.reader.feed(scope, 0, 10**6)
        assert {(at, identity, tail) for at, _, identity, _, tail in final} <= set(found), "a cursor passed a row"
        assert {identity: tail for _, identity, tail in found} == {identity: tail for _, _, identity, _, tail in final}
    assert generations == sorted(generations) and not any(generation % 10 == 0 for generation in generations)
    world.close()
