"""Whole lives of a phone, step by step: what it is told, what it sends to the byte, and everything it remembers after that.

A second language replays the steps with the same identifiers, clock readings and stand-in signatures. Every request body must
be equal to the byte; state, rows, words of truth and shown tickets must be equal as values. `after` names what changed only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from sync import wire
from sync.facts import Reading
from sync.problems import Refused
from sync.replica import KEEP_MS, Applied, Outgoing
from sync.store import Device
from tests.scene import Scene, Seals
from tests.sync.world import restart, restore_phone, restore_server

DAY_MIN = 24 * 60


class Life:
    """One phone whose every step is written down. The office and the server act between steps and are not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scene = Scene()
        self.steps: list[dict[str, Any]] = []
        self.statements: dict[str, Any] = {}
        self._copies: dict[str, tuple[Any, ...]] = {}
        self._made = 0
        self._before: dict[str, Any] = {}
        self.phone = self.scene.phone("a")
        self._note({"do": "enrol", "reading": self.phone.reading(), "device": "a", "member": "m-a", "app": "1.0"})

    def case(self) -> dict[str, Any]:
        return {"name": self.name, "key": "key-a", "steps": self.steps, "statements": self.statements}

    # ------------------------------------------------------------------------------------------------------------- steps

    def record(self, kind: str, ticket: str, visit: str | None = None, **body: Any) -> str:
        fact = self.phone.record(kind, ticket, visit, **body)
        text = json.dumps(body, ensure_ascii=False)  # as text, because the order of members is part of the line
        step = {"do": "record", "kind": kind, "ticket": ticket, "visit": visit, "body": text, "fact": fact}
        self._note(step | {"reading": self.phone.reading()})
        return fact

    def request(self, *, limit_bytes: int = 65_536) -> Outgoing:
        outgoing = self.phone.replica.request(limit_bytes=limit_bytes, now_wall=self.phone.reading().wall)
        asking = {"limit_bytes": limit_bytes, "now_wall": self.phone.reading().wall}
        said = {name: getattr(outgoing, name) for name in ("journal", "first", "last", "lines")}
        self._note({"do": "request", "asking": asking, "body": outgoing.body.decode(), **said})
        return outgoing

    def deliver(self, reply: bytes | Refused) -> Applied:
        reading = self.phone.reading()
        applied = self.scene.deliver(self.phone, reply)
        said = asdict(applied) | {"changed": [list(key) for key in applied.changed]}
        if isinstance(reply, Refused):
            self._note({"do": "refused", "problem": reply.document(), "reading": reading, "applied": said})
            return applied
        jws = wire.parse_reply(reply).statement
        statement = Seals().statement(jws) if jws else None
        if jws and statement:
            self.statements[jws] = {name: getattr(statement, name) for name in statement.__slots__}
        self._note({"do": "apply", "reply": reply.decode(), "reading": reading, "applied": said})
        return applied

    def talk(self, *, limit_bytes: int = 65_536) -> Applied:
        return self.deliver(self.scene.exchange(self.request(limit_bytes=limit_bytes).body))

    def sync(self) -> None:
        for _ in range(20):
            applied = self.talk()
            if not self.phone.replica.waiting and not applied.more and applied.complete and not applied.forked:
                return
        raise AssertionError("the phone did not come to rest")

    def lose(self, outgoing: Outgoing) -> None:
        self.phone.replica.lost(outgoing)
        said = {name: getattr(outgoing, name) for name in ("journal", "first", "last", "lines")}
        self._note({"do": "lost", **said})

    def begin_journal(self, why: str) -> None:
        self.phone.replica.begin_journal(self.phone.reading(), why=why)
        self._note({"do": "begin_journal", "why": why, "reading": self.phone.reading()})

    def prune(self) -> None:
        dropped = self.phone.replica.prune(self.scene.now)
        self._note({"do": "prune", "now_wall": self.scene.now, "dropped": dropped})

    def copy(self, name: str) -> None:
        self._copies[name] = self.phone.pocket.snapshot()
        self._note({"do": "copy", "name": name})

    def restore(self, name: str) -> None:
        restore_phone(self.phone, self._copies[name])
        self._note({"do": "restore", "name": name})

    def restart(self) -> None:
        restart(self.phone)
        self._note({"do": "restart"})

    # ------------------------------------------------------------------------------------------------------ what it holds

    def _note(self, step: Mapping[str, Any]) -> None:
        if isinstance(reading := step.get("reading"), Reading):
            step = {**step, "reading": reading._asdict()}
        made = [f"id-{number:06d}" for number in range(self._made + 1, self.scene.made + 1)]
        self._made = self.scene.made
        held = self._held()
        changed = {name: value for name, value in held.items() if self._before.get(name, self) != value}
        self._before = held
        self.steps.append({**step, "new_ids": made, "after": changed})

    def _held(self) -> dict[str, Any]:
        replica = self.phone.replica
        return {
            **deepcopy(asdict(replica.state)),
            "rows": [asdict(row) | {"put": sorted(row.put)} for row in self.phone.pocket.rows()],
            "words": [[item["journal"], item["n"], item["kind"], item["truth"]] for item in replica.queue()],
            "waiting": replica.waiting,
            "shown": [[view["id"], view.get("state"), view.get("gone")] for view in replica.tickets()],
        }

    def look(self, ticket: str) -> None:
        """The whole of what is shown of a ticket."""
        self._note({"do": "look", "ticket": ticket, "shown": self.phone.replica.show(ticket)})


