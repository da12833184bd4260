"""A small world for tests: a hub over a store in memory, phones with their own clocks, one office. No I/O, no real keys.

Signatures are keyed hashes here, so that thousands of them cost nothing; real ECDSA is tested where keys live.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sync.facts import FactId, Reading, Statement
from sync.hub import Hub, NoRules, Push, Receipt
from sync.judge import Command, Published, Rules
from sync.memory import MemoryPocket, MemoryStore
from sync.problems import Refused
from sync.replica import Applied, Replica
from sync.store import Device
from sync.wire import encode, parse_envelope, split_body

NOON = 1_795_312_800_000
RADIUS_MS = 500


def _signed(key: str, document: Mapping[str, Any]) -> str:
    body = json.dumps(document, sort_keys=True)
    return f"{sha256((key + body).encode()).hexdigest()}|{body}"


def _opened(key: str, text: str) -> dict[str, Any] | None:
    _, _, body = text.partition("|")
    if not body or _signed(key, json.loads(body)) != text:
        return None
    document: dict[str, Any] = json.loads(body)
    return document


class Seals:
    """The server's signatures, as keyed hashes."""

    def checkpoint(self, jws: str, device: Device) -> tuple[str, int, str]:
        place = _opened(str(device.key["k"]), jws)
        if place is None:
            raise Refused("bad-checkpoint")
        return place["journal"], place["n"], place["head"]

    def statement(self, jws: str) -> Statement | None:
        document = _opened("server", jws) if isinstance(jws, str) else None
        return Statement(**document) if document else None

    def sign(self, statement: Statement) -> str:
        return _signed("server", {name: getattr(statement, name) for name in Statement.__slots__})


@dataclass
class PhoneKeys:
    """A device key, as a keyed hash."""

    key: str

    def checkpoint(self, journal: str, n: int, head: str) -> str:
        return _signed(self.key, {"journal": journal, "n": n, "head": head})

    def statement(self, jws: str) -> Statement | None:
        return Seals().statement(jws)


@dataclass
class Phone:
    """A replica with the clock its owner lives by: `wall_off_ms` is how wrong its clock is."""

    scene: Scene
    device: Device
    pocket: MemoryPocket
    replica: Replica = field(init=False)
    wall_off_ms: int = 0
    boot: str = "b1"

    def reading(self) -> Reading:
        return Reading(self.scene.now + self.wall_off_ms, self.scene.now - NOON, self.boot)

    def record(self, kind: str, /, ticket: str, visit: str | None = None, **body: Any) -> FactId:
        return self.replica.record(kind, self.reading(), ticket=ticket, visit=visit, body=body)

    def sync(self, *, rounds: int = 20) -> Applied:
        """Push and pull until nothing is left."""
        for _ in range(rounds):
            outgoing = self.replica.request()
            reply = self.scene.exchange(outgoing.body)
            applied = self.scene.deliver(self, reply)
            if not self.replica.waiting and not applied.more and applied.complete and not applied.forked:
                return applied
        raise AssertionError("the phone did not come to rest")

    def view(self, ticket: str) -> dict[str, Any]:
        view = self.replica.show(ticket)
        assert view is not None, f"{ticket} is not on this phone"
        return view


