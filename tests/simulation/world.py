"""A world of crews, an office, phones and one server: production code, one thread, one seed, no real clock.

The world does things and writes down what truly happened (`oracle.Diary`); it never judges. What happens next is chosen in
`plan`; how a request can go wrong is here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from server.desk.office import OfficeRules
from sync.facts import Statement
from sync.hub import Hub, NoRules, Push, Receipt
from sync.journal import chain, fact_id, genesis
from sync.judge import Command, Rules
from sync.problems import Refused
from sync.replica import Outgoing, Replica
from sync.store import Device
from sync.wire import Envelope, encode, parse_envelope, split_body, write_envelope
from tests.scene import PhoneKeys, Seals
from tests.simulation.handset import Handset, PhoneKilled, QuotaFull
from tests.simulation.oracle import Diary, Said, Tap, Violation, copy_equal, judge, page_allowed, waiting_known
from tests.simulation.servers import Fuse, Machine, MemoryMachine, ServerKilled, SqliteMachine, Wrap, _straight

NOON = 1_795_312_800_000
RADIUS_MS = 500
MINUTE_MS = 60_000
LIMIT_MS = 45 * MINUTE_MS
PLAN = 2
"""Which plan worlds follow. A world that was kept under an earlier plan replays under it, without what was added since."""
PORTAL = b'<!doctype html><html><title>Free WiFi</title>\n<p>Please accept the terms.\n{"end":true}\n</html>\n'


@dataclass(frozen=True, slots=True)
class Parts:
    """What a world is built of; a test of the oracle passes broken ones."""

    hub: Callable[..., Hub] = Hub
    replica: Callable[..., Replica] = Replica
    bend: Wrap = _straight


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the server, and what the world knew to be true at that moment."""

    image: Any
    facts: set[str]
    holders: dict[str, str | None]
    tickets: list[str]
    people: dict[str, tuple[str, bool]]


class Broken(Exception):
    """A guarantee does not hold in this world."""

    def __init__(self, seed: int, violations: Sequence[Violation], log: Sequence[str]) -> None:
        self.seed, self.violations = seed, violations
        told = [f"  ({v.guarantee}) {v.story}" + (f"  [step {v.step}]" if v.step >= 0 else "") for v in violations[:8]]
        super().__init__("\n".join([f"seed {seed}: {len(violations)} violations", *told, "  last steps:", *log[-25:]]))


