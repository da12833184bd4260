"""A data folder as a busy district has it: people and phones through the service, tickets and history in bulk.

Tickets are made by the real hub once and then copied with other names, because a hundred thousand of them through the front
door would take longer than everything that is measured. What is copied reads back like any other row.
"""

from __future__ import annotations

import copy
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clients.handset.keys import KeyList, Signer, new_device_key, public_jwk
from clients.handset.load import Enrolled
from server import commands
from server.archive.commands import move_server
from server.auth import Role, Tokens
from server.desk.office import OfficeRules
from server.keys import KeyRing
from server.service import Service
from server.settings import load_settings
from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.sql import insert_all, upsert
from server.storage.store import StoreTransaction, device_row
from sync import wire
from sync.facts import Record, Statement
from sync.hub import Hub
from sync.journal import fact_id, genesis, link
from sync.judge import Command
from sync.ledger import Ledger
from sync.memory import MemoryStore
from sync.problems import Refused
from sync.store import Chain, Device
from tests.bench.plain import Plain

TICKETS_A_CREW = 30
CREWS_A_STATION = 5
FIRST_SYNC_TICKETS = 500
NOW = 1_795_312_800_000
_HQ = 1  # the first scope's id
_CHUNK = 20_000
_HISTORY_LINES = 500  # lines of each journal that fills the past


@dataclass(frozen=True, slots=True)
class World:
    """A prepared folder. `crew_phones` have a crew of their own each, `newcomers` share the crew with 500 tickets.

    `database` is the PostgreSQL database it was moved to, or empty: then it is the folder's own.
    """

    data: Path
    crew_phones: list[Enrolled]
    newcomers: list[Enrolled]
    hq_token: str
    tickets: int
    database: str = ""

    @property
    def file(self) -> Path:
        """Where it was built."""
        return Path(load_settings(data=self.data).database.removeprefix("sqlite:///"))

    def stored_facts(self) -> int:
        """How many journal lines the database holds."""
        return self._plain().number("SELECT count(*) FROM fact")

    def feed_rows(self) -> int:
        """How many records headquarters sees."""
        return self._plain().number("SELECT count(*) FROM feed JOIN scope ON scope.id = feed.scope AND scope.name = 'hq'")

    def _plain(self) -> Plain:
        return Plain(self.database or f"sqlite:///{self.file}")


