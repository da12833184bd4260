"""Several writers over one PostgreSQL, and what networks and servers do to them: nothing lost, doubled or out of order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from server.storage import migrate
from server.storage.cluster import PostgresDatabase, grant
from server.storage.session import Session, libpq_address
from server.storage.store import Away, StoreTransaction
from server.storage.writer import Writer
from sync.hub import Hub, NoRules, Push, Receipt
from sync.problems import Refused
from tests.scene import NOON, RADIUS_MS, Seals
from tests.services.postgres import Postgres
from tests.storage.kills import kill_servers_and_database
from tests.storage.world import Phone, chains_in, check_agrees, enrol, new_device, new_phone, opening


@dataclass
class Process:
    """What one server process has of the store."""

    database: PostgresDatabase
    transaction: Any
    hub: Hub
    writer: Writer

    @classmethod
    def start(cls, address: str, name: str = "k") -> Process:
        database = PostgresDatabase(address)
        made = iter(range(100))
        transaction = database.open(lambda: f"{name}{next(made)}", lambda: NOON)
        hub = Hub(Seals(), NoRules(), radius_ms=RADIUS_MS)
        return cls(database, transaction, hub, Writer(hub, transaction, people_changed=database.roster.forget))

    def stop(self) -> None:
        self.writer.stop()
        self.database.close()

    def prepare(self, phone: Phone) -> Push:
        reader = self.database.reader()
        try:
            return self.hub.prepare(reader, phone.body(), phone.now)
        finally:
            reader.close()

    def push(self, phone: Phone) -> Receipt:
        receipt = self.writer.push(self.prepare(phone)).result()
        phone.heard(receipt)
        return receipt

    def phone(self, name: str) -> Phone:
        device = new_device(name)
        self.writer.work(lambda tx: enrol(tx, device))
        return new_phone(device)


@contextmanager
def processes(address: str, count: int) -> Iterator[list[Process]]:
    running = [Process.start(address, f"k{n}-") for n in range(count)]
    yield running
    for process in running:
        process.stop()


def whole(address: str) -> dict[str, list[Any]]:
    """Every chain in the database, after checking that all of it agrees."""
    session = Session(address, writer=False)
    try:
        return dict(check_agrees(session))
    finally:
        session.close()


# ---------------------------------------------------------------------------------------------------------------- rights


def test_a_servers_role_may_do_its_work_and_never_change_what_was_recorded(postgres: Postgres, new_postgres: str) -> None:
    database = new_postgres.partition("@/")[2].partition("?")[0]
    postgres.execute("DROP ROLE IF EXISTS clerk")
    postgres.execute("CREATE ROLE clerk LOGIN")
    grant(new_postgres, "clerk")
    address = postgres.address(database, user="clerk")
    with processes(address, 1) as (server,):
        server.writer.command(opening("t1"))
        phone = server.phone("p1")
        phone.note("t1")
        server.push(phone)
        for forbidden in (
            "UPDATE fact SET kind = 'x'",
            "DELETE FROM fact",
            "UPDATE body SET line = ''",
            "DELETE FROM body",
            "TRUNCATE fact",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                server.writer.work(lambda tx, forbidden=forbidden: tx.run(forbidden))  # type: ignore[misc]
        phone.note("t1")
        assert server.push(phone).n == 3
    whole(address)


def test_an_upgrade_waits_for_nobody_for_long_and_is_done_when_the_tables_are_free(
    bare_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(migrate, "LOCK_PAUSE_S", 0.02)
    engine = migrate.engine_for(bare_postgres)
    migrate.upgrade(engine, "0004")
    with psycopg.connect(libpq_address(bare_postgres)) as busy:
        busy.execute("LOCK TABLE history IN ACCESS SHARE MODE")
        monkeypatch.setattr(migrate, "LOCK_TRIES", 2)
        with pytest.raises(migrate.Blocked):
            migrate.upgrade(engine)
        assert migrate.current(engine) == "0004"
        monkeypatch.setattr(migrate, "LOCK_TRIES", 1000)
        with ThreadPoolExecutor(1) as pool:
            upgrading = pool.submit(migrate.upgrade, engine)
            for _ in range(20):
                with psycopg.connect(libpq_address(bare_postgres)) as other:
                    assert other.execute("SELECT count(*) FROM history").fetchone() == (0,), "others are served meanwhile"
            busy.rollback()
            upgrading.result()
    assert migrate.at_head(engine)


# --------------------------------------------------------------------------------------------------------- side by side


def test_writers_of_several_processes_lose_and_double_nothing_and_no_cursor_is_passed(bare_postgres: str) -> None:
    chance = random.Random(7)
    with processes(bare_postgres, 3) as servers:
        tickets = [f"t{n}" for n in range(6)]
        for ticket in tickets:
            servers[0].writer.command(opening(ticket))
        phones = [servers[0].phone(f"p{n}") for n in range(12)]
        stopped = threading.Event()
        following = Follower(servers[1].database)
        follower = threading.Thread(target=following.follow, args=(stopped,))
        follower.start()
        with ThreadPoolExecutor(12) as pool:
            seeds = [chance.random() for _ in phones]
            list(pool.map(lambda each: work(servers, *each), zip(phones, [tickets] * 12, seeds, strict=True)))
        stopped.set()
        follower.join()
        chains = whole(bare_postgres)
        assert all(chains[phone.replica.state.journals[0].id][-1] for phone in phones)
        for phone in phones:
            assert len(chains[phone.replica.state.journals[0].id]) == 1 + 5 * 4
        assert following.latest == everything(servers[1].database)
        for server in servers:
            assert server.database.horizon.newest[""] == max(position for position, _ in following.latest.values())


def work(servers: Sequence[Process], phone: Phone, tickets: Sequence[str], seed: float) -> None:
    """Five pushes of four notes, each by way of any process."""
    chance = random.Random(seed)
    for _ in range(5):
        for _ in range(4):
            phone.note(chance.choice(tickets))
        chance.choice(servers).push(phone)


class Follower:
    """A client that pages through headquarters' feed while others write, and never goes back."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self.latest: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._cursor = 0

    def follow(self, stopped: threading.Event) -> None:
        reader = self._database.reader()
        while True:
            last = stopped.is_set()
            page = reader.feed("hq", self._cursor, 7)
            for position, kind, identity, _, tail in page:
                assert position > self._cursor
                self._cursor = position
                self.latest[(kind, identity)] = (position, tail)
            if last and not page:
                reader.close()
                return