def _sealed(sealed: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands in a rating: nothing here depends on it."""
    return {"stars": 5}


def _path(ticket: str, fence: int) -> str:
    return f"/r/{ticket}/{fence}"


@dataclass
class World:
    """Everything there is. Time moves only by `wait`."""

    seed: int
    folder: Path
    store: str = "sqlite"
    parts: Parts = field(default_factory=Parts)
    plan: int = PLAN

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.now = NOON
        self.step = 0
        self.made = 0
        self.log: list[str] = []
        self.met: Counter[str] = Counter()
        self.history: list[str] = []
        self.diary = Diary()
        self.violations: list[Violation] = []
        self.handsets: list[Handset] = []
        self.crews: list[str] = []
        self.tickets: list[str] = []
        self.holders: dict[str, str | None] = {}
        self.stray: list[bytes] = []
        self.backups: list[Backup] = []
        self.life = 0
        self.incarnations = 1
        self.offset_ms = self.chance.randint(-400, 400)
        self.seals = Seals()
        self.rules: Rules = OfficeRules(_sealed, _path) if self.plan > 1 and self.seed % 2 else NoRules()
        self.hub = self.parts.hub(self.seals, self.rules, radius_ms=RADIUS_MS)
        self.machine: Machine = (
            SqliteMachine(self.folder, "k1", NOON, self.parts.bend)
            if self.store == "sqlite"
            else MemoryMachine("k1", self.parts.bend)
        )
        self.stranger = Stranger("stranger", "key-stranger")

    # ----------------------------------------------------------------------------------------------------------- small

    def new_id(self) -> str:
        self.made += 1
        return f"id-{self.made:06d}"

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @property
    def server_now(self) -> int:
        """The server's clock: right within its radius."""
        return self.now + self.offset_ms

    def tell(self, story: str) -> None:
        self.log.append(f"    {self.step:5d} +{(self.now - NOON) / MINUTE_MS:9.1f} min  {story}")

    def found(self, violations: Any) -> None:
        """Write down violations seen while the world runs."""
        for violation in violations:
            self.violations.append(Violation(violation.guarantee, violation.story, self.step))

    # ---------------------------------------------------------------------------------------------------------- people

    def enrol(self, name: str, crew: str) -> Handset:
        device = Device(name, f"m-{name}", crew, frozenset({crew}), None, {"k": f"key-{name}"})
        self.machine.enrol(device)
        handset = Handset(device, PhoneKeys(f"key-{name}"), self.new_id, self.parts.replica, crew=crew, booted_at=self.now)
        self.parts.replica.enrol(  # type: ignore[attr-defined]
            handset.pocket, handset.signer, self.new_id, device=name, member=device.member, app="1.0",
            reading=handset.reading(self.now),
        )  # fmt: skip
        handset.restart()
        self.handsets.append(handset)
        self.observe(handset)
        return handset

    def observe(self, handset: Handset, shown: str | None = None, poison: str = "") -> None:
        """Write down every line that has become durable on a phone since the last look."""
        for name, rows in handset.pocket.held().items():
            known = handset.written.setdefault(name, [])
            for n in range(len(known) + 1, max(rows, default=0) + 1):
                identity, raw = rows[n]
                known.append(identity)
                line = json.loads(raw)
                self.diary.taps[identity] = Tap(
                    identity, handset.device.id, name, n, raw, str(line.get("kind")), line.get("ticket"), line.get("visit"),
                    self.now, self.step, poison=poison,
                )  # fmt: skip
        if shown is not None:
            self.diary.taps[shown].shown = True

    def tap(self, handset: Handset, kind: str, ticket: str, visit: str | None, body: Mapping[str, Any]) -> str | None:
        """Someone records something. Returns the fact when the phone showed it as saved."""
        try:
            fact = handset.replica.record(kind, handset.reading(self.now), ticket=ticket, visit=visit, body=body)
        except PhoneKilled:
            self.tell(f"{handset.device.id} dies while saving {kind} of {ticket}")
            handset.restart()
            self.observe(handset)
            return None
        except QuotaFull:
            before = sum(map(len, handset.written.values()))
            self.observe(handset)
            if sum(map(len, handset.written.values())) != before:
                self.found([Violation(1, f"{handset.device.id} had no room and kept a line it never showed as saved")])
            self.tell(f"{handset.device.id} has no room for {kind} of {ticket}")
            return None
        self.observe(handset, fact)
        self.tell(f"{handset.device.id} records {kind} of {ticket} {visit or ''}")
        return str(fact)

    # ---------------------------------------------------------------------------------------------------------- server

    def serve(
        self, bodies: Sequence[bytes], commands: Sequence[Sequence[Command]] = (), fuse: Fuse | None = None
    ) -> tuple[list[bytes | Refused], list[int | Refused]]:
        """One group commit of requests and commands, and the replies. Raises ServerKilled with nothing answered."""
        prepared: list[Push | Refused] = []
        settled: dict[int, Receipt] = {}
        for index, body in enumerate(bodies):
            try:
                arrived = self.hub.prepare(self.machine.reader(), body, self.server_now)
            except Refused as refusal:
                prepared.append(refusal)
                continue
            prepared.append(arrived)
            # A server that waits to commit a group may find it settled by then; both roads must give one answer.
            known = self.hub.settled(arrived, self.machine.ledger()) if self.chance.random() < 0.7 else None
            if known is not None:
                settled[index] = known
        pushes = [push for index, push in enumerate(prepared) if isinstance(push, Push) and index not in settled]
        with self.machine.group(fuse) as tx:
            receipts, answers = self.hub.commit(tx, pushes, commands)
        for batch, answer in zip(commands, answers, strict=True):
            if not isinstance(answer, Refused):
                self._said(batch)
        committed = iter(receipts)
        replies: list[bytes | Refused] = []
        for index, push in enumerate(prepared):
            if isinstance(push, Refused):
                replies.append(push)
            else:
                replies.append(self._reply(push, settled[index] if index in settled else next(committed)))
        return replies, answers

    def _said(self, batch: Sequence[Command]) -> None:
        for command in batch:
            self.diary.said.append(Said(command.kind, command.ticket, command.body, self.life, self.step))
            if command.kind == "created" and command.ticket not in self.tickets:
                self.tickets.append(command.ticket)
            if command.kind in ("assigned", "transferred", "told_by_phone"):
                self.holders[command.ticket] = command.body["crew"]

    def _reply(self, push: Push, receipt: Receipt) -> bytes:
        reader = self.machine.reader()
        statement = Statement(
            receipt.journal, receipt.n, receipt.head, self.server_now, RADIUS_MS, reader.incarnation, receipt.durable,
            receipt.ledger, receipt.root,
        )  # fmt: skip
        lines = [encode({"statement": self.seals.sign(statement)}) + b"\n"]
        device = reader.device(push.device.id)
        assert device is not None
        problem = receipt.problem or (Refused("forbidden") if device.revoked else None)
        if problem is None and self.chance.random() < 0.02:
            problem = Refused("sign-in")  # the token ran out: stored and stated all the same
        if problem is not None:
            return lines[0] + encode({"problem": problem.document()}) + b"\n"
        page = [*self.hub.pull(reader, device, push.envelope)]
        rows = [json.loads(row) for row in page]
        crews = {} if self.diary.adrift else self.holders
        self.found(page_allowed(device.id, device.scopes, [row for row in rows if "scope" in row], crews))
        return b"".join(lines + page)

    def check_contact(self, handset: Handset, body: bytes, truly: int) -> None:
        """After a committed contact: what headquarters wrote down about this phone."""
        if handset.old:
            return  # it never said how much waits
        first, raw = split_body(body, lines_max=10_000)
        envelope = parse_envelope(first, len(raw))
        chains = self.machine.reader().chains(envelope.journal)
        if not chains:
            return
        # An idle question carries no signature, so nothing of it may be remembered; nor what a server that went back
        # cannot join to anything it holds.
        named = envelope.n if envelope.checkpoint and not self.life else 0
        known_n = max([c.n for c in chains] + [n for c in chains for n, _, _ in c.known])
        wrote = [c.waiting for c in chains if c.heard_at == self.server_now]
        heard = wrote[0] if raw and len(wrote) == 1 and not self.life else None
        only_there = len(handset.pocket.facts() - self.machine.fact_ids())
        found = waiting_known(handset.device.id, envelope.waiting, truly, heard, only_there, known_n, named)
        self.found(found)

    # ----------------------------------------------------------------------------------------------------------- faults

    def exchange(self, handset: Handset, fault: str = "none") -> bool:
        """One request of one phone, gone wrong as told. True when its reply was applied in full."""
        self.met[f"request: {fault}"] += 1
        chance = self.chance
        limit = 1024 if chance.random() < 0.2 else 65_536
        truly = handset.unstated()
        outgoing = handset.replica.request(limit_bytes=limit, now_wall=handset.reading(self.now).wall)
        who = handset.device.id
        self.tell(f"{who} syncs {outgoing.journal} {outgoing.first}…{outgoing.last} ({fault})")
        if fault in ("drop_before", "slow"):
            if fault == "slow":
                self.stray.append(outgoing.body)
            self.lose(handset, outgoing)
            return False
        if fault == "portal":
            return self.deliver(handset, outgoing, PORTAL)
        if fault == "forged":
            return self.deliver(handset, outgoing, self._forged(outgoing))
        fuse = Fuse(chance.randint(1, 25), chance.random() < 0.3) if fault == "server_killed" else None
        bodies = [outgoing.body] * (chance.randint(2, 4) if fault == "duplicate" else 1)
        try:
            replies, _ = self.serve(bodies, fuse=fuse)
        except ServerKilled:
            self.tell("the server was killed in the middle")
            self.lose(handset, outgoing)
            return False
        if fault == "duplicate" and chance.random() < 0.5:
            self.stray.append(outgoing.body)
        if not isinstance(replies[0], Refused):
            self.check_contact(handset, outgoing.body, truly)
        if fault == "drop_after":
            self.lose(handset, outgoing)
            return False
        reply = replies[-1]
        if fault == "truncate" and isinstance(reply, bytes):
            reply = reply[: chance.randrange(len(reply))]
        if fault == "phone_killed":
            handset.pocket.fuse = chance.randint(0, 12)
        whole = self.deliver(handset, outgoing, reply)
        if whole and chance.random() < 0.1 and not self.diary.adrift and not handset.revoked:
            held = replace(handset.end(), rows={key: row for key, row in handset.end().rows.items() if row[0]})
            self.found(copy_equal(self.machine.dump(), held))
        return whole

    def lose(self, handset: Handset, outgoing: Outgoing) -> None:
        self.on_phone(handset, lambda: handset.replica.lost(outgoing))

    def deliver(self, handset: Handset, outgoing: Outgoing, reply: bytes | Refused, *, life: int | None = None) -> bool:
        """Hand a reply to the phone, whatever it is. True when a whole page was applied.

        `life`: the server's life it was given in, when it comes late; a server that went back since promises nothing by it.
        """
        if life in (None, self.life):
            self._take_down_statement(handset, reply)
        reading = handset.reading(self.now)
        complete = False

        def apply() -> None:
            nonlocal complete
            if isinstance(reply, Refused):
                self.tell(f"{handset.device.id} is answered {reply.problem.slug}")
                handset.replica.refused(reply.document(), reading)
                return
            applied = handset.replica.apply(reply, reading)
            complete = applied.complete and not applied.more
            if applied.problem:
                self.tell(f"{handset.device.id} is answered {applied.problem.get('slug')}")
            if not applied.complete and applied.problem is None:
                handset.replica.lost(outgoing)

        self.on_phone(handset, apply)
        return complete

    def on_phone(self, handset: Handset, work: Callable[[], object]) -> None:
        """Let the app do something that may kill it or find no room; then look at what became durable."""
        try:
            work()
        except PhoneKilled:
            self.tell(f"{handset.device.id} dies and starts again")
            handset.restart()
        except QuotaFull:
            self.tell(f"{handset.device.id} finds no room")
        handset.pocket.fuse = None
        handset.pocket.crammed = False
        self.observe(handset)

    def _take_down_statement(self, handset: Handset, reply: bytes | Refused) -> None:
        """Note what a genuine statement in whole bytes promises about lines this phone holds."""
        if isinstance(reply, Refused) or b"\n" not in reply:
            return
        try:
            first = json.loads(reply.split(b"\n", 1)[0])
        except ValueError:
            return
        statement = self.seals.statement(first.get("statement", "")) if isinstance(first, dict) else None
        if statement is None:
            return
        written = handset.written.get(statement.journal, [])
        if 0 < statement.n <= len(written) and written[statement.n - 1] == statement.head:
            for fact in written[: statement.n]:
                self.diary.stated.setdefault(fact, self.step)

    def _forged(self, outgoing: Outgoing) -> bytes:
        """A reply from someone without the server's key, claiming everything is stored."""
        head = parse_envelope(*_first_line(outgoing.body)).head
        document = {"journal": outgoing.journal, "n": outgoing.last, "head": head, "time": self.now, "radius": 0,
                    "incarnation": "k1", "durable": outgoing.last, "ledger": 1, "root": head}  # fmt: skip
        forged = "0" * 64 + "|" + json.dumps(document)
        end = {"end": True, "cursor": {"k1": {"crew:none": 10**9}}, "more": False, "after_s": 1, "jitter_s": 1}
        return encode({"statement": forged}) + b"\n" + encode(end) + b"\n"

    def deliver_stray(self) -> None:
        """A request from long ago arrives after all; nobody waits for its reply."""
        if self.stray:
            body = self.stray.pop(self.chance.randrange(len(self.stray)))
            self.tell("an old request arrives late")
            self.serve([body])

    # ------------------------------------------------------------------------------------------------- backups and restores

    def back_up(self) -> None:
        """A verified backup; from now on the server may promise that what it holds survives."""
        image = self.machine.backup()
        chains = {c["name"]: c["n"] for c in self.machine.dump().chains}
        people = {handset.device.id: (handset.crew, handset.revoked) for handset in self.handsets}
        self.backups.append(Backup(image, self.machine.fact_ids(), dict(self.holders), list(self.tickets), people))
        self.machine.promise(chains)
        self.tell("the server is backed up")

    def restore_server(self, which: int, *, told: bool) -> None:
        """The server comes back from a backup, knowing it (a new incarnation) or not."""
        backup = self.backups[which]
        del self.backups[which + 1 :]
        gone = self.machine.fact_ids() - backup.facts
        self.machine.restore(backup.image)
        self.life += 1
        if told:
            self.incarnations += 1
            self.machine.begin(f"k{self.incarnations}", self.server_now)
        else:
            self.diary.adrift = True
        self.holders, self.tickets = dict(backup.holders), list(backup.tickets)
        for handset in self.handsets:
            handset.crew, handset.revoked = backup.people[handset.device.id]
        on_phones = {fact for handset in self.handsets for fact in handset.pocket.facts()}
        for fact in sorted(gone):
            self.diary.stated.pop(fact, None)
            if fact in self.diary.taps and fact not in on_phones:
                self.diary.lost.setdefault(fact, f"only the server had it when it went back at step {self.step}")
        self.offset_ms = self.chance.randint(-400, 400)
        self.tell(f"the server came back from backup {which} {'knowing it' if told else 'without knowing it'}")

    def restore_phone(self, handset: Handset, which: int, *, noticed: bool) -> None:
        """A phone is overwritten by an old copy of itself; `noticed` when its canary says so."""
        copy = handset.copies[which]
        del handset.copies[which + 1 :]
        before = handset.pocket.facts()
        journals = set(handset.written)
        handset.come_back(copy)
        stored = self.machine.fact_ids()
        for fact in sorted(before - handset.pocket.facts() - stored):
            self.diary.lost.setdefault(fact, f"only {handset.device.id} had it when it was overwritten at step {self.step}")
        if noticed:
            self.on_phone(handset, lambda: handset.replica.begin_journal(handset.reading(self.now), why="restored"))
            self.diary.rewritten -= {(handset.device.id, name) for name in journals}  # whoever knows needs no telling
        else:
            self.diary.rewritten |= {(handset.device.id, name) for name in journals}
        self.tell(f"{handset.device.id} came back from its copy of step {copy.step} ({'noticed' if noticed else 'unnoticed'})")

    def prune(self, handset: Handset) -> None:
        """The phone frees room by deleting what is backed up; every line of it must be."""
        before = handset.pocket.facts()
        dropped = handset.replica.prune(handset.reading(self.now).wall)
        if dropped:
            gone = before - handset.pocket.facts()
            backed_up = self.backups[-1].facts if self.backups else set()
            missing = sorted(gone - backed_up)
            if missing and not self.diary.adrift:
                self.found([Violation(7, f"{handset.device.id} deleted {len(missing)} lines no backup holds: {missing[0]}")])
            self.tell(f"{handset.device.id} frees {dropped} lines")

    # ------------------------------------------------------------------------------------------------------------- the end

    def quiet(self) -> None:
        """All faults are over: everyone syncs until nothing changes."""
        self.tell("quiet")
        while self.stray:
            self.deliver_stray()
        for handset in self.handsets:
            handset.pocket.full = False
            handset.pocket.fuse = None
        self.serve([self.stranger.bundle()])
        for turn in range(3):
            for handset in self.handsets:
                self._rest(handset, turn)

    def _rest(self, handset: Handset, turn: int) -> None:
        for _ in range(60):
            self.step += 1
            self.wait(1000)
            whole = self.exchange(handset)
            if handset.revoked and not handset.replica.waiting:
                return
            if whole and not handset.replica.waiting:
                return
        self.found([Violation(1, f"{handset.device.id} did not come to rest in 60 syncs (turn {turn})")])

    def verdict(self) -> list[Violation]:
        """Bring the world to rest and judge it."""
        self.quiet()
        ends = [handset.end() for handset in self.handsets]
        dump = self.machine.dump()
        self.history = [f"{scope} {row}" for scope, rows in sorted(dump.feed.items()) for row in rows]
        return [*self.violations, *judge(dump, self.diary, ends, self.seed, self.rules)]


@dataclass
class Stranger:
    """A device whose app writes whatever bytes it likes into its journal, and signs them properly."""

    name: str
    key: str
    lines: list[bytes] = field(default_factory=list)

    @property
    def journal(self) -> str:
        return f"journal-of-{self.name}"

    def write(self, raw: bytes) -> str:
        """The fact's id."""
        self.lines.append(raw)
        return fact_id(chain(genesis(self.journal), self.lines)[-1])

    def bundle(self) -> bytes:
        """The whole journal as one request."""
        n, head = len(self.lines), fact_id(chain(genesis(self.journal), self.lines)[-1])
        signed = PhoneKeys(self.key).checkpoint(self.journal, n, head)
        envelope = Envelope(self.journal, n, head, 1, fact_id(genesis(self.journal)), signed)
        return b"\n".join([write_envelope(envelope, n), *self.lines, b""])


def _first_line(body: bytes) -> tuple[bytes, int]:
    first, raw = split_body(body, lines_max=10_000)
    return first, len(raw)


def mark(*parts: object) -> str:
    """A SHA-256 nobody else in the world has."""
    return sha256(":".join(map(str, parts)).encode()).hexdigest()