# ------------------------------------------------------------------------------------------------------------------ lives


def a_whole_job_offline(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1", contact_phone="0")
    life.sync()
    for kind, body in (
        ("acceptance", {"eta_min": 20}),
        ("departure", {}),
        ("arrival", {"fix": {"lat": 27.94921, "lon": 116.35812, "acc_m": 9}}),
        ("start", {}),
        ("answer", {"guide": "g", "guide_version": 1, "step": "fuse", "value": ["blown", "烧断"]}),
        ("photo", {"sha256": "ab" * 32, "size_bytes": 5, "shows": "before"}),
        ("material", {"name": "熔断器", "quantity": 2}),
        ("suspension", {"reason": "雷雨"}),
        ("resumption", {}),
        ("position_correction", {"fix": {"lat": 27.9, "lon": 116.3}}),
        ("finish", {"result": "换熔断器 😀"}),
        ("rating_opened", {}),
    ):
        scene.wait(minutes=2)
        life.record(kind, "t1", "v1", **body)
        life.look("t1")
    life.record("amended", "t1", set={"contact_phone": "9"})
    life.sync()
    life.look("t1")
    life.talk()


def the_words_of_truth(life: Life) -> None:
    """The steps of `truth.json`, one for one."""
    scene = life.scene
    scene.ticket("t1", contact_phone="1")
    life.talk()
    life.record("amended", "t1", set={"contact_phone": "2"})
    scene.office("corrected", "t1", set={"contact_phone": "3"})
    lost = life.request()
    scene.exchange(lost.body)
    life.lose(lost)
    life.talk()


def a_reply_is_lost(life: Life) -> None:
    life.scene.ticket("t1")
    life.sync()
    life.record("note", "t1", "v1", text="one")
    outgoing = life.request()
    life.scene.exchange(outgoing.body)
    life.lose(outgoing)
    life.record("note", "t1", "v1", text="two")
    life.restart()
    life.sync()
    life.record("note", "t1", "v1", text="never arrives")
    life.lose(life.request())
    life.sync()


def two_lives_fork(life: Life) -> None:
    life.scene.ticket("t1")
    life.sync()
    life.copy("morning")
    life.record("note", "t1", "v1", text="first life")
    life.sync()
    life.restore("morning")
    life.record("note", "t1", "v1", text="second life")
    life.sync()
    life.look("t1")


def restored_and_wrote_nothing(life: Life) -> None:
    life.scene.ticket("t1")
    life.sync()
    life.copy("morning")
    life.record("note", "t1", "v1", text="first life")
    life.sync()
    life.restore("morning")
    life.sync()
    life.record("note", "t1", "v1", text="in the new journal")
    life.sync()


def the_server_knows_less(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    life.sync()
    backup = deepcopy(scene.store)
    life.record("note", "t1", "v1", text="one")
    life.sync()
    life.begin_journal("canary")
    life.record("note", "t1", "v1", text="two")
    life.sync()
    restore_server(scene, backup, "k2")
    life.sync()


def the_server_says_less_than_it_once_stated(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    life.sync()
    backup = deepcopy(scene.store)
    life.record("note", "t1", "v1", text="one")
    life.sync()
    restore_server(scene, backup, "k2")
    scene.wait(minutes=1)
    life.talk()
    life.sync()


def the_server_never_saw_this_journal(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    backup = deepcopy(scene.store)
    life.sync()
    life.record("note", "t1", "v1", text="one")
    life.sync()
    restore_server(scene, backup, "k2")
    scene.wait(minutes=1)
    life.record("note", "t1", "v1", text="two")
    life.sync()


def a_new_history_is_marked_drained_and_swept(life: Life) -> None:
    scene = life.scene
    for index in range(4):
        scene.ticket(f"old{index}", remarks="x" * 400)
    life.sync()
    backup = deepcopy(scene.store)
    scene.ticket("lost0")
    scene.ticket("lost1")
    life.sync()
    life.record("note", "lost0", "v1", text="about a ticket of the lost history")
    restore_server(scene, backup, "k2")
    while life.talk(limit_bytes=1024).more:
        pass
    life.sync()


def reassigned_while_something_waits(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    scene.ticket("t2")
    life.sync()
    scene.wait(minutes=3)
    scene.office("transferred", "t1", crew="B")
    reply = scene.exchange(life.request().body)
    life.record("note", "t1", "v1", text="written while the answer travelled")
    life.deliver(reply)
    life.look("t1")
    life.sync()
    life.look("t1")


def a_scope_is_lost(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    life.sync()
    device = scene.store.devices["a"]
    scene.store.devices["a"] = Device("a", device.member, "B", frozenset({"B"}), None, device.key)
    life.sync()


def raised_in_the_field(life: Life) -> None:
    life.record("raised", "mine", set={"description": "断线", "kind": "fault_repair"})
    life.record("arrival", "mine", "v1")
    life.look("mine")
    statement_only = life.scene.exchange(life.request().body)
    assert isinstance(statement_only, bytes)
    life.deliver(statement_only[: statement_only.index(b"\n") + 1])
    life.look("mine")
    life.sync()
    life.look("mine")


def contested_and_set_aside(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1", contact_phone="0")
    scene.ticket("t2", crew="B")
    life.sync()
    fact = life.record("amended", "t1", set={"contact_phone": "1"})
    life.record("note", "t2", "v9", text="somebody else's ticket")
    scene.office("corrected", "t1", set={"contact_phone": "2"})
    life.look("t2")
    life.sync()
    life.look("t1")
    life.look("t2")
    scene.office("decided", "t1", field="contact_phone", choose=fact, reason="asked")
    life.sync()


def replies_overtake_one_another(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    life.sync()
    life.record("note", "t1", "v1", text="one")
    late = scene.exchange(life.request().body)
    scene.wait(minutes=5)
    life.record("note", "t1", "v1", text="two")
    scene.office("corrected", "t1", set={"remarks": "new"})
    life.sync()
    life.deliver(late)
    life.deliver(b"<html>Welcome</html>\n")
    life.sync()


def lines_go_after_a_week_and_the_server_forgets_them(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    empty = deepcopy(scene.store)
    for index in range(4):
        life.record("note", "t1", "v1", text=str(index))
    life.sync()
    chain = scene.store.chains(life.phone.replica.journal.id)[0]
    chain.durable = 5
    scene.store._chains[chain.journal][0] = chain
    life.sync()
    life.prune()
    scene.wait(minutes=8 * DAY_MIN)
    assert KEEP_MS < 8 * DAY_MIN * 60_000
    life.prune()
    life.look("t1")
    restore_server(scene, empty, "k2")
    for _ in range(4):
        life.talk()
    life.record("note", "t1", "v1", text="life goes on")
    for _ in range(3):
        life.talk()


def a_new_journal_after_lines_were_dropped(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    for index in range(4):
        life.record("note", "t1", "v1", text=str(index))
    life.sync()
    chain = scene.store.chains(life.phone.replica.journal.id)[0]
    chain.durable = 3
    scene.store._chains[chain.journal][0] = chain
    life.sync()
    scene.wait(minutes=8 * DAY_MIN)
    life.prune()
    life.begin_journal("canary")
    life.sync()


def a_foreign_key_is_refused(life: Life) -> None:
    scene = life.scene
    scene.ticket("t1")
    life.sync()
    device = scene.store.devices["a"]
    scene.store.devices["a"] = Device("a", device.member, "A", frozenset({"A"}), None, {"k": "another"})
    life.record("note", "t1", "v1", text="kept")
    life.talk()
    scene.store.devices["a"] = device
    life.sync()


def a_clock_that_says_1970(life: Life) -> None:
    life.scene.ticket("t1")
    life.sync()
    life.phone.wall_off_ms = -life.scene.now
    life.record("arrival", "t1", "v1")
    life.sync()


LIVES: tuple[Callable[[Life], None], ...] = (
    a_whole_job_offline,
    the_words_of_truth,
    a_reply_is_lost,
    two_lives_fork,
    restored_and_wrote_nothing,
    the_server_knows_less,
    the_server_says_less_than_it_once_stated,
    the_server_never_saw_this_journal,
    a_new_history_is_marked_drained_and_swept,
    reassigned_while_something_waits,
    a_scope_is_lost,
    raised_in_the_field,
    contested_and_set_aside,
    replies_overtake_one_another,
    lines_go_after_a_week_and_the_server_forgets_them,
    a_new_journal_after_lines_were_dropped,
    a_foreign_key_is_refused,
    a_clock_that_says_1970,
)


def lives() -> list[dict[str, Any]]:
    found = []
    for live in LIVES:
        life = Life(live.__name__.replace("_", " "))
        live(life)
        found.append(life.case())
    return found