def everything(database: PostgresDatabase) -> dict[tuple[str, str], tuple[int, bytes]]:
    reader = database.reader()
    found = {(kind, identity): (position, tail) for position, kind, identity, _, tail in reader.feed("hq", 0, 100_000)}
    reader.close()
    return found


def test_a_push_that_reaches_two_processes_at_once_is_stored_once(bare_postgres: str) -> None:
    with processes(bare_postgres, 2) as servers, ThreadPoolExecutor(2) as pool:
        servers[0].writer.command(opening("t1"))
        phone = servers[0].phone("p1")
        for turn in range(10):
            phone.note("t1", f"note {turn}")
            ready = [server.prepare(phone) for server in servers]
            receipts = list(pool.map(lambda each: each[0].writer.push(each[1]).result(), zip(servers, ready, strict=True)))
            assert {(receipt.n, receipt.head) for receipt in receipts} == {(turn + 2, phone.replica.state.journals[0].head)}
            assert sum(receipt.stored for receipt in receipts) == (2 if turn == 0 else 1)
            phone.heard(receipts[0])
        whole(bare_postgres)


def test_a_new_journal_that_reaches_two_processes_at_once_is_opened_once(bare_postgres: str) -> None:
    with processes(bare_postgres, 2) as servers, ThreadPoolExecutor(2) as pool:
        for turn in range(8):
            phone = servers[0].phone(f"p{turn}")
            ready = [server.prepare(phone) for server in servers]
            receipts = list(pool.map(lambda each: each[0].writer.push(each[1]).result(), zip(servers, ready, strict=True)))
            assert sorted(receipt.stored for receipt in receipts) == [0, 1]
        assert len(whole(bare_postgres)) == 8


def test_two_transactions_that_wait_for_each_other_are_no_fault(bare_postgres: str) -> None:
    with processes(bare_postgres, 2) as servers, ThreadPoolExecutor(2) as pool:
        for ticket in ("t1", "t2"):
            servers[0].writer.command(opening(ticket))
        meet = threading.Barrier(2)

        def cross(server: Process, first: str, second: str) -> bool:
            """Lock one after the other, once the other process holds its first; whether this one had to give way."""
            try:
                with server.transaction.group() as tx:
                    tx.records([("ticket", first)])
                    meet.wait()
                    tx.records([("ticket", second)])
            except psycopg.Error as error:
                assert server.transaction.passing(error)
                return True
            return False

        one = pool.submit(cross, servers[0], "t1", "t2")
        other = pool.submit(cross, servers[1], "t2", "t1")
        assert sorted([one.result(), other.result()]) == [False, True]


