"""What happens next in a world: a random plan of work, office storms and faults, all from the world's one seed.

Each world first draws which faults it knows at all and how often (swarm testing): a world with everything at once rarely
reaches the deep places that a world with two faults reaches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.judge import Command
from sync.problems import Refused
from sync.store import Device
from tests.simulation.handset import YEAR_MS, Handset
from tests.simulation.hardships import Hardships
from tests.simulation.oracle import Tap
from tests.simulation.servers import Fuse, ServerKilled
from tests.simulation.world import LIMIT_MS, MINUTE_MS, PLAN, Broken, Parts, World, mark

STEPS_A_DAY = 110
NETWORK = (
    "drop_before", "slow", "drop_after", "duplicate", "truncate", "portal", "forged", "server_killed", "phone_killed",
)  # fmt: skip
WORK = (
    "acceptance", "departure", "arrival", "start", "finish", "return", "suspension", "resumption", "rating_opened", "rating",
)  # fmt: skip
STEPS = ("earthed", "fuse", "meter", "seal")
PHONES = ("138 0000 0001", "138 0000 0002", "0566-1", "0566-2")

Poison = tuple[str, Callable[[Mapping[str, Any]], bytes]]


def _line(header: Mapping[str, Any], **change: Any) -> bytes:
    return json.dumps({**header, **change}).encode()


POISON: tuple[Poison, ...] = (
    ("unknown-kind", lambda h: _line(h, kind="teleport")),
    ("future-version", lambda h: _line(h, kind="note", v=99, text="later")),
    ("bad-time", lambda h: _line(h, kind="note", text="in the year 9999", wall=253_370_764_800_000)),
    ("bad-field", lambda h: _line(h, kind="arrival", fix={"lat": 91, "lon": 0})),
    ("bad-field", lambda h: _line(h, kind="note", visit=None, text="no visit")),
    ("bad-line", lambda h: _line(h, kind="note", text="wrong place", n=h["n"] + 7)),
    ("too-deep", lambda h: _line(h, kind="note", text=[[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]])),
    ("too-long", lambda h: _line(h, kind="note", text="long " * 4000)),
    ("duplicate-key", lambda h: _line(h, kind="note", text="one")[:-1] + b', "text": "two"}'),
    ("bad-number", lambda h: _line(h, kind="note", text="big", fence=2**60)),
    ("nul", lambda h: _line(h, kind="note", text="a\0b")),
    ("lone-surrogate", lambda h: _line(h, kind="note", text="\ud800")),
    ("bad-json", lambda h: _line(h, kind="acceptance", eta_min=float("nan"))),
)
"""Lines an honest app of this version never writes, and the name each must be quarantined under."""

BYTES: tuple[tuple[str, bytes], ...] = (
    ("bad-utf8", b'{"n":%d,"kind":"note","text":"\xff\xfe"}'),
    ("bad-json", b"not json at all %d"),
    ("bad-json", b'{"n":%d,"kind":"note"'),
    ("bad-line", b"[%d]"),
)
"""The same from a hostile device, whose own app could not even read them."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Which faults this world knows, and how often."""

    network: tuple[str, ...]
    network_rate: float
    storms: float
    restores_phone: bool
    restores_server: str
    clocks: bool
    kills: float
    full: bool
    poison: float
    people: bool
    prune: bool
    mishaps: float


def weather(world: World) -> Weather:
    chance = world.chance
    known = tuple(fault for fault in NETWORK if chance.random() < 0.5)
    return Weather(
        network=known,
        network_rate=chance.choice((0.1, 0.3, 0.6)) if known else 0.0,
        storms=chance.choice((0.05, 0.15, 0.35)),
        restores_phone=chance.random() < 0.4,
        restores_server=chance.choice(("never", "never", "told", "told", "untold")),
        clocks=chance.random() < 0.5,
        kills=chance.choice((0.0, 0.02, 0.1)),
        full=chance.random() < 0.3,
        poison=chance.choice((0.0, 0.0, 0.03)),
        people=chance.random() < 0.4,
        prune=chance.random() < 0.4,
        mishaps=chance.choice((0.04, 0.10, 0.20)),
    )