def build(data: Path, *, phones: int, newcomers: int, tickets: int, facts: int) -> World:
    """A new folder with keys, people, phones, at least `tickets` tickets and `facts` lines of history."""
    settings = load_settings(data=data)
    commands.init(settings)
    keys = KeyRing.load(settings.keys_directory)
    tokens = Tokens(keys, time.time, new_id=iter(_names("jti")).__next__)
    crews = max(phones, tickets // TICKETS_A_CREW)
    held = [tuple(_ticket_id(crew * TICKETS_A_CREW + at) for at in range(TICKETS_A_CREW)) for crew in range(phones)]
    shared = tuple(_ticket_id(crews * TICKETS_A_CREW + at) for at in range(FIRST_SYNC_TICKETS))
    service = Service(settings)
    try:
        trusted = KeyList(keys.public_keys())
        enrol = _Enrolment(tokens, trusted)
        alone = [enrol.phone(f"crew-{crew}", held[crew]) for crew in range(phones)]
        together = [enrol.phone(f"crew-{crews}", shared) for _ in range(newcomers)]
        service.writer.work(lambda tx: enrol.store(tx, crews + 1))
    finally:
        service.close()
    hq = tokens.issue("token:bench", Role.HQ, minutes=600)
    world = World(data, alone, together, hq, crews * TICKETS_A_CREW + FIRST_SYNC_TICKETS)
    with _bulk(world.file) as database:
        _add_tickets(database, crews)
        add_history(database, facts)
    return world


def office_token(data: Path) -> str:
    """An admin's token for a server that runs on the keys of this folder."""
    keys = KeyRing.load(load_settings(data=data).keys_directory)
    return Tokens(keys, time.time, new_id=lambda: "bench").issue("user:storm", Role.ADMIN, minutes=600)


class _Enrolment:
    """Members and phones, a pair at a time."""

    def __init__(self, tokens: Tokens, trusted: KeyList) -> None:
        self._tokens = tokens
        self._trusted = trusted
        self._crews: list[str] = []
        self._keys: list[dict[str, str]] = []

    def phone(self, crew: str, tickets: tuple[str, ...]) -> Enrolled:
        """A member of the crew with a phone and a token."""
        at = len(self._crews)
        key = new_device_key()
        self._crews.append(crew)
        self._keys.append(public_jwk(key))
        device, member = _device_id(at), f"m{at:05d}"
        token = self._tokens.issue(f"device:{device}", Role.MEMBER, minutes=600, device=device, member=member)
        return Enrolled(device, member, Signer(key, self._trusted), token, tickets)

    def store(self, tx: StoreTransaction, crews: int) -> None:
        """Everything about people, in one transaction."""
        queries = Queries(tx)
        stations = range(-(-crews // CREWS_A_STATION))
        queries.put(t.Station, [{"id": f"s{at}", "name": "所", "name_en": "Station"} for at in stations], "id")
        names = {"name": "班", "name_en": "Crew", "vehicle": "", "skills": ""}
        rows = [{"id": f"crew-{at}", "station": f"s{at // CREWS_A_STATION}", **names} for at in range(crews)]
        queries.put(t.Crew, rows, "id")
        person = {"name": "李", "name_en": "Li", "phone": "", "role": "member", "skills": ""}
        queries.put(t.Member, [{"id": f"m{at:05d}", **person} for at in range(len(self._crews))], "id")
        tx.executemany(insert_all(t.Membership), [(None, f"m{at:05d}", crew, 1, None) for at, crew in enumerate(self._crews)])
        devices = [device_row(_device_id(at), f"m{at:05d}", "phone", key, NOW) for at, key in enumerate(self._keys)]
        tx.executemany(insert_all(t.Phone), devices)


def _names(prefix: str) -> Iterator[str]:
    at = 0
    while True:
        at += 1
        yield f"{prefix}-{at:08d}"


# ----------------------------------------------------------------------------------------------------------------- tickets


def _device_id(at: int) -> str:
    return f"01990000-0000-7000-9000-{at:012d}"


def _ticket_id(at: int) -> str:
    return f"01990000-0000-7000-8000-{at:012d}"


class _NoSeals:
    def checkpoint(self, jws: str, device: Device) -> tuple[str, int, str]:
        raise Refused("bad-checkpoint")

    def statement(self, jws: str) -> Statement | None:
        return None


def _template() -> tuple[Record, Mapping[str, Any]]:
    """A ticket the hub itself opened and assigned, with its view."""
    fields = {
        "number": "WO-0", "kind": "fault_repair", "source": "hotline", "account_no": "3601 2288 1042",
        "customer_name": "王秀兰", "contact_phone": "138 0000 4821", "address": "抚州市临川区文昌街道柳巷18号3单元502室",
        "position": {"lat": 27.94921, "lon": 116.35812, "acc_m": 40, "source": "geocoder"}, "station": "s1", "area": "a12",
        "area_class": "urban", "feeder": "10kV文昌线", "transformer_area": "柳巷1号公变", "priority": 3,
        "description": "客户反映家中全部停电,邻居有电,空气开关未跳,疑似进户线故障。", "received_at": NOW,
    }  # fmt: skip
    store = MemoryStore("k0")
    hub = Hub(_NoSeals(), OfficeRules(lambda sealed: {}, lambda ticket, fence: f"/r/{ticket}/{fence}"), radius_ms=1000)
    opened = Command("created", "user:agent", "T", {"set": fields}, NOW)
    given = Command("assigned", "user:dispatcher", "T", {"crew": "C"}, NOW + 60_000)
    with store.transaction() as tx:
        hub.commit(tx, [], [[opened, given]])
    record = store.records([("ticket", "T")])[("ticket", "T")]
    tail = next(row[4] for row in store.feed("hq", 0, 100) if row[1] == "ticket")
    return record, wire.strict_json(b"{" + tail)["put"]


def _ticket_rows(crews: int) -> Iterator[tuple[int, str, str, bytes, bytes]]:
    """(position, id, crew, tail, doc) of every ticket."""
    template, view = _template()
    record, shown = copy.deepcopy(template), copy.deepcopy(dict(view))
    opened, given = record.writes
    for at in range(crews * TICKETS_A_CREW + FIRST_SYNC_TICKETS):
        crew = f"crew-{min(at // TICKETS_A_CREW, crews)}"
        record.id = opened.ticket = given.ticket = _ticket_id(at)
        record.position = opened.position = given.position = at + 1
        record.scopes = {"hq": (at + 1, None), f"crew:{crew}": (at + 1, None)}
        given.body["crew"] = shown["assigned_crew"] = shown["assignments"][0]["crew"] = crew
        opened.body["set"]["number"] = shown["number"] = f"WO-{at:07d}"
        yield at + 1, record.id, crew, wire.record_tail("ticket", record.id, shown), wire.dump_record(record)


def _add_tickets(database: sqlite3.Connection, crews: int) -> None:
    scopes = [(_HQ, "hq"), *((_HQ + 1 + crew, f"crew:crew-{crew}") for crew in range(crews + 1))]
    database.executemany(insert_all(t.ScopeName), scopes)
    last = 0
    for chunk in _chunks(_ticket_rows(crews)):
        database.executemany(
            insert_all(t.StoredRecord),
            [(at, "ticket", name, at, "dispatched", crew, tail, doc) for at, name, crew, tail, doc in chunk],
        )
        database.executemany(insert_all(t.Feed), [(_HQ, at, at, None) for at, _, _, _, _ in chunk])
        of_crew = [(_HQ + 1 + int(crew.partition("-")[2]), at, at, None) for at, _, crew, _, _ in chunk]
        database.executemany(insert_all(t.Feed), of_crew)
        database.executemany(insert_all(t.TicketNumber), [(f"WO-{at - 1:07d}", name) for at, name, _, _, _ in chunk])
        last = chunk[-1][0]
    database.execute(upsert(t.Counter, "name"), ("position", last))


# ----------------------------------------------------------------------------------------------------- a long history


_OLD_LINE = (
    b'{"n":%d,"kind":"answer","v":1,"ticket":"01980000-0000-7000-8000-%012d","visit":"01980000-0000-7000-9000-%012d",'
    b'"fence":1,"base":["k0",%d],"wall":1790000000000,"mono":%d,"boot":"b1","guide":"fault-repair-lv","guide_version":3,'
    b'"step":"voltage","value":%d,"unit":"V"}'
)


def add_history(database: sqlite3.Connection, facts: int) -> None:
    """So many stored lines more, in whole journals of unknown phones, with their hashes and the ledger over them."""
    row = database.execute("SELECT size, frontier FROM ledgernode").fetchone()
    size, frontier = row or (0, b"")
    ledger = Ledger(size, [frontier[i : i + 32] for i in range(0, len(frontier), 32)])
    seq = int(database.execute("SELECT coalesce(max(seq), 0) FROM fact").fetchone()[0])
    journal = int(database.execute("SELECT coalesce(max(key), 0) FROM journal").fetchone()[0])
    while facts > 0:
        count = min(facts, _HISTORY_LINES)
        journal += 1
        seq = _add_journal(database, ledger, journal, seq, count)
        facts -= count
    database.execute(upsert(t.LedgerNode, "id"), (1, ledger.size, b"".join(ledger.frontier)))


def _add_journal(database: sqlite3.Connection, ledger: Ledger, key: int, seq: int, count: int) -> int:
    name = f"old-{key}"
    lines = [_OLD_LINE % (n, key, n, n, n * 1000, 210 + n % 20) for n in range(1, count + 1)]
    heads, head = [], genesis(name)
    for line in lines:
        head = link(head, line)
        heads.append(head)
    ledger.extend(heads)
    numbered = list(enumerate(zip(heads, lines, strict=True), seq + 1))
    ticket = f"01980000-0000-7000-8000-{key:012d}"
    facts = [(at, key, at - seq, head, "answer", ticket, NOW, None, NOW, "") for at, (head, _) in numbered]
    database.executemany(insert_all(t.StoredFact), facts)
    database.executemany(insert_all(t.Body), [(at, line) for at, (_, line) in numbered])
    chain = Chain(name, name, "device-of-old", count, fact_id(head), key)
    database.execute(insert_all(t.Journal), (key, name, name, "device-of-old", count, wire.dump_chain(chain)))
    return seq + count


# ------------------------------------------------------------------------------------------------ headquarters' million


_POINTS = (
    '"kind":"points","id":"%(id)s","put":{"id":"%(id)s","content":{"kind":"base","ticket":"01980000-0000-7000-8000-%(at)012d",'
    '"visit":"01980000-0000-7000-9000-%(at)012d","crew":"crew-%(crew)d","member":"member:m-%(crew)d","milli":1500,'
    '"rule":"points/1","base":["fault_repair","urban"]},"number":"WO-%(at)07d","explained":{"zh":"低压故障抢修基础分 1.5",'
    '"en":"Base for a low-voltage fault: 1.5"}}}'
)


def add_hq_rows(database: sqlite3.Connection, rows: int) -> None:
    """Entries of points as headquarters receives them, each a record with one row in scope `hq`."""
    key = int(database.execute("SELECT max(key) FROM record").fetchone()[0])
    position = int(database.execute("SELECT value FROM counter WHERE name = 'position'").fetchone()[0])
    for chunk in _chunks(iter(range(1, rows + 1))):
        records = [_points_row(key + at, position + at) for at in chunk]
        database.executemany(insert_all(t.StoredRecord), records)
        database.executemany(insert_all(t.Feed), [(_HQ, position + at, key + at, None) for at in chunk])
    database.execute(upsert(t.Counter, "name"), ("position", position + rows))


def _points_row(key: int, position: int) -> tuple[Any, ...]:
    identity = f"{key:032x}"
    tail = (_POINTS % {"id": identity, "at": key, "crew": key % 3000}).encode()
    view = tail[tail.index(b'"put":') + 6 : -1]
    doc = b'{"kind":"points","id":"%b","writes":[],"position":%d,"scopes":{"hq":[%d,null]},"target":null,"derived":{"view":%b}}'
    return key, "points", identity, position, None, None, tail, doc % (identity.encode(), position, position, view)


def grown(world: World, data: Path, *, facts: int, hq_rows: int) -> World:
    """A copy of a world (no server may own it) with so many facts and rows of headquarters more."""
    shutil.copytree(world.data, data)
    larger = World(data, world.crew_phones, world.newcomers, world.hq_token, world.tickets)
    with _bulk(larger.file) as database:
        add_history(database, facts)
        add_hq_rows(database, hq_rows)
    return larger


def moved(world: World, address: str) -> World:
    """The same world in an empty PostgreSQL database, brought there by the command an operator uses."""
    move_server(load_settings(data=world.data), address, "", lambda table, rows: None)
    return replace(world, database=address)


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _bulk(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes fast, and safely enough for a folder that can be made again; checkpointed at the end."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-262144")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