def test_the_offices_own_work_runs_alone(bare_postgres: str) -> None:
    with processes(bare_postgres, 2) as servers, ThreadPoolExecutor(2) as pool:
        inside, go_on = threading.Event(), threading.Event()

        def hold(tx: Any) -> None:
            inside.set()
            go_on.wait()

        working = pool.submit(servers[0].writer.work, hold)
        inside.wait()
        waiting = pool.submit(servers[1].writer.command, opening("t1"))
        assert not waiting.done()
        go_on.set()
        working.result()
        assert waiting.result() > 0


def test_people_who_change_in_one_process_change_in_the_others(bare_postgres: str) -> None:
    with processes(bare_postgres, 2) as servers:
        servers[0].phone("p1")
        reader = servers[1].database.reader()
        device = reader.device("p1")
        assert device is not None and not device.revoked
        servers[0].writer.work(lambda tx: tx.run("UPDATE device SET revoked_at = 1 WHERE id = 'p1'"))
        until(lambda: (found := reader.device("p1")) is not None and found.revoked)
        reader.close()


def test_a_journal_that_moved_in_one_process_is_asked_about_anew_in_the_others(bare_postgres: str) -> None:
    with processes(bare_postgres, 2) as servers:
        servers[0].writer.command(opening("t1"))
        phone = servers[0].phone("p1")
        journal = phone.replica.state.journals[0].id
        servers[0].push(phone)
        reader, horizon = servers[1].database.reader(), servers[1].database.horizon
        until(lambda: [chain.n for chain in reader.chains(journal)] == [1] and horizon.journal(journal) is not None)
        phone.note("t1")
        servers[0].push(phone)
        until(lambda: [chain.n for chain in reader.chains(journal)] == [2])
        reader.close()


def test_word_of_a_commit_fits_however_long_the_names_are(bare_postgres: str) -> None:
    with processes(bare_postgres, 1) as (server,):
        database, names = server.database, [f"{at:03d}-" + "长" * 120 for at in range(60)]
        with server.transaction.group() as tx:
            tx._moved, tx._journals = dict.fromkeys(names, 7), set(names)
        until(lambda: all(database.horizon.newest.get(name) == 7 for name in names))


# ------------------------------------------------------------------------------------------------------------ broken lines


class Breaking:
    """A session whose connection ends at one COMMIT: before it took place, or after."""

    def __init__(self, session: Session, *, after: bool) -> None:
        self._session, self._after = session, after
        self.broke = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        if statement != "COMMIT" or self.broke:
            return self._session.execute(statement, parameters)
        self.broke = True
        if self._after:
            self._session.execute(statement)
        self._session.close()
        raise psycopg.OperationalError("the connection ended here")


def break_next_commit(server: Process, *, after: bool) -> Breaking:
    breaking = Breaking(server.transaction._session, after=after)
    server.transaction._session, server.transaction._connection = breaking, breaking
    server.transaction._run = breaking.execute
    return breaking


@pytest.mark.parametrize("after", [False, True], ids=["before it took place", "after it took place"])
def test_the_offices_own_work_is_done_once_though_the_answer_to_its_commit_was_lost(bare_postgres: str, after: bool) -> None:
    with processes(bare_postgres, 1) as (server,):
        server.writer.work(lambda tx: tx.run("INSERT INTO counter (name, value) VALUES ('done', 0)"))
        breaking = break_next_commit(server, after=after)
        server.writer.work(lambda tx: tx.run("UPDATE counter SET value = value + 1 WHERE name = 'done'"))
        session = Session(bare_postgres, writer=False)
        assert breaking.broke
        assert session.execute("SELECT value FROM counter WHERE name = 'done'").fetchone() == (1,)
        session.close()


@pytest.mark.parametrize("after", [False, True], ids=["before it took place", "after it took place"])
def test_a_commit_whose_answer_was_lost_counts_exactly_once(bare_postgres: str, after: bool) -> None:
    with processes(bare_postgres, 1) as (server,):
        server.writer.command(opening("t1"))
        phone = server.phone("p1")
        breaking = break_next_commit(server, after=after)
        phone.note("t1")
        server.push(phone)
        position = server.writer.command(opening("t2"))
        assert breaking.broke and position == server.database.horizon.newest[""]
        chains = whole(bare_postgres)
        assert len(chains[phone.replica.state.journals[0].id]) == 2 and len(chains["office"]) == 4


