"""Phones under load: the real `sync.replica` over a pocket that copies nothing, and the facts of an ordinary shift."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clients.handset.keys import Signer
from sync.facts import FactId, Key, Reading
from sync.replica import Outgoing, Replica, Row
from tests.bench import link

PAGE_BYTES = 256 * 1024
"""As much as the Python handset asks for at once."""
FACTS_A_TICKET = 10


class Pocket:
    """A phone's storage as plain dictionaries, without a way back: what is measured is the server."""

    def __init__(self) -> None:
        self._state: bytes | None = None
        self._lines: dict[str, list[tuple[int, FactId, bytes]]] = {}
        self._rows: dict[Key, Row] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def load_state(self) -> bytes | None:
        return self._state

    def save_state(self, raw: bytes) -> None:
        self._state = raw

    def append(self, journal: str, n: int, identity: FactId, raw: bytes) -> None:
        self._lines.setdefault(journal, []).append((n, identity, raw))

    def lines(self, journal: str, first: int, last: int) -> list[tuple[int, FactId, bytes]]:
        return self._lines.get(journal, [])[max(0, first - 1) : last]

    def drop_lines(self, journal: str, last: int) -> None:
        """Nothing is dropped: a benchmark ends before a phone forgets."""

    def row(self, key: Key) -> Row | None:
        return self._rows.get(key)

    def save_row(self, row: Row) -> None:
        self._rows[(row.kind, row.id)] = row

    def drop_row(self, key: Key) -> None:
        self._rows.pop(key, None)

    def rows(self, kind: str | None = None) -> Iterable[Row]:
        return [row for key, row in self._rows.items() if kind is None or key[0] == kind]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a phone has after enrolment, and the tickets its crew holds."""

    device: str
    member: str
    signer: Signer
    token: str
    tickets: tuple[str, ...]


class Phone:
    """One phone; every new one begins a journal of its own."""

    def __init__(self, enrolled: Enrolled, serial: str) -> None:
        self.enrolled = enrolled
        self._serial = serial
        self._made = 0
        self._tick = 0
        self._pocket = Pocket()
        self.replica = Replica.enrol(
            self._pocket,
            enrolled.signer,
            self._new_id,
            device=enrolled.device,
            member=enrolled.member,
            app="1.0.0",
            reading=self._reading(),
        )

    def _new_id(self) -> str:
        self._made += 1
        digest = hashlib.sha256(f"{self._serial}/{self.enrolled.device}/{self._made}".encode()).hexdigest()
        return f"0199{digest[:4]}-{digest[4:8]}-7{digest[8:11]}-a{digest[11:14]}-{digest[14:26]}"

    def _reading(self) -> Reading:
        """Half a minute of work between two facts, the last of them now."""
        self._tick += 1
        return Reading(time.time_ns() // 1_000_000 - 3_600_000 + self._tick * 31_417, 5_000_000 + self._tick * 31_415, "b3")

    def work(self, facts: int) -> None:
        """Record this many facts, ten on each ticket."""
        for at in range(facts):
            ticket = self.enrolled.tickets[at // FACTS_A_TICKET]
            step = at % FACTS_A_TICKET
            if step == 0:
                visit = self._new_id()
            kind, body = _fact(step, self._tick)
            self.replica.record(kind, self._reading(), ticket=ticket, visit=visit, body=body)

    def request(self, *, limit_bytes: int = PAGE_BYTES) -> tuple[Outgoing, bytes]:
        """What the phone would send now, and the bytes of the HTTP request."""
        outgoing = self.replica.request(limit_bytes=limit_bytes, now_wall=time.time_ns() // 1_000_000)
        return outgoing, link.post("/v1/sync", outgoing.body, token=self.enrolled.token)

    def fresh_pull(self, *, limit_bytes: int = PAGE_BYTES) -> bytes:
        """A request of a phone that has nothing new and wants everything in its scopes."""
        cursor, self.replica.state.cursor = self.replica.state.cursor, {}
        try:
            return self.request(limit_bytes=limit_bytes)[1]
        finally:
            self.replica.state.cursor = cursor

    def heard(self, reply: link.Reply) -> None:
        """Apply a reply. Raises AssertionError unless it is a whole one without a problem."""
        assert reply.status == 200, f"{reply.status}: {reply.plain[:300]!r}"
        applied = self.replica.apply(reply.plain, self._reading())
        assert applied.problem is None and applied.complete, applied


_FIX = {"lat": 27.94921, "lon": 116.35812, "acc_m": 9, "age_ms": 1200}


def _fact(step: int, tick: int) -> tuple[str, dict[str, Any]]:
    """The kind and body of a fact by its place in a visit: 250 bytes or so a line, as in the field."""
    drift = tick % 97 / 100_000
    fix = {**_FIX, "lat": round(27.94921 + drift, 5), "lon": round(116.35812 + drift, 5)}
    photo = {"sha256": hashlib.sha256(str(tick).encode()).hexdigest(), "size_bytes": 2_000_000 + tick, "shows": "before"}
    visit: tuple[tuple[str, dict[str, Any]], ...] = (
        ("acceptance", {"eta_min": 20}),
        ("departure", {"fix": fix}),
        ("arrival", {"fix": fix}),
        ("answer", _answer("voltage", 220 + tick % 17, unit="V")),
        ("answer", _answer("breaker", "closed")),
        ("answer", _answer("earthing-checked", True, safety=True)),
        ("photo", photo),
        ("note", {"text": "更换进户线接头,绝缘正常,已恢复供电。"}),
        ("start", {}),
        ("finish", {"result": "已修复", "cause": "connector"}),
    )
    return visit[step]


def _answer(step: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"guide": "fault-repair-lv", "guide_version": 3, "step": step, "value": value, **more}
