"""A simulated phone: the production replica over a pocket that can be full, die in the middle, or come back from an old copy,
with clocks its owner may set.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sync.facts import FactId, Key, Reading
from sync.journal import fact_id, head_bytes, link
from sync.memory import MemoryPocket
from sync.replica import Outgoing, Replica, Row, Signer
from sync.store import Device
from tests.simulation.oracle import PhoneEnd

YEAR_MS = 365 * 24 * 3_600_000


class PhoneKilled(Exception):
    """The phone's app ended in the middle of something."""


class QuotaFull(Exception):
    """The browser gives no more room."""


class Pocket(MemoryPocket):
    """A phone's storage with its faults. `fuse` counts down operations until the app dies; 0 dies right after the commit.

    `full`: no room for another line. `crammed`: no room for anything, as when the browser's quota was taken by others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fuse: int | None = None
        self.full = False
        self.crammed = False
        self._packed: dict[Key, bytes] = {}  # rows are copied on the way in and out, and this is the fastest copy there is

    def snapshot(self) -> tuple[Any, ...]:
        """Cheap, because what is held is never changed in place."""
        return self._state, {name: dict(rows) for name, rows in self._lines.items()}, dict(self._packed)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        self._state, lines, rows = snapshot
        self._lines = {name: dict(held) for name, held in lines.items()}
        self._packed = dict(rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
        if self.fuse == 0:
            raise PhoneKilled

    def _burn(self) -> None:
        if self.crammed:
            raise QuotaFull
        if self.fuse is not None and self.fuse > 0:
            self.fuse -= 1
            if self.fuse == 0:
                self.fuse = None
                raise PhoneKilled

    def save_state(self, raw: bytes) -> None:
        self._burn()
        super().save_state(raw)

    def append(self, journal: str, n: int, identity: FactId, raw: bytes) -> None:
        self._burn()
        if self.full:
            raise QuotaFull
        super().append(journal, n, identity, raw)

    def row(self, key: Key) -> Row | None:
        packed = self._packed.get(key)
        return None if packed is None else Row(*marshal.loads(packed))

    def save_row(self, row: Row) -> None:
        self._burn()
        fields = (row.kind, row.id, row.at, row.incarnation, row.put, row.scopes, row.doubtful, row.gone, row.gone_to)
        self._packed[(row.kind, row.id)] = marshal.dumps(fields)

    def drop_row(self, key: Key) -> None:
        self._packed.pop(key, None)

    def rows(self, kind: str | None = None) -> list[Row]:
        return [Row(*marshal.loads(packed)) for key, packed in sorted(self._packed.items()) if kind is None or key[0] == kind]

    def held(self) -> dict[str, dict[int, tuple[FactId, bytes]]]:
        """Every line in here, by journal and place."""
        return self._lines

    def facts(self) -> set[str]:
        return {identity for rows in self._lines.values() for identity, _ in rows.values()}


class OldApp(Replica):
    """The app as an earlier version of the wire knew it: its envelope says where it stands and no more.

    What it does not say (how much waits, which cursor page it wants) is optional for ever; upgrading is a restart.
    """

    SAID = ("v", "app", "journal", "after", "from", "n", "head", "checkpoint", "cursor")

    def request(self, *, limit_bytes: int = 65_536, now_wall: int = 0) -> Outgoing:
        outgoing = super().request(limit_bytes=limit_bytes, now_wall=now_wall)
        first, _, lines = outgoing.body.partition(b"\n")
        said = {name: value for name, value in json.loads(first).items() if name in self.SAID}
        return replace(outgoing, body=json.dumps(said).encode() + b"\n" + lines)


@dataclass(frozen=True)
class Copy:
    """A backup of a phone, with the world's own memory of what it had written by then."""

    pocket: tuple[Any, ...]
    written: dict[str, list[str]]
    step: int


@dataclass
class Handset:
    """One phone and its owner. `written` is the world's own list of what each journal truly holds on this phone."""

    device: Device
    signer: Signer
    new_id: Callable[[], str]
    make: Callable[..., Replica] = Replica
    pocket: Pocket = field(default_factory=Pocket)
    replica: Replica = field(init=False)
    crew: str = ""
    revoked: bool = False
    liar: bool = False
    wall_off_ms: int = 0
    mono_off_ms: int = 0
    boot: int = 1
    booted_at: int = 0
    drift_ppm: int = 0
    written: dict[str, list[str]] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    visits: dict[str, str] = field(default_factory=dict)

    def reading(self, now: int) -> Reading:
        """What the clocks show at a true moment."""
        passed = now - self.booted_at
        return Reading(now + self.wall_off_ms, self.mono(passed), f"b{self.boot}")

    def mono(self, passed: int) -> int:
        return max(0, passed + passed * self.drift_ppm // 1_000_000 + self.mono_off_ms)

    @property
    def old(self) -> bool:
        """Whether it runs an app of an earlier version."""
        return isinstance(self.replica, OldApp)

    def restart(self) -> None:
        """The app starts again over what is durable."""
        self.pocket.fuse = None
        self.pocket.crammed = False
        self.replica = self.make(self.pocket, self.signer, self.new_id)

    def reboot(self, now: int) -> None:
        """The phone starts again: another boot, and a monotonic clock from zero."""
        self.boot, self.booted_at = self.boot + 1, now
        self.restart()

    def copy(self, step: int) -> None:
        self.copies.append(Copy(self.pocket.snapshot(), {name: list(facts) for name, facts in self.written.items()}, step))

    def come_back(self, copy: Copy) -> None:
        """The phone is overwritten by an old copy of itself."""
        self.pocket.restore(copy.pocket)
        self.written = {name: list(facts) for name, facts in copy.written.items()}
        self.restart()

    def inject(self, raw: bytes) -> None:
        """Write a line no honest app of this version writes, as a newer or broken one might."""
        own = self.replica.journal
        head = fact_id(link(head_bytes(own.head) or b"", raw))
        with self.pocket.transaction():
            self.pocket.append(own.id, own.n + 1, head, raw)
            own.n, own.head = own.n + 1, head
            self.replica._save()

    @property
    def scopes(self) -> tuple[str, ...]:
        return f"device:{self.device.id}", f"member:{self.device.member}", f"crew:{self.crew}", "station:s1"

    def unstated(self) -> int:
        """How many lines the phone holds that no statement covered, counted from the pocket."""
        stated = {own.id: own.stated for own in self.replica.state.journals}
        return sum(n > stated[name] for name, rows in self.pocket.held().items() if name in stated for n in rows)

    def end(self) -> PhoneEnd:
        rows = {(row.kind, row.id): (dict(row.scopes), row.put) for row in self.pocket.rows()}
        notices = [str(notice["slug"]) for notice in self.replica.state.notices]
        return PhoneEnd(
            self.device.id, self.scopes, not self.revoked, self.pocket.facts(), rows, notices, self.replica.journal.id,
            self.written, self.replica.waiting,
        )  # fmt: skip