def test_connections_an_operator_ends_are_made_anew_and_what_was_under_way_is_done_once(bare_postgres: str) -> None:
    with processes(bare_postgres, 1) as (server,):
        server.writer.command(opening("t1"))
        ended, device = 0, new_device("p1")

        def work(tx: StoreTransaction) -> None:
            nonlocal ended
            enrol(tx, device)
            if not ended:
                ended = end_connections(bare_postgres)

        server.writer.work(work)
        assert ended > 1
        reader = server.database.reader()
        with pytest.raises(Refused, match="busy"), reader.snapshot():
            end_connections(bare_postgres)
            reader.device("p1")
        assert server.writer.command(opening("t2")) == reader.position
        reader.close()
        session = Session(bare_postgres, writer=False)
        assert session.execute("SELECT count(*) FROM device WHERE id = 'p1'").fetchone() == (1,)
        session.close()


def test_while_the_database_is_away_everything_is_refused_as_busy_and_goes_on_when_it_is_back() -> None:
    with Postgres().create() as postgres, processes(postgres.address(postgres.new_database()), 1) as (server,):
        server.writer.command(opening("t1"))
        phone = server.phone("p1")
        reader = server.database.reader()
        phone.note("t1")
        ready = server.prepare(phone)
        postgres.kill()
        attempts: list[Callable[[], Any]] = [
            lambda: server.writer.push(ready).result(),
            lambda: reader.position,
            lambda: server.writer.command(opening("t2")),
        ]
        for attempt in attempts:
            with pytest.raises(Refused, match="busy"):
                attempt()
        assert not server.database.horizon.known or until(lambda: not server.database.horizon.known)
        postgres.start()
        assert server.writer.push(ready).result().n == 2 and reader.position > 0
        until(lambda: server.database.horizon.known)
        reader.close()


def test_a_promoted_replica_begins_a_new_history_in_every_process_and_phones_bring_what_it_lacks() -> None:
    with Postgres().create() as primary:
        database = primary.new_database()
        standby = primary.standby()
        address = f"postgresql://postgres@/{database}?host={primary.folder},{standby.folder}&target_session_attrs=read-write"
        with standby, processes(address, 2) as servers:
            servers[0].writer.command(opening("t1"))
            phone = servers[0].phone("p1")
            servers[0].push(phone)
            caught_up(primary, standby)
            standby.execute("SELECT pg_wal_replay_pause()")
            phone.note("t1", "only the primary has this")
            servers[0].push(phone)
            old = servers[0].database.incarnation
            primary.kill()
            standby.execute("SELECT pg_wal_replay_resume()")
            standby.promote()
            phone.note("t1", "and this comes later")
            answer = eventually(lambda: servers[1].push(phone))
            assert servers[1].database.incarnation != old
            eventually(lambda: servers[0].writer.command(opening("t2")))
            until(lambda: servers[0].database.incarnation == servers[1].database.incarnation)
            assert answer.n == 3 or answer.problem is not None
            assert len(set(history(address))) == 2
            check = Session(address, writer=False)
            assert chains_in(check)
            check.close()


def test_whatever_was_acknowledged_before_a_kill_of_a_server_or_of_the_database_is_stored() -> None:
    with Postgres().create() as postgres:
        outcome = kill_servers_and_database(postgres, kills=12, seed=3)
    assert outcome.lost == [] and outcome.servers_killed and outcome.databases_killed
    assert outcome.acknowledged > 12


def end_connections(address: str) -> int:
    """How many there were, but for the one that ends them."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(libpq_address(address), autocommit=True) as operator:
        return len(operator.execute(f"SELECT pg_terminate_backend(pid) {others}").fetchall())


def caught_up(primary: Postgres, standby: Postgres) -> None:
    written = primary.execute("SELECT pg_current_wal_lsn()")[0][0]
    until(lambda: bool(standby.execute(f"SELECT pg_last_wal_replay_lsn() >= '{written}'")[0][0]))


def history(address: str) -> list[str]:
    session = Session(address, writer=False)
    found = [row[0] for row in session.execute("SELECT incarnation FROM history ORDER BY number").fetchall()]
    session.close()
    return found


def until(true: Callable[[], bool]) -> bool:
    """Wait for what must become true; the test's own end is the limit."""
    pause = threading.Event()
    while not true():
        pause.wait(0.02)
    return True


def eventually(attempt: Callable[[], Any]) -> Any:
    """What an attempt gives once the database is there again."""
    while True:
        try:
            return attempt()
        except Away:
            threading.Event().wait(0.05)
