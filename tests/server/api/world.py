"""The world of the API tests: one real server on loopback with a clock the test holds, an office, and two kinds of phone.

A `Phone` is the shipped replica. A `HandPhone` is written by hand: it signs whatever bytes a test gives it with a real
device key, because a broken phone does not go through our own writer.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from clients.handset.keys import KeyList, Signer, new_device_key, public_jwk, sign_assertion, sign_checkpoint
from server import commands
from server.auth import Role
from server.desk.geo import parse_areas
from server.service import Clock, Service
from server.settings import load_settings
from server.storage import tables as t
from server.storage.ground import put_areas
from server.storage.queries import Queries
from server.storage.sql import table_of
from server.storage.store import StoreTransaction
from sync import journal
from sync.facts import FactId, Reading
from sync.journal import fact_id, genesis
from sync.memory import MemoryPocket
from sync.replica import Applied, Replica

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
START_MS = 1_795_312_800_000
"""The moment the test's clock begins at; every crew is on shift from a day before it for forty days."""

CREWS = {"A": "s1", "B": "s1", "C": "s2"}
SQUARES = {"east": ("s1", 116.30, 27.90), "west": ("s2", 116.10, 27.90)}
"""Area → its station and its south-west corner; each area is a square of 0.1 degrees."""


def geojson(squares: Mapping[str, tuple[str, float, float]] = SQUARES) -> bytes:
    features = []
    for name, (station, lon, lat) in squares.items():
        ring = [[lon, lat], [lon + 0.1, lat], [lon + 0.1, lat + 0.1], [lon, lat + 0.1], [lon, lat]]
        properties = {"id": name, "name": name.title(), "station": station, "class": "urban"}
        features.append({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


TABLES = table_of(t.Counter).metadata.tables


@dataclass
class World:
    """A running server. `now` is what its clock shows; it moves only by `wait`."""

    service: Service
    address: str
    http: httpx.Client
    root_token: str = ""
    now: int = START_MS
    made: int = 0
    _tokens: dict[str, str] = field(default_factory=dict)

    # ---------------------------------------------------------------------------------------------------------- asking

    def wait(self, *, minutes: float = 0, seconds: float = 0) -> None:
        self.now += round(minutes * MINUTE_MS + seconds * 1000)

    def token(self, role: Role) -> str:
        """A long-lived office token of that role, without a device."""
        if role not in self._tokens:
            self._tokens[role] = self.service.tokens.issue(f"user:{role}", role, minutes=500_000)
        return self._tokens[role]

    def ask(
        self, method: str, path: str, *, role: Role | None = Role.ADMIN, token: str | None = None, **more: Any
    ) -> httpx.Response:
        """One request, by default as the admin. `token` goes before `role`."""
        headers = dict(more.pop("headers", {}))
        bearer = token if token is not None else self.token(role) if role else None
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        return self.http.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        """The document at a path, which must be there."""
        return good(self.ask("GET", path, **more)).json()

    def post(self, path: str, body: Mapping[str, Any], **more: Any) -> Any:
        return good(self.ask("POST", path, json=dict(body), **more)).json()

    def upload(self, path: str, options: Mapping[str, Any], data: bytes, **more: Any) -> httpx.Response:
        return self.ask("POST", path, content=json.dumps(dict(options)).encode() + b"\n" + data, **more)

    # --------------------------------------------------------------------------------------------------------- tickets

    def ticket(self, *, crew: str | None = "A", **fields: Any) -> str:
        """A ticket opened by the office and, unless told otherwise, assigned to crew A; its id."""
        made = self.post("/v1/tickets", {"kind": "fault_repair", "area_class": "urban", **fields})
        if crew is not None:
            self.say(made["id"], "assign", crew=crew)
        return str(made["id"])

    def say(self, ticket: str, command: str, /, **body: Any) -> Any:
        """A command that must be taken."""
        return self.post(f"/v1/tickets/{ticket}/{command}", body)

    def view(self, ticket: str) -> dict[str, Any]:
        """The projection the office sees."""
        view: dict[str, Any] = self.get(f"/v1/tickets/{ticket}")["ticket"]
        return view

    def hq(self, kind: str, /, **wanted: Any) -> list[dict[str, Any]]:
        """Every record of a kind in headquarters' feed whose projection has these values, oldest change first."""
        rows = feed_rows(good(self.ask("GET", "/v1/hq/feed", role=Role.HQ)).content)
        found = [{"id": row["id"], **row["put"]} for row in rows if row.get("kind") == kind and "put" in row]
        return [row for row in found if all(row.get(name) == value for name, value in wanted.items())]

    # ----------------------------------------------------------------------------------------------------------- phones

    def member(self, crew: str = "A") -> str:
        """A new member of a crew."""
        self.made += 1
        name = f"m{self.made}"

        def join(tx: StoreTransaction) -> None:
            queries = Queries(tx)
            row = {"id": name, "name": f"成员{self.made}", "name_en": f"Member {self.made}", "phone": "", "skills": ""}
            queries.put(t.Member, [row | {"role": "member"}], "id")
            queries.join_crew(name, crew, self.now)

        self.service.writer.work(join)
        return name

    def enrol(self, crew: str = "A", *, member: str | None = None) -> Enrolled:
        """A phone of a new member (or of this one), enrolled over HTTP by a one-time code."""
        member = member or self.member(crew)
        code = self.post("/v1/enrol-codes", {"member": member})["code"]
        key = new_device_key()
        said = self.post("/v1/enrol", {"code": code, "key": public_jwk(key), "name": "phone"}, role=None)
        return Enrolled(said["device"], member, key, said["token"], said["keys"], said["root"])

    def phone(self, crew: str = "A", *, member: str | None = None) -> Phone:
        return Phone(self, self.enrol(crew, member=member))

    def hand_phone(self, crew: str = "A", *, opened: bool = True, member: str | None = None) -> HandPhone:
        """A phone by hand; `opened`: its opening line is already stored."""
        phone = HandPhone(self, self.enrol(crew, member=member), self.service.new_id())
        if opened:
            assert phone.push(phone.opening()).stated
        return phone

    # ------------------------------------------------------------------------------------------------------- the tables

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Whatever happens inside must leave every table and every stored object as it was."""
        before = self.dump()
        yield
        assert self.dump() == before, "a refused request changed something"

    def dump(self) -> tuple[list[str], list[str]]:
        """Everything the server holds: all rows of all tables, all files of the object store by name and size."""
        self.service.derivation.drain()  # pictures of an earlier test may still be in the making
        tables = [f"{name}: {row}" for name in sorted(TABLES) for row in self.rows(f"SELECT * FROM {name} ORDER BY 1, 2")]
        folder = self.service.settings.data / "objects"
        files = [f"{path} {path.stat().st_size}" for path in sorted(folder.rglob("*")) if path.is_file()]
        return tables, files

    def rows_of(self, ticket: str) -> list[dict[str, Any]]:
        """The stored facts of crews that name a ticket, in commit order: kind and the bytes of the line."""
        statement = (
            "SELECT fact.kind, body.line FROM fact JOIN body ON body.seq = fact.seq JOIN journal ON journal.key = fact.chain"
            " WHERE fact.ticket = ? AND journal.device != '' ORDER BY fact.seq"
        )
        return [{"kind": kind, "line": line} for kind, line in self.rows(statement, ticket)]

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a plain query finds in the database."""
        reader = self.service.new_reader()
        try:
            return reader.run(statement, values).fetchall()
        finally:
            reader.close()


def good(response: httpx.Response) -> httpx.Response:
    """The response, which must not be a refusal."""
    assert response.status_code < 400, f"{response.request.method} {response.request.url}: {response.text}"
    return response


def slug(response: httpx.Response) -> str:
    """The slug of a refusal, which must be a whole problem document."""
    assert response.status_code >= 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code and document["action"] and document["title_zh"]
    return str(document["slug"])


def feed_rows(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


def reading(now: int, mono: int | None = None, boot: str = "boot-1") -> Reading:
    return Reading(now, now - START_MS if mono is None else mono, boot)


@dataclass
class Enrolled:
    """What a phone has after its enrolment."""

    device: str
    member: str
    key: EllipticCurvePrivateKey
    token: str
    keys_jws: str
    root: Mapping[str, Any]

    @property
    def keys(self) -> KeyList:
        keys = KeyList.verify(self.keys_jws, self.root)
        assert keys is not None
        return keys

    def assertion(self, world: World, **other: Any) -> str:
        """Proof of the device key, for a token or for a photo's bytes."""
        claims = {"device": self.device, "audience": world.service.tokens.audience, "iat_s": world.now // 1000}
        return sign_assertion(self.key, **{**claims, "jti": world.service.new_id(), **other})


@dataclass
class Phone:
    """The shipped replica with a memory for storage and the test's clock, `wall_off_ms` wrong."""

    world: World
    enrolled: Enrolled
    wall_off_ms: int = 0
    replica: Replica = field(init=False)

    def __post_init__(self) -> None:
        own = self.enrolled
        self.replica = Replica.enrol(
            MemoryPocket(),
            Signer(own.key, own.keys),
            self.world.service.new_id,
            device=own.device,
            member=own.member,
            app="test",
            reading=self.reading(),
        )

    def reading(self) -> Reading:
        return Reading(self.world.now + self.wall_off_ms, self.world.now - START_MS, "boot-1")

    def record(self, kind: str, /, ticket: str, visit: str | None = "v1", **body: Any) -> FactId:
        return self.replica.record(kind, self.reading(), ticket=ticket, visit=visit, body=body)

    def send(self, *, token: str | None = None) -> tuple[bytes, Applied]:
        """One exchange: the reply's bytes and what the phone made of them."""
        body = gzip.compress(self.replica.request().body)
        headers = {"content-encoding": "gzip", "content-type": "application/x-ndjson"}
        reply = self.world.ask("POST", "/v1/sync", token=token or self.enrolled.token, content=body, headers=headers)
        if reply.status_code >= 400:
            return reply.content, self.replica.refused(reply.json(), self.reading())
        return reply.content, self.replica.apply(reply.content, self.reading())

    def sync(self) -> Applied:
        """Push and pull until nothing is left, with a new token when the old one has ended."""
        for _ in range(20):
            _, applied = self.send()
            if applied.problem is not None and applied.problem["slug"] == "sign-in":
                asked = {"assertion": self.enrolled.assertion(self.world)}
                self.enrolled.token = self.world.post("/v1/token", asked, role=None)["token"]
            if not self.replica.waiting and applied.complete and not applied.more and not applied.forked:
                return applied
        raise AssertionError(f"the phone did not come to rest: {applied}")

    def view(self, ticket: str) -> dict[str, Any]:
        view = self.replica.show(ticket)
        assert view is not None, f"{ticket} is not on this phone"
        return view

    def held(self) -> set[tuple[str, str]]:
        """(kind, id) of everything the server ever let this phone see."""
        return {(row.kind, row.id) for row in self.replica._pocket.rows()}


@dataclass(frozen=True)
class Answer:
    """A reply of `/v1/sync` or `/v1/time`, taken apart."""

    response: httpx.Response
    rows: list[dict[str, Any]]

    @property
    def statement(self) -> dict[str, Any] | None:
        """The claims of the statement, unverified."""
        jws = next((row["statement"] for row in self.rows if "statement" in row), None)
        return None if jws is None else claims_of(jws)

    @property
    def stated(self) -> int:
        """Up to which n the journal is stored, by the statement."""
        statement = self.statement
        assert statement is not None, self.response.text
        return int(statement["n"])

    @property
    def problem(self) -> dict[str, Any]:
        """The problem at the end of the reply, or the refusal of the whole request; empty when there is none."""
        if self.response.status_code >= 400:
            document: dict[str, Any] = self.response.json()
            return document
        return next((row["problem"] for row in self.rows if "problem" in row), {})

    @property
    def complete(self) -> bool:
        return any(row.get("end") is True for row in self.rows)

    def puts(self, kind: str) -> dict[str, dict[str, Any]]:
        return {row["id"]: row["put"] for row in self.rows if row.get("kind") == kind and "put" in row}


def claims_of(jws: str) -> dict[str, Any]:
    body = jws.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


@dataclass
class HandPhone:
    """A journal written by hand under a real device key. `lines` are the bytes it has; nothing checks them."""

    world: World
    enrolled: Enrolled
    journal: str
    lines: list[bytes] = field(default_factory=list)

    def opening(self, **other: Any) -> bytes:
        body = {"device": self.enrolled.device, "member": self.enrolled.member, "app": "hand"}
        return self.line("opening", n=1, ticket=None, visit=None, **{**body, **other})

    def line(self, kind: str, /, **fields: Any) -> bytes:
        """A well-formed line for the next place; a field set to None is left out."""
        line: dict[str, Any] = {"n": len(self.lines) + 1, "kind": kind, "v": 1, "visit": "v1", "fence": 1}
        line |= {"wall": self.world.now, "mono": self.world.now - START_MS, "boot": "boot-1", **fields}
        return json.dumps({k: v for k, v in line.items() if v is not None}, separators=(",", ":")).encode()

    def heads(self, lines: list[bytes] | None = None) -> list[str]:
        """h(0) to h(n)."""
        start = genesis(self.journal)
        return [fact_id(start), *(fact_id(head) for head in journal.chain(start, self.lines if lines is None else lines))]

    @property
    def head(self) -> str:
        return self.heads()[-1]

    def body(self, *new: bytes, lines: list[bytes] | None = None, **envelope: Any) -> bytes:
        """A request that brings `new` after `lines` (what is written, by default). An envelope member of None is left out."""
        before = self.lines if lines is None else lines
        heads = self.heads([*before, *new])
        n = len(before) + len(new)
        first: dict[str, Any] = {"v": 1, "app": "hand", "journal": self.journal, "n": n, "head": heads[-1], "cursor": {}}
        if new:
            first |= {"from": len(before) + 1, "after": heads[len(before)]}
        first["checkpoint"] = sign_checkpoint(self.enrolled.key, self.journal, n, heads[-1])
        first |= envelope
        first = {name: value for name, value in first.items() if value is not None}
        return b"\n".join([json.dumps(first).encode(), *new, b""])

    def push(self, *new: bytes, **envelope: Any) -> Answer:
        """Write these lines and send them."""
        body = self.body(*new, **envelope)
        self.lines += new
        return self.send(body)

    def send(self, body: bytes, *, token: str | None = "", path: str = "/v1/sync", encoding: str | None = None) -> Answer:
        """Send a body as it is. `token` empty: the phone's own; None: without."""
        headers = {"content-type": "application/x-ndjson", **({"content-encoding": encoding} if encoding else {})}
        bearer = self.enrolled.token if token == "" else token
        response = self.world.ask("POST", path, role=None, token=bearer, content=body, headers=headers)
        rows = feed_rows(response.content) if response.status_code < 400 else []
        return Answer(response, rows)

    def pull(self) -> Answer:
        """Everything the phone may see, from the beginning."""
        return self.send(self.body(checkpoint=None, limit_bytes=2**24))


@contextmanager
def running_world(folder: Path, **limits: Any) -> Iterator[World]:
    """A world with a fresh server; `limits` are settings."""
    # Many tests guess at passwords and codes on purpose, all from one address.
    guesses = {"login_tries_per_minute_max": 10_000, "address_tries_per_minute_max": 10_000}
    settings = load_settings(data=folder / "data", **(guesses | limits))
    commands.init(settings)
    holder: list[World] = []
    clock = Clock(now_ms=lambda: holder[0].now if holder else START_MS)
    service = Service(settings, clock)
    with commands.running(service) as address, httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        world = World(service, address, client)
        holder.append(world)
        service.writer.work(_district)
        yield world


def _district(tx: StoreTransaction) -> None:
    queries = Queries(tx)
    queries.put(t.Station, [{"id": s, "name": f"{s}所", "name_en": s, "lat": 27.95, "lon": 116.35} for s in ("s1", "s2")], "id")
    put_areas(tx, parse_areas(geojson(), "id", "name", "station", "class"))
    for crew, station in CREWS.items():
        row = {"id": crew, "station": station, "name": f"{crew}班", "name_en": f"Crew {crew}", "vehicle": ""}
        queries.put(t.Crew, [row | {"skills": "low_voltage metering"}], "id")
        queries.add(t.Shift, {"crew": crew, "from_ms": START_MS - 24 * HOUR_MS, "until_ms": START_MS + 40 * 24 * HOUR_MS})