@dataclass
class Scene:
    """One server, one office, some crews. Time moves only by `wait`."""

    rules: Rules = field(default_factory=NoRules)
    now: int = NOON
    store: MemoryStore = field(default_factory=lambda: MemoryStore("k1"))
    phones: dict[str, Phone] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        self.seals = Seals()
        self.hub = Hub(self.seals, self.rules, radius_ms=RADIUS_MS)

    def new_id(self) -> str:
        self.made += 1
        return f"id-{self.made:06d}"

    def wait(self, *, minutes: float = 0, seconds: float = 0) -> None:
        self.now += round(minutes * 60_000 + seconds * 1000)

    def phone(self, name: str, *, crew: str = "A", member: str | None = None, station: str | None = None) -> Phone:
        device = Device(name, member or f"m-{name}", crew, frozenset({crew}), station, {"k": f"key-{name}"})
        self.store.devices[name] = device
        phone = Phone(self, device, MemoryPocket())
        phone.replica = Replica.enrol(
            phone.pocket,
            PhoneKeys(f"key-{name}"),
            self.new_id,
            device=name,
            member=device.member,
            app="1.0",
            reading=phone.reading(),
        )
        self.phones[name] = phone
        return phone

    # ------------------------------------------------------------------------------------------------------- the office

    def office(self, kind: str, /, ticket: str, *, by: str = "user:dispatcher", seen: int | None = None, **body: Any) -> int:
        """One command. Raises what the hub refuses."""
        return self.commands([Command(kind, by, ticket, body, self.now, seen)])

    def commands(self, batch: Sequence[Command]) -> int:
        _, answers = self.commit([], [batch])
        answer = answers[0]
        if isinstance(answer, Refused):
            raise answer
        return answer

    def ticket(self, name: str, *, crew: str | None = "A", **fields: Any) -> str:
        """A ticket, opened and assigned."""
        fields = {"kind": "fault_repair", "number": f"WO-{name}", "received_at": self.now, **fields}
        self.office("created", name, set=fields)
        if crew:
            self.office("assigned", name, crew=crew)
        return name

    def refer(self, *records: Published) -> int:
        """Reference records as the office says they should stand now; the position afterwards."""
        self.commit([], reference=records)
        return self.store.position

    def view(self, ticket: str) -> dict[str, Any]:
        """What headquarters sees."""
        for _, kind, identity, gone, tail in self.store.feed("hq", 0, 10**9):
            if (kind, identity) == ("ticket", ticket) and gone is None:
                view: dict[str, Any] = json.loads(b"{" + tail)["put"]
                return view
        raise AssertionError(f"headquarters has never heard of {ticket}")

    def outcome(self, fact: str) -> dict[str, Any] | None:
        for _, kind, identity, _, tail in self.store.feed("hq", 0, 10**9):
            if (kind, identity) == ("outcome", fact):
                view: dict[str, Any] = json.loads(b"{" + tail)["put"]
                return view
        return None

    # ------------------------------------------------------------------------------------------------------- the server

    def commit(
        self, pushes: Sequence[Push], commands: Sequence[Sequence[Command]] = (), reference: Sequence[Published] = ()
    ) -> tuple[list[Receipt], list[int | Refused]]:
        with self.store.transaction() as tx:
            return self.hub.commit(tx, pushes, commands, reference)

    def statement(self, receipt: Receipt) -> bytes:
        statement = Statement(
            receipt.journal,
            receipt.n,
            receipt.head,
            self.now,
            RADIUS_MS,
            self.store.incarnation,
            receipt.durable,
            receipt.ledger,
            receipt.root,
        )
        return encode({"statement": self.seals.sign(statement)}) + b"\n"

    def exchange(self, body: bytes, *, at: Callable[[], int] | None = None) -> bytes | Refused:
        """One request and its reply, or the refusal of the whole request."""
        try:
            push = self.hub.prepare(self.store, body, self.now)
        except Refused as refusal:
            return refusal
        return self.answer(push, self.commit([push])[0][0])

    def answer(self, push: Push, receipt: Receipt) -> bytes:
        lines = [self.statement(receipt)]
        if receipt.problem is not None:
            lines.append(encode({"problem": receipt.problem.document()}) + b"\n")
        else:
            device = self.store.device(push.device.id)
            assert device is not None
            lines += self.hub.pull(self.store, device, push.envelope)
        return b"".join(lines)

    def deliver(self, phone: Phone, reply: bytes | Refused) -> Applied:
        if isinstance(reply, Refused):
            return phone.replica.refused(reply.document(), phone.reading())
        return phone.replica.apply(reply, phone.reading())

    def envelope_of(self, body: bytes) -> Any:
        first, lines = split_body(body, lines_max=10_000)
        return parse_envelope(first, len(lines))