class Plan:
    """Drives one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.weather = weather(world)
        self.photos = 0
        self.hardships = Hardships(world, self)

    def begin(self) -> None:
        """Crews, phones, a first shift's tickets, and a first backup."""
        world, chance = self.world, self.world.chance
        world.crews = ["A", "B", "C"][: chance.randint(2, 3)]
        world.machine.found_crews(world.crews)
        stranger = world.stranger
        crew = world.crews[0]
        world.machine.enrol(Device(stranger.name, "m-stranger", crew, frozenset({crew}), None, {"k": stranger.key}))
        for number in range(chance.randint(2, 5)):
            handset = world.enrol(f"d{number + 1}", world.crews[number % len(world.crews)])
            handset.liar = chance.random() < 0.25
            handset.drift_ppm = chance.randint(-50, 50)
            if self.weather.clocks:
                self.set_clock(handset)
        for _ in range(chance.randint(2, 5)):
            self.open_ticket()
        opening = {"kind": "opening", "v": 1, "wall": world.now, "mono": 1, "boot": "b1", "device": stranger.name,
                   "member": "m-stranger", "app": "?"}  # fmt: skip
        self.strange(json.dumps({"n": 1, **opening}).encode(), "opening", "")
        world.back_up()

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.world.step += 1
            self.one()

    def one(self) -> None:
        """One thing happens."""
        world, chance, weather = self.world, self.world.chance, self.weather
        if self.hardships.befall():
            return
        world.wait(chance.choice((500, 5_000, 60_000, 60_000, 600_000, 3_600_000)))
        if chance.random() < 0.004 and weather.prune:
            world.wait(8 * 24 * 60 * MINUTE_MS)
        roll = chance.random()
        if roll < weather.storms:
            self.storm()
        elif roll < weather.storms + 0.30:
            handset = chance.choice(world.handsets)
            fault = chance.choice(weather.network) if chance.random() < weather.network_rate else "none"
            world.exchange(handset, fault)
        elif roll < weather.storms + 0.34:
            world.deliver_stray()
        elif roll < weather.storms + 0.36:
            self.together()
        elif roll < weather.storms + 0.36 + weather.mishaps:
            self.mishap()
        else:
            self.work(chance.choice(world.handsets))

    # ----------------------------------------------------------------------------------------------------------- crews

    def work(self, handset: Handset) -> None:
        """A member does the next thing on some ticket."""
        world, chance, weather = self.world, self.world.chance, self.weather
        handset.pocket.full = weather.full and chance.random() < 0.15
        handset.pocket.fuse = chance.choice((0, 1, 2)) if chance.random() < weather.kills else None
        if chance.random() < weather.poison:
            self.poison(handset)
        elif chance.random() < 0.05:
            self.raise_ticket(handset)
        else:
            tickets = [str(view["id"]) for view in handset.replica.tickets()]
            if chance.random() < 0.10:
                tickets = list(handset.visits)  # a job under way, whatever headquarters made of it since
            if chance.random() < 0.02:
                tickets = world.tickets  # a ticket told by phone, or somebody else's
            if tickets:
                ticket = chance.choice(tickets)
                kind = chance.choice((*WORK, "answer", "answer", "photo", "photo", "note", "note", "amended", "amended"))
                self.record(handset, kind, ticket)
        handset.pocket.fuse = None
        if handset.liar and chance.random() < 0.3:
            self.set_clock(handset)

    def record(self, handset: Handset, kind: str, ticket: str) -> None:
        world, chance = self.world, self.world.chance
        visit = handset.visits.setdefault(ticket, f"v-{ticket}-{handset.crew}-{chance.randint(1, 2)}")
        world.tap(handset, kind, ticket, None if kind == "amended" else visit, self.body(kind, handset))
        if kind in ("finish", "return") and chance.random() < 0.5:
            del handset.visits[ticket]

    def body(self, kind: str, handset: Handset) -> dict[str, Any]:
        chance = self.world.chance
        self.photos += 1
        fix = {"lat": 27.9 + chance.random() / 10, "lon": 116.3 + chance.random() / 10, "acc_m": chance.randint(3, 90)}
        if kind == "photo":
            return {"sha256": mark(self.world.seed, self.photos), "size_bytes": chance.randint(1, 10**6)}
        if kind == "note":
            return {"text": f"note {self.photos} 备注"}
        if kind == "answer":
            step = chance.choice(STEPS)
            safety = {"safety": True} if step == "earthed" else {}
            return {"guide": "g", "guide_version": 1, "step": step, "value": chance.choice(("ok", "no", 3, True)), **safety}
        if kind == "amended":
            name = chance.choice(("contact_phone", "address", "remarks", "cause"))
            return {"set": {name: chance.choice(PHONES)}}
        if kind == "rating":
            return {"opened": mark(self.photos)[:43], "result": chance.choice(("answered", "declined")), "sealed": "sealed"}
        simple: dict[str, dict[str, Any]] = {
            "return": {"reason": "no_access"},
            "suspension": {"reason": "waiting for material"},
            "acceptance": {"eta_min": chance.randint(5, 90)},
            "finish": {"result": "repaired"},
        }
        return simple.get(kind, {"fix": fix} if kind == "arrival" and chance.random() < 0.8 else {})

    def raise_ticket(self, handset: Handset) -> None:
        world, chance = self.world, self.world.chance
        body: dict[str, Any] = {"set": {"kind": "hazard", "remarks": f"found on the road {world.step}"}}
        if chance.random() < 0.3 and world.tickets:
            body["told_number"] = f"WO-{chance.choice(world.tickets)}"
        world.tap(handset, "raised", world.new_id(), None, body)

    def poison(self, handset: Handset) -> None:
        """A newer or broken version of the app wrote something."""
        world, chance = self.world, self.world.chance
        if not world.tickets:
            return
        slug, write = chance.choice(POISON)
        own, reading = handset.replica.journal, handset.reading(world.now)
        header = {"n": own.n + 1, "kind": "note", "v": 1, "ticket": chance.choice(world.tickets), "visit": "v-poison",
                  "wall": reading.wall, "mono": reading.mono, "boot": reading.boot}  # fmt: skip
        before = len(handset.written[own.id])
        world.on_phone(handset, lambda: handset.inject(write(header)))
        if len(handset.written[own.id]) > before:  # it did not die or run out of room over it
            world.diary.taps[handset.written[own.id][-1]].poison = slug
            world.tell(f"{handset.device.id} holds poison: {slug}")

    def strange(self, raw: bytes, kind: str, poison: str) -> None:
        """The hostile device writes a line."""
        world, stranger = self.world, self.world.stranger
        fact = stranger.write(raw)
        world.diary.taps[fact] = Tap(
            fact, stranger.name, stranger.journal, len(stranger.lines), raw, kind, None, None, world.now, world.step,
            poison=poison,
        )  # fmt: skip

    # ----------------------------------------------------------------------------------------------------------- office

    def open_ticket(self) -> None:
        world, chance = self.world, self.world.chance
        ticket = f"t{world.new_id()[3:]}"
        fields = {"kind": "fault_repair", "number": f"WO-{ticket}", "received_at": world.server_now,
                  "contact_phone": chance.choice(PHONES), "address": f"No. {chance.randint(1, 99)}"}  # fmt: skip
        batch = [self.command("created", ticket, {"set": fields})]
        if chance.random() < 0.9:
            batch.append(self.command("assigned", ticket, {"crew": chance.choice(world.crews)}))
        self.say(batch)
        world.diary.deadlines[ticket] = world.now + LIMIT_MS

    def command(self, kind: str, ticket: str, body: Mapping[str, Any], seen: int | None = None) -> Command:
        return Command(kind, "user:dispatcher", ticket, body, self.world.server_now, seen)

    def say(self, batch: list[Command]) -> None:
        """The office speaks, alone in its transaction."""
        killed = self.weather.network and "server_killed" in self.weather.network and self.world.chance.random() < 0.05
        fuse = Fuse(self.world.chance.randint(1, 20)) if killed else None
        try:
            _, answers = self.world.serve([], [batch], fuse)
        except ServerKilled:
            self.world.tell("the server was killed while the office spoke")
            return
        said = ", ".join(f"{command.kind} {command.ticket}" for command in batch)
        refused = f" — refused: {answers[0].problem.slug}" if isinstance(answers[0], Refused) else ""
        self.world.tell(f"office: {said}{refused}")

    def storm(self) -> None:
        """The office does something, now and then to everything at once."""
        chance = self.world.chance
        if chance.random() < 0.15 or not self.world.tickets:
            self.open_ticket()
            return
        for _ in range(chance.choice((1, 1, 1, 4))):
            batch = self.word()
            if batch:
                self.say(batch)

    def word(self) -> list[Command]:
        """One command about some ticket, as its present view suggests."""
        world, chance = self.world, self.world.chance
        ticket = chance.choice(world.tickets)
        view = self.view(ticket)
        kind = chance.choice(
            ("assigned", "transferred", "transferred", "transferred", "told_by_phone", "cancelled", "merged", "corrected",
             "corrected", "decided", "decided", "archived", "reopened", "reopened", "quarantine_judged", "suspension_judged",
             "photo_received")
        )  # fmt: skip
        body = self.office_body(kind, ticket, view)
        seen = None if body is None or chance.random() < 0.8 else chance.choice((1, 10**6))
        return [] if body is None else [self.command(kind, ticket, body, seen)]

    def office_body(self, kind: str, ticket: str, view: Mapping[str, Any]) -> dict[str, Any] | None:
        world, chance = self.world, self.world.chance
        if kind in ("assigned", "transferred", "told_by_phone"):
            return {"crew": chance.choice(world.crews)}
        if kind == "merged":
            return {"parent": chance.choice(world.tickets)}
        if kind == "corrected":
            return {"set": {chance.choice(("contact_phone", "address", "remarks", "cause", "priority")): chance.choice(PHONES)}}
        if kind == "decided":
            contests = sorted(view.get("contests", {}).items())
            if not contests:
                return None
            path, contest = chance.choice(contests)
            choice = chance.choice([*(other["fact"] for other in contest["alternatives"]), contest["shown"]])
            return {"field": path, "choose": choice, "reason": "heard both"}
        if kind == "quarantine_judged":
            waiting = [fact for fact, outcome in self.outcomes() if outcome["outcome"] == "quarantined"]
            if not waiting:
                return None
            return {"fact": chance.choice(waiting), "do": chance.choice(("release", "refuse")), "reason": "looked at it"}
        if kind == "suspension_judged":
            return {"suspension": mark(ticket)[:43], "approved": chance.random() < 0.5}
        if kind == "photo_received":
            return {"sha256": mark(self.world.seed, chance.randint(1, self.photos + 1)), "size_bytes": 100}
        return {"reason": "storm"}

    def view(self, ticket: str) -> dict[str, Any]:
        return next((view for identity, view in self.rows("ticket") if identity == ticket), {})

    def outcomes(self) -> list[tuple[str, dict[str, Any]]]:
        return list(self.rows("outcome"))

    def rows(self, wanted: str) -> Any:
        for _, kind, identity, gone, tail in self.world.machine.reader().feed("hq", 0, 10**6):
            if kind == wanted and gone is None:
                yield identity, json.loads(b"{" + tail)["put"]

    # ----------------------------------------------------------------------------------------------------------- mishaps

    def together(self) -> None:
        """Several phones, stray requests and the office meet in one group commit."""
        world, chance = self.world, self.world.chance
        asked = [h for h in world.handsets if chance.random() < 0.7] or world.handsets[:1]
        outgoing = [(handset, handset.replica.request()) for handset in asked]
        bodies = [out.body for _, out in outgoing]
        bodies += chance.sample(world.stray, min(2, len(world.stray)))
        bodies += [body for body in bodies if chance.random() < 0.3]
        order = list(range(len(bodies)))
        chance.shuffle(order)
        words = [batch for batch in (self.word() for _ in range(chance.randint(0, 3))) if batch] if world.tickets else []
        world.tell(f"together: {', '.join(h.device.id for h in asked)} and {len(words)} words of the office")
        killed = "server_killed" in self.weather.network and chance.random() < 0.2
        try:
            replies, _ = world.serve([bodies[index] for index in order], words, Fuse(chance.randint(1, 25)) if killed else None)
        except ServerKilled:
            world.tell("the server was killed with all of them")
            for handset, out in outgoing:
                world.lose(handset, out)
            return
        for index, (handset, out) in enumerate(outgoing):
            world.deliver(handset, out, replies[order.index(index)])

    def mishap(self) -> None:
        """Something goes wrong that is not a request."""
        world, chance, weather = self.world, self.world.chance, self.weather
        handset = chance.choice(world.handsets)
        happening = chance.choice(("restart", "reboot", "clock", "copy", "copy", "restore", "restore", "backup", "server",
                                   "server", "people", "prune", "strange", "lives"))  # fmt: skip
        world.met[f"mishap: {happening}"] += 1
        if happening == "restart":
            handset.restart()
            handset.replica.state.app = chance.choice(("1.0", "1.1", "2.0"))
        elif happening == "reboot":
            handset.reboot(world.now)
        elif happening == "clock" and weather.clocks:
            self.set_clock(handset)
        elif happening == "copy":
            handset.copy(world.step)
        elif happening == "restore" and weather.restores_phone and handset.copies:
            world.restore_phone(handset, chance.randrange(len(handset.copies)), noticed=chance.random() < 0.3)
        elif happening == "lives" and weather.restores_phone:
            self.two_lives(handset)
        elif happening == "backup":
            world.back_up()
        elif happening == "server" and weather.restores_server != "never" and chance.random() < 0.7:
            oldest = len(world.backups) - 1 if weather.prune else chance.randrange(len(world.backups))
            world.restore_server(oldest, told=weather.restores_server == "told")
        elif happening == "people" and weather.people:
            self.change_people(handset)
        elif happening == "prune" and weather.prune:
            world.prune(handset)
        elif happening == "strange":
            self.strangeness()

    def two_lives(self, handset: Handset) -> None:
        """A phone works on after a copy was taken, tells the server its head and never its lines, and is overwritten."""
        world = self.world
        handset.copy(world.step)
        for life in range(2):
            for _ in range(world.chance.randint(2, 4)):
                world.wait(MINUTE_MS)
                self.work(handset)
            if life == 0:
                world.exchange(handset, "drop_before")
                world.exchange(handset)
                world.wait(20 * MINUTE_MS)
                world.restore_phone(handset, len(handset.copies) - 1, noticed=False)

    def change_people(self, handset: Handset) -> None:
        """A member changes crew, or is revoked."""
        world, chance = self.world, self.world.chance
        if chance.random() < 0.3:
            world.machine.revoke(handset.device.id, world.server_now)
            handset.revoked = True
            world.tell(f"{handset.device.id} is revoked")
        else:
            handset.crew = chance.choice(world.crews)
            world.machine.move(handset.device.member, handset.crew, world.server_now)
            world.tell(f"{handset.device.id} now belongs to {handset.crew}")

    def set_clock(self, handset: Handset) -> None:
        chance = self.world.chance
        handset.wall_off_ms = chance.choice((0, 3_000, -3_000, 3_600_000, -3_600_000, 5 * YEAR_MS, -8 * YEAR_MS))

    def strangeness(self) -> None:
        """The hostile device sends unusable bytes and a usable line behind them."""
        world, stranger = self.world, self.world.stranger
        slug, pattern = world.chance.choice(BYTES)
        self.strange(pattern % (len(stranger.lines) + 1), "?", slug)
        ticket = world.chance.choice(world.tickets) if world.tickets else "t0"
        note = {"n": len(stranger.lines) + 1, "kind": "note", "v": 1, "ticket": ticket, "visit": "v-strange",
                "wall": world.now, "mono": 1, "boot": "b1", "text": f"behind {slug} {world.step}"}  # fmt: skip
        self.strange(json.dumps(note).encode(), "note", "")
        world.serve([stranger.bundle()])


def run(
    seed: int, folder: Path, *, days: int = 1, store: str = "sqlite", parts: Parts | None = None, plan: int = PLAN
) -> World:
    """One world from begin to verdict. Raises Broken with everything a reader needs."""
    world = World(seed, folder, store, parts or Parts(), plan)
    drive = Plan(world)
    try:
        drive.begin()
        drive.run(STEPS_A_DAY * days)
        violations = world.verdict()
    except Exception as error:
        error.add_note(f"seed {seed}, step {world.step}\n" + "\n".join(world.log[-25:]))
        raise
    finally:
        world.machine.close()
    if violations:
        raise Broken(seed, violations, world.log)
    return world
